/* SPDX-License-Identifier: MIT */
/*
 * Knows a terminal by its path and by what fstat(2) says: names of
 * pseudo-terminals are used again, and the next one may be another user's.
 */
#include "log/terminal.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>
#include "base/kernel.h"
#include "base/real.h"

static char path[64];
static struct stat noted;

static bool is_noted(int fd)
{
	struct stat st;

	return kernel_fstat(fd, &st) == 0 && st.st_dev == noted.st_dev &&
	       st.st_ino == noted.st_ino && st.st_rdev == noted.st_rdev &&
	       st.st_ctim.tv_sec == noted.st_ctim.tv_sec &&
	       st.st_ctim.tv_nsec == noted.st_ctim.tv_nsec;
}

bool log_terminal_note(void)
{
	struct termios attributes;
	ssize_t n;

	if (kernel_fstat(STDERR_FILENO, &noted) < 0 ||
		!S_ISCHR(noted.st_mode) ||
		tcgetattr(STDERR_FILENO, &attributes) < 0)
		return false;
	n = readlink("/proc/self/fd/2", path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = 0;
	return n > 0 && n < (ssize_t)sizeof(path) - 1;
}

int log_terminal_open(void)
{
	int fd = real(open)(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || is_noted(fd))
		return fd;
	real(close)(fd);
	return -1;
}
