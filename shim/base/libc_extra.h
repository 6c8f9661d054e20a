/* SPDX-License-Identifier: MIT */
/*
 * The system headers of every interposed call, and prototypes of those names
 * that libc exports but no header of its own declares: the fortified twins that
 * programs built with _FORTIFY_SOURCE import instead of the plain names, and
 * system calls that few make.
 */
#ifndef TLSSHIM_LIBC_EXTRA_H
#define TLSSHIM_LIBC_EXTRA_H

#include <aio.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fsuid.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>
#include <wordexp.h>

ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags,
	struct sockaddr *addr, socklen_t *addrlen);
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
	const sigset_t *mask, size_t room);
int __dprintf_chk(int fd, int flag, const char *format, ...);
int __vdprintf_chk(int fd, int flag, const char *format, va_list ap);
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);

int pivot_root(const char *new_root, const char *old);
int capset(void *header, const void *data);

/* liburing's; no header of it is needed to build. */
struct io_uring;
struct io_uring_params;
int io_uring_setup(unsigned entries, struct io_uring_params *params);
int io_uring_queue_init(
	unsigned entries, struct io_uring *ring, unsigned flags);
int io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
	struct io_uring_params *params);
int io_uring_queue_init_mem(unsigned entries, struct io_uring *ring,
	struct io_uring_params *params, void *buf, size_t size);

/* clone() by a name that ThreadSanitizer does not take for a fork. */
int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);

#endif
