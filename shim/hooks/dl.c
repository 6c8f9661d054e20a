/* SPDX-License-Identifier: MIT */
/*
 * libc's names for loading libraries and looking functions up.  Whoever asks
 * the C library itself for connect(2) (ctypes, JNA), or for a certain version
 * of it, would get past this library.  The thunks in hooks/x86_64/thunks.S ask
 * here and then jump, for the C library looks at the caller's address.
 */
#include "hooks/dl.h"

#include <stddef.h>
#include "base/idle.h"
#include "base/scope.h"
#include "config/config.h"
#include "hooks/hook.h"
#include "log/log.h"

void *hook_dlsym_idle IDLE_DATA;
void *hook_dlvsym_idle IDLE_DATA;

/* Without settings the thunks do not come here again. */
static bool is_idle(void **idle, void *next)
{
	if (__atomic_load_n(&config_state, __ATOMIC_ACQUIRE) != CONFIG_IDLE)
		return false;
	__atomic_store_n(idle, next, __ATOMIC_RELAXED);
	return true;
}

/*
 * What is found through a handle, or in the global scope, does not depend on
 * the caller as far as these names go: so it can be looked up here first.  What
 * is not replaced is looked up again in the caller's name, dlerror(3) included.
 *
 * RTLD_NEXT is for those who wrap the function.
 *
 * Does not have the settings read: other libraries look functions up while they
 * initialise themselves, and wait for themselves (torsocks) if that makes
 * calls. As long as nothing is known, ours is right.
 */
struct hook_dl_answer hook_dlsym_answer(
	void *handle, const char *name, const void *caller)
{
	struct hook_dl_answer answer = {NULL, NULL};
	void *own, *found = NULL;

	answer.next = (void *)real(dlsym);
	if (handle == RTLD_NEXT || is_idle(&hook_dlsym_idle, answer.next))
		return answer;
	own = scope_own(name);
	if (own)
		found = real(dlsym)(handle, name);
	if (found && scope_goes_round_us(name, found, caller))
		answer.found = own;
	return answer;
}

/* A version is one of the C library's: what stands before it without versions
 * is passed over, also by those that ask for the next. */
struct hook_dl_answer hook_dlvsym_answer(
	void *handle, const char *name, const char *version, const void *caller)
{
	struct hook_dl_answer answer = {NULL, NULL};
	void *own, *found;

	answer.next = (void *)real(dlvsym);
	if (is_idle(&hook_dlvsym_idle, answer.next))
		return answer;
	own = scope_own(name);
	if (!own || (handle == RTLD_NEXT && !scope_is_before_us(caller)))
		return answer;
	found = real(dlvsym)(handle, name, version);
	if (found && scope_goes_round_us(name, found, caller))
		answer.found = own;
	return answer;
}

/* There is no such namespace: dlerror(3) says so. */
static void *no_namespace(Lmid_t where, const char *file, int mode)
{
	(void)where;
	return real(dlmopen)((Lmid_t)1 << 30, file, mode);
}

void *hook_dlmopen_target(Lmid_t where, const char *file)
{
	if (where == LM_ID_BASE || !config_active())
		return (void *)real(dlmopen);
	log_line(LOG_LEVEL_ERROR,
		"dlmopen: refused to load %s into another namespace: it would "
		"have a C library of its own, and its connections would be "
		"plaintext",
		file ? file : "the program");
	return (void *)no_namespace;
}

void *hook_dlopen_target(void)
{
	return (void *)real(dlopen);
}
