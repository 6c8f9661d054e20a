/* SPDX-License-Identifier: MIT */
/*
 * libc's names for descriptor numbers: those that copy a descriptor, and
 * those that make a new one (a stale entry of the table is purged).
 */
#include "hooks/hook.h"

#include <errno.h>
#include <stdarg.h>
#include "conn/descriptors.h"
#include "event/epollset.h"
#include "handoff/origin.h"
#include "socket/numbers.h"
#include "socket/sockopt.h"

/* ---- copies ---- */

HOOK int dup(int fd)
{
	if (fdtab_is_hidden(fd))
		return fail(EBADF);
	return numbers_copied(fd, real(dup)(fd));
}

HOOK int dup2(int from, int to)
{
	if (fdtab_is_hidden(from))
		return fail(EBADF);
	numbers_make_way(to);
	return numbers_copied(from, real(dup2)(from, to));
}
HOOK_ALIAS(__dup2, dup2);

HOOK int dup3(int from, int to, int flags)
{
	if (fdtab_is_hidden(from))
		return fail(EBADF);
	numbers_make_way(to);
	return numbers_copied(from, real(dup3)(from, to, flags));
}

/* The placeholder has flags and owner. */
static int control(struct conn *c, int fd, int cmd, long arg)
{
	if (c == &conn_hidden)
		return fail(EBADF);
	if (cmd == F_SETFL)
		return sockopt_set_flags(c, fd, arg);
	return real(fcntl)(fd, cmd, arg);
}

/* The third argument may be an int, a pointer or nothing: all are a word. */
HOOK int fcntl(int fd, int cmd, ...)
{
	conn_ref struct conn *c = descriptor_get(fd);
	va_list ap;
	long arg;
	int r;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	r = c ? control(c, fd, cmd, arg) : real(fcntl64)(fd, cmd, arg);
	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
		return numbers_copied(fd, r);
	return r;
}
HOOK_ALIAS(__fcntl, fcntl);
HOOK_ALIAS(fcntl64, fcntl); /* off_t is 64 bits wide in both */

/* ---- new files ---- */

HOOK int socket(int domain, int type, int protocol)
{
	int fd = numbers_fresh(real(socket)(domain, type, protocol));

	if (fd >= 0 && (domain == AF_INET || domain == AF_INET6))
		origin_made(fd);
	return fd;
}

static int fresh_pair(int r, const int fds[2])
{
	if (r == 0) {
		numbers_fresh(fds[0]);
		numbers_fresh(fds[1]);
	}
	return r;
}

HOOK int socketpair(int domain, int type, int protocol, int fds[2])
{
	return fresh_pair(real(socketpair)(domain, type, protocol, fds), fds);
}

HOOK int pipe(int fds[2])
{
	return fresh_pair(real(pipe)(fds), fds);
}
HOOK_ALIAS(__pipe, pipe);

HOOK int pipe2(int fds[2], int flags)
{
	return fresh_pair(real(pipe2)(fds, flags), fds);
}

HOOK int accept(int fd, __SOCKADDR_ARG addr, socklen_t *len)
{
	return numbers_fresh(real(accept)(fd, addr, len));
}

HOOK int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *len, int flags)
{
	return numbers_fresh(real(accept4)(fd, addr, len, flags));
}

/* The mode is there only where a file may be made: open(2). */
static mode_t mode_of(int flags, va_list ap)
{
	if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE)
		return va_arg(ap, mode_t);
	return 0;
}

#define HOOK_OPEN(name)                                                        \
	HOOK int name(const char *path, int flags, ...)                        \
	{                                                                      \
		va_list ap;                                                    \
		mode_t mode;                                                   \
                                                                               \
		va_start(ap, flags);                                           \
		mode = mode_of(flags, ap);                                     \
		va_end(ap);                                                    \
		return numbers_fresh(real(name)(path, flags, mode));           \
	}
#define HOOK_OPENAT(name)                                                      \
	HOOK int name(int dir, const char *path, int flags, ...)               \
	{                                                                      \
		va_list ap;                                                    \
		mode_t mode;                                                   \
                                                                               \
		va_start(ap, flags);                                           \
		mode = mode_of(flags, ap);                                     \
		va_end(ap);                                                    \
		return numbers_fresh(real(name)(dir, path, flags, mode));      \
	}
HOOK_OPEN(open)
HOOK_OPEN(open64)
HOOK_OPENAT(openat)
HOOK_OPENAT(openat64)
HOOK_ALIAS(__open, open);
HOOK_ALIAS(__open64, open64);

HOOK int epoll_create(int size)
{
	return epollset_made(numbers_fresh(real(epoll_create)(size)));
}

HOOK int epoll_create1(int flags)
{
	return epollset_made(numbers_fresh(real(epoll_create1)(flags)));
}

/* Calls with no argument that varies in number: the result is a new file. */
#define HOOK_FRESH(name, params, args)                                         \
	HOOK int name params                                                   \
	{                                                                      \
		return numbers_fresh(real(name) args);                         \
	}
HOOK_FRESH(creat, (const char *path, mode_t mode), (path, mode))
HOOK_FRESH(creat64, (const char *path, mode_t mode), (path, mode))
HOOK_FRESH(__open_2, (const char *path, int flags), (path, flags))
HOOK_FRESH(__open64_2, (const char *path, int flags), (path, flags))
HOOK_FRESH(
	__openat_2, (int dir, const char *path, int flags), (dir, path, flags))
HOOK_FRESH(__openat64_2, (int dir, const char *path, int flags),
	(dir, path, flags))
HOOK_FRESH(eventfd, (unsigned count, int flags), (count, flags))
HOOK_FRESH(timerfd_create, (clockid_t clock, int flags), (clock, flags))
HOOK_FRESH(
	signalfd, (int fd, const sigset_t *mask, int flags), (fd, mask, flags))
HOOK_FRESH(inotify_init, (void), ())
HOOK_FRESH(inotify_init1, (int flags), (flags))
HOOK_FRESH(memfd_create, (const char *name, unsigned flags), (name, flags))
