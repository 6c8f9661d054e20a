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
#include "contexts.h"
#include "goodbye.h"
#include "hook.h"
#include "keeper.h"
#include "plug.h"

typedef long (*six_args)(
	long n, long a, long b, long c, long d, long e, long f);

#define P(x) ((void *)(x))
#define SA(x) ((struct sockaddr *)(x))

/* pselect6(2) has its sixth argument in a struct of pointer and size. */
static const sigset_t *mask_of(const sigset_t *const *masked)
{
	return masked ? *masked : NULL;
}

static long by_number(long n, long a, long b, long c, long d, long e, long f)
{
	switch (n) {
#define NUMBER(name, call)                                                     \
	case SYS_##name:                                                       \
		return call;
#include "syscalls.def"
#undef NUMBER
	}
	return fail(ENOSYS);
}

static bool is_listed(long n)
{
	switch (n) {
#define NUMBER(name, call) case SYS_##name:
#include "syscalls.def"
#undef NUMBER
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
	if (fdtab_is_used() && copies(n, a)) {
		plug_all();
		goodbye_all(); /* it may end in ways that no hook sees */
	}
	if (!config_active())
		return (void *)real(syscall);
	if (restricts(n))
		contexts_prepare();
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
