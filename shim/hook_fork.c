/* SPDX-License-Identifier: MIT */
/*
 * libc's names for copies of the process.  What a copy could use of a
 * connection is handed over to a relay before.  fork(), daemon() and forkpty()
 * come here by pthread_atfork() (dial.c); vfork() shares all and needs nothing.
 */
#include "hook.h"

#include <stdarg.h>
#include "plug.h"

HOOK pid_t _Fork(void)
{
	plug_all();
	return real(_Fork)();
}

HOOK int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
	void *more[3];
	va_list ap;

	va_start(ap, arg);
	for (int i = 0; i < 3; i++)
		more[i] = va_arg(ap, void *);
	va_end(ap);
	if (!(flags & CLONE_VM))
		plug_all();
	return real(clone)(fn, stack, flags, arg, more[0], more[1], more[2]);
}
