/* SPDX-License-Identifier: MIT */
/*
 * Where a thread has its own data: the same for its life, and like no other
 * thread's.  __builtin_thread_pointer(), which clang before 14 has not on
 * x86-64.
 */
#ifndef TLSSHIM_THREAD_H
#define TLSSHIM_THREAD_H

/* The ABI has the thread pointer stand where it points to. */
static inline void *thread_pointer(void)
{
	void *pointer;

	__asm__("mov %%fs:0, %0" : "=r"(pointer));
	return pointer;
}

#endif
