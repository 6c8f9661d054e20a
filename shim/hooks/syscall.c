/* SPDX-License-Identifier: MIT */
/*
 * syscall(2): the same calls by number go to the same hooks (libuv closes with
 * syscall(SYS_close)).  The thunk in hooks/x86_64/thunks.S asks
 * hook_syscall_target() where to jump, so that all others reach libc untouched,
 * with all arguments.
 */
#include "hooks/syscall.h"

#include <errno.h>
#include <sys/syscall.h>
#include "base/keeper.h"
#include "base/user_memory.h"
#include "config/config.h"
#include "handoff/goodbye.h"
#include "handoff/origin.h"
#include "handoff/plug.h"
#include "hooks/hook.h"
#include "tls/contexts.h"

typedef long (*six_args)(
	long n, long a, long b, long c, long d, long e, long f);

#define P(x) ((void *)(x))
#define SA(x) ((struct sockaddr *)(x))

/* pselect6(2) has its sixth argument in a struct of pointer and size. */
static const sigset_t *mask_of(const sigset_t *const *masked)
{
	return masked ? *masked : NULL;
}

/* The sets of select(2), in whole words. */
static bool are_readable(long n, long a, long b, long c)
{
	const long all[] = {a, b, c};
	size_t size = ((size_t)n + 63) / 64 * sizeof(fd_mask);

	for (unsigned i = 0; n > 0 && i < 3; i++)
		if (all[i] && !user_memory_is_readable(P(all[i]), size))
			return false;
	return true;
}

static bool is_timeout(long timeout)
{
	return !timeout ||
	       user_memory_is_readable(P(timeout), sizeof(struct timespec));
}

#define ARRAY_MAX (1l << 20) /* entries; of more the kernel says EINVAL */

static bool is_array(long first, long n, size_t size)
{
	return n >= 0 && n <= ARRAY_MAX &&
	       user_memory_is_readable(P(first), (size_t)n * size);
}

/* May the hook look at what the arguments point at, before the kernel does?
 * It says EFAULT of what is no memory. */
static bool may_be_looked_at(
	long call, long a, long b, long c, long d, long e, long f)
{
	switch (call) {
	case SYS_poll:
		return is_array(a, b, sizeof(struct pollfd));
	case SYS_ppoll:
		return is_array(a, b, sizeof(struct pollfd)) && is_timeout(c);
	case SYS_select:
		return are_readable(a, b, c, d) && is_timeout(e);
	case SYS_pselect6:
		return are_readable(a, b, c, d) && is_timeout(e) &&
		       (!f || user_memory_is_readable(
				      P(f), sizeof(const sigset_t *)));
	case SYS_sendmsg:
		return is_array(b, 1, sizeof(struct msghdr));
	case SYS_sendmmsg:
		return is_array(b, c, sizeof(struct mmsghdr));
	}
	return true;
}

static long by_number(long n, long a, long b, long c, long d, long e, long f)
{
	if (!may_be_looked_at(n, a, b, c, d, e, f))
		return real(syscall)(n, a, b, c, d, e, f);
	switch (n) {
#define NUMBER(name, call)                                                     \
	case SYS_##name:                                                       \
		return call;
#include "hooks/syscalls.def"
#undef NUMBER
	}
	return fail(ENOSYS);
}

static bool is_listed(long n)
{
	switch (n) {
#define NUMBER(name, call) case SYS_##name:
#include "hooks/syscalls.def"
#undef NUMBER
		return true;
	}
	return false;
}

static bool is_restriction(long n)
{
	switch (n) {
#define RESTRICT(name, params, args) case SYS_##name:
#define RESTRICT_LIBC(name, params, args)
#define RESTRICT_NUMBER(name) case SYS_##name:
#include "hooks/restricts.def"
#undef RESTRICT
#undef RESTRICT_LIBC
#undef RESTRICT_NUMBER
		return true;
	}
	return false;
}

static bool is_clone(long n)
{
	return n == SYS_clone || n == SYS_clone3;
}

/* clone(2)'s flags come first, in clone3(2)'s struct as well. */
static uint64_t clone_flags(long n, long a)
{
	if (n == SYS_clone)
		return (uint64_t)a;
	/* The kernel will say EFAULT, and makes nothing. */
	if (!user_memory_is_readable(P(a), sizeof(uint64_t)))
		return CLONE_VM;
	return *(const uint64_t *)P(a);
}

/* A copy of the process made by number. */
static bool copies(long n, long a)
{
	return n == SYS_fork ||
	       (is_clone(n) && !(clone_flags(n, a) & CLONE_VM));
}

static bool restricts(long n, long a)
{
	return is_restriction(n) ||
	       (is_clone(n) && hook_clone_restricts(clone_flags(n, a)));
}

void *hook_syscall_target(long n, long a)
{
	if (config_active() && copies(n, a)) {
		plug_all();
		origin_before_copy();
		goodbye_all(); /* it may end in ways that no hook sees */
	}
	if (!config_active())
		return (void *)real(syscall);
	if (restricts(n, a))
		contexts_prepare();
	if (n == SYS_vfork || is_clone(n))
		keeper_begin();
	if (is_listed(n))
		return (void *)(six_args)by_number;
	return (void *)real(syscall);
}
