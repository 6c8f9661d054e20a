/* SPDX-License-Identifier: MIT */
/*
 * Where the assembler thunks jump to, and what calls by name and by number have
 * in common.
 */
#ifndef TLSSHIM_HOOK_SYSCALL_H
#define TLSSHIM_HOOK_SYSCALL_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

/* Does a clone(2) with these flags give the child other files or another user?
 * With CLONE_FS its chroot() is its parent's as well. */
static inline bool hook_clone_restricts(uint64_t flags)
{
	return !(flags & CLONE_THREAD) &&
	       (flags & (CLONE_NEWNS | CLONE_NEWUSER | CLONE_FS));
}

/* A function with syscall(2)'s arguments, for system call n, whose first
 * argument is a. */
void *hook_syscall_target(long n, long a);

/* The next vfork(2). */
void *hook_vfork_target(void);

#endif
