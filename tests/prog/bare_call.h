/* SPDX-License-Identifier: MIT */
/*
 * A system call past the C library, which no hook sees.  Errors come as -errno,
 * as the kernel returns them: syscall(2).
 */
#ifndef BARE_CALL_H
#define BARE_CALL_H

static inline long bare_call(long n, long a, long b, long c)
{
	long r;

#ifdef __x86_64__
	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "0"(n), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
#else
#error "another processor's system call goes here"
#endif
	return r;
}

#endif
