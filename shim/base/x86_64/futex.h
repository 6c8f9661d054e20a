/* SPDX-License-Identifier: MIT */
/*
 * futex(2), without libc: both libraries use it, and a relay, in which
 * nothing is bound any more.  errno is left alone.
 */
#ifndef TLSSHIM_FUTEX_H
#define TLSSHIM_FUTEX_H

#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>

static inline long futex(const void *word, int op, uint32_t value)
{
	/* The timeout: none. */
	register const void *timeout __asm__("r10") = 0;
	long r = SYS_futex;

	__asm__ volatile("syscall"
			 : "+a"(r)
			 : "D"(word), "S"(op), "d"(value), "r"(timeout)
			 : "rcx", "r11", "memory");
	return r;
}

/* Sleeps unless the word is not `value` any more; may return for nothing. */
static inline void futex_wait(const void *word, uint32_t value)
{
	futex(word, FUTEX_WAIT_PRIVATE, value);
}

/* Wakes one that sleeps there. */
static inline void futex_wake(const void *word)
{
	futex(word, FUTEX_WAKE_PRIVATE, 1);
}

#endif
