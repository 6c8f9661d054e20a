/* SPDX-License-Identifier: MIT */
/*
 * Asks the kernel whether memory can be read.  Knows one system call that
 * reads eight bytes and then changes nothing.
 */
#include "base/user_memory.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/real.h"

#define PAGE 4096 /* the smallest: more questions than needed do no harm */
#define WORD sizeof(uint64_t)

/* rt_sigprocmask(2) copies the set before it finds that ~0 is nothing that can
 * be done with it: EFAULT, or EINVAL. */
static bool is_word_readable(uintptr_t at)
{
	return real(syscall)(SYS_rt_sigprocmask, ~0, at, NULL, WORD) == 0 ||
	       errno != EFAULT;
}

bool user_memory_is_readable(const void *p, size_t n)
{
	/* An aligned word lies on one page. */
	uintptr_t at = (uintptr_t)p & ~(WORD - 1);
	uintptr_t end = (uintptr_t)p + n;
	int saved_errno = errno;
	/* The kernel takes NULL for no set at all. */
	bool is = n == 0 || (!user_memory_is_absurd(p) && end >= (uintptr_t)p);

	for (; is && n && at < end; at = (at | (PAGE - 1)) + 1)
		is = is_word_readable(at);
	errno = saved_errno;
	return is;
}
