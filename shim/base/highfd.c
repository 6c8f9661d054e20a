/* SPDX-License-Identifier: MIT */
/*
 * Numbers out of the program's way.
 */
#include "base/highfd.h"

#include <errno.h>
#include <fcntl.h>
#include "base/kernel.h"
#include "base/real.h"

#define LOWEST 768

static rlim_t soft_limit(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur
						     : RLIM_INFINITY;
}

static int lowest_under(rlim_t soft)
{
	return soft / 2 < LOWEST ? (int)(soft / 2) : LOWEST;
}

int highfd_lowest(void)
{
	return lowest_under(soft_limit());
}

bool highfd_is_dear(int fd)
{
	rlim_t soft = soft_limit(), lowest = (rlim_t)lowest_under(soft);

	return (rlim_t)fd < lowest ||
	       (rlim_t)fd >= lowest + (soft - lowest) / 2;
}

static int move_up(int fd, int lowest)
{
	int moved = real(fcntl)(fd, F_DUPFD_CLOEXEC, lowest);

	if (moved < 0)
		return fd;
	real(close)(fd);
	return moved;
}

int highfd_move(int fd)
{
	return move_up(fd, highfd_lowest());
}

int highfd_move_file(int fd)
{
	int moved = (int)real(syscall)(
		SYS_fcntl, fd, F_DUPFD_CLOEXEC, highfd_lowest());

	if (moved < 0)
		return fd;
	kernel_close(fd);
	return moved;
}

struct highfd_limit highfd_raise(void)
{
	struct highfd_limit limit = {0, false};
	struct rlimit both;

	if (getrlimit(RLIMIT_NOFILE, &both) < 0)
		return limit;
	limit.soft = both.rlim_cur;
	both.rlim_cur = both.rlim_max;
	limit.raised = limit.soft < both.rlim_max &&
		       setrlimit(RLIMIT_NOFILE, &both) == 0;
	return limit;
}

void highfd_restore(const struct highfd_limit *limit)
{
	int saved_errno = errno;
	struct rlimit both;

	if (limit->raised && getrlimit(RLIMIT_NOFILE, &both) == 0) {
		both.rlim_cur = limit->soft;
		setrlimit(RLIMIT_NOFILE, &both);
	}
	errno = saved_errno;
}

int highfd_beyond(int fd, const struct highfd_limit *limit)
{
	if (!limit->raised)
		return fd;
	return move_up(fd, (int)limit->soft);
}

bool highfd_is_one_free(int fd)
{
	int copy = real(fcntl)(fd, F_DUPFD_CLOEXEC, 0);

	if (copy >= 0)
		real(close)(copy);
	return copy >= 0;
}
