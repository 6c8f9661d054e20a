/* SPDX-License-Identifier: MIT */
/*
 * Calls that must be tail-jumped: vfork, which returns twice; syscall, because it forwards arguments whose
 * number and meaning are the caller's; dlopen, because the C library looks at
 * the caller's address ($ORIGIN, the namespace).  All argument registers are
 * kept; the stack is as the caller left it when the jump is made.
 */

	.text

	.macro save
	.cfi_startproc
	endbr64
	push	%rdi
	.cfi_adjust_cfa_offset 8
	push	%rsi
	.cfi_adjust_cfa_offset 8
	push	%rdx
	.cfi_adjust_cfa_offset 8
	push	%rcx
	.cfi_adjust_cfa_offset 8
	push	%r8
	.cfi_adjust_cfa_offset 8
	push	%r9
	.cfi_adjust_cfa_offset 8
	push	%rax
	.cfi_adjust_cfa_offset 8
	.endm

	.macro restore
	mov	%rax, %r11
	pop	%rax
	.cfi_adjust_cfa_offset -8
	pop	%r9
	.cfi_adjust_cfa_offset -8
	pop	%r8
	.cfi_adjust_cfa_offset -8
	pop	%rcx
	.cfi_adjust_cfa_offset -8
	pop	%rdx
	.cfi_adjust_cfa_offset -8
	pop	%rsi
	.cfi_adjust_cfa_offset -8
	pop	%rdi
	.cfi_adjust_cfa_offset -8
	.endm

	.globl	syscall
	.type	syscall, @function
syscall:
	save
	call	hook_syscall_target
	restore
	jmp	*%r11
	.cfi_endproc
	.size	syscall, . - syscall

/* RTLD_DEEPBIND (8) would let the library reach libc past this one: php opens
 * its extensions so. */
	.globl	dlopen
	.type	dlopen, @function
dlopen:
	save
	call	hook_dlopen_target
	restore
	and	$~8, %esi
	jmp	*%r11
	.cfi_endproc
	.size	dlopen, . - dlopen

	.globl	vfork
	.globl	__vfork
	.type	vfork, @function
	.type	__vfork, @function
vfork:
__vfork:
	save
	call	hook_vfork_target
	restore
	jmp	*%r11
	.cfi_endproc
	.size	vfork, . - vfork
	.size	__vfork, . - __vfork

	.section .note.GNU-stack, "", @progbits
