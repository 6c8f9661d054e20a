/* SPDX-License-Identifier: MIT */
/*
 * Numbers out of the program's way.
 */
#include "highfd.h"

#include <fcntl.h>
#include <sys/resource.h>
#include "real.h"

#define LOWEST 768

int highfd_lowest(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
		limit.rlim_cur / 2 < LOWEST)
		return (int)(limit.rlim_cur / 2);
	return LOWEST;
}

int highfd_move(int fd)
{
	int moved = real(fcntl)(fd, F_DUPFD_CLOEXEC, highfd_lowest());

	if (moved < 0)
		return fd;
	real(close)(fd);
	return moved;
}
