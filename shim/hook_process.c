/* SPDX-License-Identifier: MIT */
/*
 * libc's names for what restricts a process and for its end.  Before the root
 * or the user changes, engine and trust are loaded: afterwards their files may
 * be out of reach, or be the jail's.
 */
#include "hook.h"

#include <stdarg.h>
#include "config.h"
#include "dial.h"
#include "relay.h"

#define HOOK_RESTRICT(name, params, args)                                      \
	HOOK int name params                                                   \
	{                                                                      \
		dial_prepare();                                                \
		return real(name) args;                                        \
	}
HOOK_RESTRICT(chroot, (const char *path), (path))
HOOK_RESTRICT(unshare, (int flags), (flags))
HOOK_RESTRICT(setns, (int fd, int type), (fd, type))
HOOK_RESTRICT(setuid, (uid_t uid), (uid))
HOOK_RESTRICT(setgid, (gid_t gid), (gid))
HOOK_RESTRICT(seteuid, (uid_t uid), (uid))
HOOK_RESTRICT(setegid, (gid_t gid), (gid))
HOOK_RESTRICT(setreuid, (uid_t ruid, uid_t euid), (ruid, euid))
HOOK_RESTRICT(setregid, (gid_t rgid, gid_t egid), (rgid, egid))
HOOK_RESTRICT(
	setresuid, (uid_t ruid, uid_t euid, uid_t suid), (ruid, euid, suid))
HOOK_RESTRICT(
	setresgid, (gid_t rgid, gid_t egid, gid_t sgid), (rgid, egid, sgid))
HOOK_RESTRICT(setgroups, (size_t n, const gid_t *groups), (n, groups))

HOOK int prctl(int option, ...)
{
	unsigned long args[4];
	va_list ap;

	va_start(ap, option);
	for (int i = 0; i < 4; i++)
		args[i] = va_arg(ap, unsigned long);
	va_end(ap);
	if (option == PR_SET_SECCOMP || option == PR_SET_NO_NEW_PRIVS)
		dial_prepare();
	return real(prctl)(option, args[0], args[1], args[2], args[3]);
}

/* In a container that was pid 1 relays die with their program. */
static void finish(void)
{
	conn_finish_all();
	if (fdtab_is_used())
		relay_wait_for_all();
}

HOOK void _exit(int status)
{
	finish();
	real(_exit)(status);
	__builtin_unreachable();
}

HOOK void _Exit(int status)
{
	finish();
	real(_Exit)(status);
	__builtin_unreachable();
}

/* exit() and return from main. */
__attribute__((destructor)) static void at_exit(void)
{
	finish();
}

static void at_quick_exit_handler(void)
{
	finish();
}

/* First registered, last run: after the program's own handlers. */
__attribute__((constructor)) static void watch_quick_exit(void)
{
	if (config_selects(config_get()))
		(void)!at_quick_exit(at_quick_exit_handler);
}
