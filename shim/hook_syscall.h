/* SPDX-License-Identifier: MIT */
/*
 * Where the assembler thunks jump to.
 */
#ifndef TLSSHIM_HOOK_SYSCALL_H
#define TLSSHIM_HOOK_SYSCALL_H

/* A function with syscall(2)'s arguments, for system call n, whose first
 * argument is a. */
void *hook_syscall_target(long n, long a);

/* The next dlopen(3). */
void *hook_dlopen_target(void);

/* The next vfork(2). */
void *hook_vfork_target(void);

#endif
