/* SPDX-License-Identifier: MIT */
/*
 * syscall(2): the same calls by number go to the same hooks (libuv closes with
 * syscall(SYS_close)).  The thunk in thunks_x86_64.S asks hook_syscall_target()
 * where to jump, so that all others reach libc untouched, with all arguments.
 */
#include "hook_syscall.h"

#include <errno.h>
#include <sys/syscall.h>
#include "config.h"
#include "dial.h"
#include "hook.h"
#include "keeper.h"
#include "plug.h"

typedef long (*six_args)(
	long n, long a, long b, long c, long d, long e, long f);

#define P(x) ((void *)(x))

static long new_name(long n, long a, long b, long c, long d, long e, long f)
{
	switch (n) {
	case SYS_connect:
		return connect((int)a, (struct sockaddr *)P(b), (socklen_t)c);
	case SYS_close:
		return close((int)a);
	case SYS_close_range:
		return close_range((unsigned)a, (unsigned)b, (int)c);
	case SYS_shutdown:
		return shutdown((int)a, (int)b);
	case SYS_read:
		return read((int)a, P(b), (size_t)c);
	case SYS_readv:
		return readv((int)a, P(b), (int)c);
	case SYS_recvfrom:
		return recvfrom((int)a, P(b), (size_t)c, (int)d,
			(struct sockaddr *)P(e), P(f));
	case SYS_recvmsg:
		return recvmsg((int)a, P(b), (int)c);
	case SYS_recvmmsg:
		return recvmmsg((int)a, P(b), (unsigned)c, (int)d, P(e));
	case SYS_write:
		return write((int)a, P(b), (size_t)c);
	case SYS_writev:
		return writev((int)a, P(b), (int)c);
	case SYS_sendto:
		return sendto((int)a, P(b), (size_t)c, (int)d,
			(struct sockaddr *)P(e), (socklen_t)f);
	case SYS_sendmsg:
		return sendmsg((int)a, P(b), (int)c);
	case SYS_sendmmsg:
		return sendmmsg((int)a, P(b), (unsigned)c, (int)d);
	case SYS_sendfile:
		return sendfile64((int)a, (int)b, P(c), (size_t)d);
	case SYS_splice:
		return splice(
			(int)a, P(b), (int)c, P(d), (size_t)e, (unsigned)f);
	}
	return fail(ENOSYS);
}

/* The raw calls write back what is left of the timeout: poll(2), select(2). */
static long readiness(long n, long a, long b, long c, long d, long e, long f)
{
	const sigset_t *const *masked = P(f);

	switch (n) {
	case SYS_poll:
		return poll(P(a), (nfds_t)b, (int)c);
	case SYS_ppoll:
		return ppoll(P(a), (nfds_t)b, P(c), P(d));
	case SYS_select:
		return select((int)a, P(b), P(c), P(d), P(e));
	case SYS_pselect6:
		return pselect((int)a, P(b), P(c), P(d), P(e),
			masked ? *masked : NULL);
	case SYS_epoll_ctl:
		return epoll_ctl((int)a, (int)b, (int)c, P(d));
	case SYS_epoll_wait:
		return epoll_wait((int)a, P(b), (int)c, (int)d);
	case SYS_epoll_pwait:
		return epoll_pwait((int)a, P(b), (int)c, (int)d, P(e));
	case SYS_epoll_pwait2:
		return epoll_pwait2((int)a, P(b), (int)c, P(d), P(e));
	case SYS_io_uring_setup:
		/* Its operations go round every hook: as if the kernel had
		 * none, which programs know how to live with. */
		return fail(ENOSYS);
	}
	return new_name(n, a, b, c, d, e, f);
}

static long by_number(long n, long a, long b, long c, long d, long e, long f)
{
	switch (n) {
	case SYS_dup:
		return dup((int)a);
	case SYS_dup2:
		return dup2((int)a, (int)b);
	case SYS_dup3:
		return dup3((int)a, (int)b, (int)c);
	case SYS_fcntl:
		return fcntl((int)a, (int)b, c);
	case SYS_ioctl:
		return ioctl((int)a, (unsigned long)b, P(c));
	case SYS_getpeername:
		return getpeername((int)a, (struct sockaddr *)P(b), P(c));
	case SYS_getsockname:
		return getsockname((int)a, (struct sockaddr *)P(b), P(c));
	case SYS_getsockopt:
		return getsockopt((int)a, (int)b, (int)c, P(d), P(e));
	case SYS_setsockopt:
		return setsockopt((int)a, (int)b, (int)c, P(d), (socklen_t)e);
	case SYS_socket:
		return socket((int)a, (int)b, (int)c);
	case SYS_execve:
		return execve(P(a), P(b), P(c));
	case SYS_execveat:
		return execveat((int)a, P(b), P(c), P(d), (int)e);
	case SYS_exit_group:
		_exit((int)a);
	}
	return readiness(n, a, b, c, d, e, f);
}

static bool is_listed(long n)
{
	switch (n) {
	case SYS_connect:
	case SYS_close:
	case SYS_close_range:
	case SYS_shutdown:
	case SYS_read:
	case SYS_readv:
	case SYS_recvfrom:
	case SYS_recvmsg:
	case SYS_recvmmsg:
	case SYS_write:
	case SYS_writev:
	case SYS_sendto:
	case SYS_sendmsg:
	case SYS_sendmmsg:
	case SYS_sendfile:
	case SYS_splice:
	case SYS_poll:
	case SYS_ppoll:
	case SYS_select:
	case SYS_pselect6:
	case SYS_epoll_ctl:
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
	case SYS_epoll_pwait2:
	case SYS_io_uring_setup:
	case SYS_dup:
	case SYS_dup2:
	case SYS_dup3:
	case SYS_fcntl:
	case SYS_ioctl:
	case SYS_getpeername:
	case SYS_getsockname:
	case SYS_getsockopt:
	case SYS_setsockopt:
	case SYS_socket:
	case SYS_execve:
	case SYS_execveat:
	case SYS_exit_group:
		return true;
	}
	return false;
}

/* Calls that restrict the process and that have no libc name of their own, or
 * are made by number all the same. */
static bool restricts(long n)
{
	switch (n) {
	case SYS_chroot:
	case SYS_pivot_root:
	case SYS_unshare:
	case SYS_setns:
	case SYS_seccomp:
	case SYS_landlock_restrict_self:
	case SYS_setuid:
	case SYS_setgid:
	case SYS_setreuid:
	case SYS_setregid:
	case SYS_setresuid:
	case SYS_setresgid:
	case SYS_setgroups:
		return true;
	}
	return false;
}

/* A copy of the process made by number: clone(2)'s flags come first, in
 * clone3(2)'s struct as well. */
static bool copies(long n, long a)
{
	switch (n) {
	case SYS_fork:
		return true;
	case SYS_clone:
		return !(a & CLONE_VM);
	case SYS_clone3:
		return !(*(const uint64_t *)P(a) & CLONE_VM);
	}
	return false;
}

void *hook_syscall_target(long n, long a)
{
	if (atomic_load(&conn_count) && copies(n, a))
		plug_all();
	if (!config_active())
		return (void *)real(syscall);
	if (restricts(n))
		dial_prepare();
	if (n == SYS_vfork || n == SYS_clone || n == SYS_clone3)
		keeper_begin();
	if (is_listed(n))
		return (void *)(six_args)by_number;
	return (void *)real(syscall);
}

void *hook_dlopen_target(void)
{
	return (void *)real(dlopen);
}
