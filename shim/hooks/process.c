/* SPDX-License-Identifier: MIT */
/*
 * libc's names for what restricts a process and for its end.  Before the root
 * or the user changes, engine and trust are loaded: afterwards their files may
 * be out of reach, or be the jail's.
 */
#include "hooks/hook.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include "config/config.h"
#include "handoff/goodbye.h"
#include "handoff/peers.h"
#include "handoff/plug.h"
#include "relay/relay.h"
#include "tls/contexts.h"

#define RESTRICT(name, params, args)                                           \
	HOOK int name params                                                   \
	{                                                                      \
		contexts_prepare();                                            \
		return real(name) args;                                        \
	}
#define RESTRICT_LIBC RESTRICT
#define RESTRICT_NUMBER(name)
#include "hooks/restricts.def"
#undef RESTRICT
#undef RESTRICT_LIBC
#undef RESTRICT_NUMBER

HOOK int prctl(int option, ...)
{
	unsigned long args[4];
	va_list ap;

	va_start(ap, option);
	for (int i = 0; i < 4; i++)
		args[i] = va_arg(ap, unsigned long);
	va_end(ap);
	if (option == PR_SET_SECCOMP || option == PR_SET_NO_NEW_PRIVS)
		contexts_prepare();
	return real(prctl)(option, args[0], args[1], args[2], args[3]);
}

/* TCP_LINGER2: the relay is to know at once that nobody is left. */
static void close_at_once(int fd)
{
	int at_once = -1;

	real(setsockopt)(
		fd, IPPROTO_TCP, TCP_LINGER2, &at_once, sizeof(at_once));
	real(close)(fd);
}

static bool close_plugged(int fd, uintptr_t cell, void *arg)
{
	(void)arg;
	if (cell & FDTAB_PLUGGED)
		close_at_once(fd);
	return true;
}

/* What this program got by exec is in no table. */
static void close_inherited(void)
{
	for (int fd = 0; peers_inherited()->n && fd < FD_SETSIZE; fd++)
		if (peers_has(fd))
			close_at_once(fd);
}

/* The first process of a container takes all relays with it: they are let
 * finish, those of programs that it has run as well.  exit() would flush the
 * streams right after this. */
static void finish(bool has_streams)
{
	conn_finish_all();
	goodbye_all();
	if (!relay_dies_with_us())
		return;
	if (has_streams)
		fflush(NULL);
	fdtab_each(0, FDTAB_MAX - 1, close_plugged, NULL);
	close_inherited();
	plug_last();
	relay_wait_for_all();
}

HOOK void _exit(int status)
{
	if (config_is_selective())
		finish(false);
	real(_exit)(status);
	__builtin_unreachable();
}

HOOK void _Exit(int status)
{
	if (config_is_selective())
		finish(false);
	real(_Exit)(status);
	__builtin_unreachable();
}

/* exit() and return from main. */
__attribute__((destructor)) static void at_exit(void)
{
	if (config_is_selective())
		finish(true);
}

static void at_quick_exit_handler(void)
{
	if (config_is_selective())
		finish(false);
}

/* First registered, last run: after the program's own handlers. */
__attribute__((constructor)) static void watch_quick_exit(void)
{
	if (config_is_selective())
		(void)!at_quick_exit(at_quick_exit_handler);
}
