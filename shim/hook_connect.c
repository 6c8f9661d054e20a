/* SPDX-License-Identifier: MIT */
/*
 * libc's names for opening and ending: connect, shutdown, close and the calls
 * that close many.
 */
#include "hook.h"

#include <errno.h>
#include <limits.h>
#include <sys/syscall.h>
#include "config.h"
#include "dial.h"
#include "goodbye.h"
#include "io.h"
#include "keeper.h"
#include "numbers.h"
#include "plug.h"

/*
 * Does the program's address point to memory?  The kernel says EFAULT, where we
 * would crash.  rt_sigprocmask() reads a set before it finds that ~0 is nothing
 * that can be done with it.
 */
static bool is_memory(const struct sockaddr *addr, socklen_t len)
{
	const char *bytes = (const char *)addr;
	int saved_errno = errno;
	bool is;

	/* No address of ours: nobody looks. */
	if (!bytes || len < 8 || len > sizeof(struct sockaddr_storage) ||
		!config_active())
		return true;
	errno = 0;
	real(syscall)(SYS_rt_sigprocmask, ~0, bytes, NULL, 8);
	is = errno != EFAULT;
	real(syscall)(SYS_rt_sigprocmask, ~0, bytes + len - 8, NULL, 8);
	is = is && errno != EFAULT;
	errno = saved_errno;
	return is;
}

HOOK int connect(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
	conn_ref struct conn *c = fdtab_get(fd);
	const struct sockaddr *to = addr.__sockaddr__;

	if (!is_memory(to, len)) {
		errno = EFAULT;
		return -1;
	}
	if (c && to && len >= sizeof(to->sa_family) &&
		len <= sizeof(struct sockaddr_storage))
		return ERRNO_KEPT(plug_standard(dial_again(c, fd, to)));
	fdtab_unnote(fd, FDTAB_SETTLED); /* AF_UNSPEC disconnects */
	if (c || !config_active())
		return real(connect)(fd, addr, len);
	return ERRNO_KEPT(plug_standard(dial_connect(fd, to, len)));
}
HOOK_ALIAS(__connect, connect);

HOOK int shutdown(int fd, int how)
{
	conn_ref struct conn *c = fdtab_get(fd);

	if (c)
		return ERRNO_KEPT(io_shutdown(c, fd, how));
	if (how != SHUT_RD)
		goodbye_given(fd);
	return real(shutdown)(fd, how);
}

HOOK int close(int fd)
{
	if (__builtin_expect(atomic_load(&conn_left_open) != 0, 0))
		conn_close_left();
	fdtab_unnote(fd, FDTAB_SETTLED);
	if (fdtab_peek(fd) <= FDTAB_NOTES)
		return real(close)(fd);
	return numbers_close(fd);
}
HOOK_ALIAS(__close, close);

HOOK int close_range(unsigned first, unsigned last, int flags)
{
	if (!fdtab_is_used())
		return real(close_range)(first, last, flags);
	return numbers_close_range(first, last, flags);
}

HOOK void closefrom(int first)
{
	if (!fdtab_is_used())
		real(closefrom)(first);
	else
		numbers_close_range(
			first > 0 ? (unsigned)first : 0, UINT_MAX, 0);
}
