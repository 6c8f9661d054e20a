/* SPDX-License-Identifier: MIT */
/*
 * The two functions of libgcc that -fexceptions makes our code call when a
 * thread is cancelled in it, passed on to the libgcc_s that pthread_cancel(3)
 * loaded.  Linking libgcc_s would cost every exec; a static copy of these two
 * aborts, for what they are given was made by another copy.
 */
#include <stdlib.h>
#include "base/real.h"

_Noreturn void _Unwind_Resume(void *exception);
int __gcc_personality_v0(int version, int actions, unsigned long class,
	void *exception, void *context);

static void *find(const char *name)
{
	void *found = real_of_libgcc(name);

	if (!found)
		abort(); /* somebody is unwinding: it is there */
	return found;
}

_Noreturn void _Unwind_Resume(void *exception)
{
	void (*resume)(void *) = (void (*)(void *))find("_Unwind_Resume");

	resume(exception);
	abort();
}

int __gcc_personality_v0(int version, int actions, unsigned long class,
	void *exception, void *context)
{
	int (*personality)(int, int, unsigned long, void *, void *) =
		(int (*)(int, int, unsigned long, void *, void *))find(
			"__gcc_personality_v0");

	return personality(version, actions, class, exception, context);
}
