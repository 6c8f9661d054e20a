/* SPDX-License-Identifier: MIT */
/*
 * Calls that must be tail-jumped: vfork, which returns twice; syscall, because
 * it forwards arguments whose number and meaning are the caller's; dlopen and
 * its kin, because the C library looks at the caller's address ($ORIGIN, the
 * namespace, RTLD_NEXT).  All argument registers are kept; the stack is as the
 * caller left it when the jump is made.
 */

	.text

	.macro begin
	.cfi_startproc
	endbr64
	.endm

	.macro save
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
	begin
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
	begin
	save
	call	hook_dlopen_target
	restore
	and	$~8, %esi
	jmp	*%r11
	.cfi_endproc
	.size	dlopen, . - dlopen

/* The same where the namespace is the program's own. */
	.globl	dlmopen
	.type	dlmopen, @function
dlmopen:
	begin
	save
	call	hook_dlmopen_target
	restore
	and	$~8, %edx
	jmp	*%r11
	.cfi_endproc
	.size	dlmopen, . - dlmopen

/* One load and a jump where nothing is to be asked.  Else the answer: what is
 * returned where that is not NULL, and else is jumped to. */
	.macro look_up name, caller
	.globl	\name
	.type	\name, @function
\name:
	begin
	mov	hook_\name\()_idle(%rip), %r11
	test	%r11, %r11
	jz	1f
	jmp	*%r11
1:	save
	mov	56(%rsp), \caller
	call	hook_\name\()_answer
	test	%rax, %rax
	jnz	2f
	mov	%rdx, %rax
	.cfi_remember_state
	restore
	jmp	*%r11
2:	.cfi_restore_state
	add	$56, %rsp
	.cfi_adjust_cfa_offset -56
	ret
	.cfi_endproc
	.size	\name, . - \name
	.endm

	look_up	dlsym, %rdx
	look_up	dlvsym, %rcx

	.globl	vfork
	.globl	__vfork
	.type	vfork, @function
	.type	__vfork, @function
vfork:
__vfork:
	begin
	save
	call	hook_vfork_target
	restore
	jmp	*%r11
	.cfi_endproc
	.size	vfork, . - vfork
	.size	__vfork, . - __vfork

	.section .note.GNU-stack, "", @progbits
