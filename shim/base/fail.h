/* SPDX-License-Identifier: MIT */
/*
 * How a call of libc's fails.
 */
#ifndef TLSSHIM_FAIL_H
#define TLSSHIM_FAIL_H

#include <errno.h>

static inline int fail(int err)
{
	errno = err;
	return -1;
}

#endif
