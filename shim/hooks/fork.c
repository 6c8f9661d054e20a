/* SPDX-License-Identifier: MIT */
/*
 * libc's names for copies of the process.  What a copy could use of a
 * connection is handed over to a relay before.  For fork(), daemon() and
 * forkpty() that is done by pthread_atfork() (fork.c); vfork() shares all.
 */
#include "hooks/hook.h"

#include <stdarg.h>
#include "base/keeper.h"
#include "config/config.h"
#include "handoff/goodbye.h"
#include "handoff/origin.h"
#include "handoff/plug.h"
#include "handoff/unreached.h"
#include "hooks/syscall.h"
#include "tls/contexts.h"

/* What most children call is looked up before: afterwards each would do it
 * again, and fault in half of the dynamic linker for it. */
HOOK pid_t fork(void)
{
	(void)real(execve);
	(void)real(_exit);
	if (config_is_selective())
		(void)getpid(); /* _exit() asks whether it is pid 1 */
	if (config_active())
		unreached_prepare();
	return origin_child(real(fork)());
}
HOOK_ALIAS(__fork, fork);

HOOK pid_t _Fork(void)
{
	plug_all();
	origin_before_copy();
	return origin_child(real(_Fork)());
}

/* A child of vfork() works in our memory: it can tell by whose it is. */
void *hook_vfork_target(void)
{
	if (config_is_selective())
		keeper_begin();
	return (void *)real(vfork);
}

HOOK int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
	void *more[3];
	va_list ap;
	int pid;

	va_start(ap, arg);
	for (int i = 0; i < 3; i++)
		more[i] = va_arg(ap, void *);
	va_end(ap);
	if (hook_clone_restricts((unsigned)flags))
		contexts_prepare();
	if (!(flags & CLONE_VM)) {
		plug_all();
		origin_before_copy();
	} else if (!(flags & CLONE_THREAD) && config_is_selective())
		keeper_begin();
	/* It may end in ways that no hook sees. */
	if (!(flags & CLONE_THREAD))
		goodbye_all();
	pid = real(clone)(fn, stack, flags, arg, more[0], more[1], more[2]);
	return flags & CLONE_VM ? pid : origin_child(pid);
}
