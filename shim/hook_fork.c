/* SPDX-License-Identifier: MIT */
/*
 * libc's names for making processes and becoming another program.  What a
 * copy or a new program could use of a connection is handed over to a relay
 * before.  fork(), daemon() and forkpty() come here by pthread_atfork()
 * (dial.c); vfork() shares all and needs nothing; system() and popen() leave
 * connections alone.
 */
#include "hook.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include "keeper.h"
#include "plug.h"

/* ---- copies ---- */

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

/* ---- other programs ---- */

/*
 * This very process becomes another program: also connections that are
 * close-on-exec are handed over, for their end must be sent if it succeeds,
 * and they must go on if it fails.  A child of vfork() takes along only what
 * it inherits; the rest is its parent's, which goes on.
 */
static void before_exec(void)
{
	if (keeper_is_borrowed())
		plug_inheritable();
	else
		plug_all();
}

#define HOOK_EXEC(name, params, args)                                          \
	HOOK int name params                                                   \
	{                                                                      \
		before_exec();                                                 \
		return real(name) args;                                        \
	}
HOOK_EXEC(execv, (const char *path, char *const argv[]), (path, argv))
HOOK_EXEC(execve, (const char *path, char *const argv[], char *const envp[]),
	(path, argv, envp))
HOOK_EXEC(execvp, (const char *file, char *const argv[]), (file, argv))
HOOK_EXEC(execvpe, (const char *file, char *const argv[], char *const envp[]),
	(file, argv, envp))
HOOK_EXEC(fexecve, (int fd, char *const argv[], char *const envp[]),
	(fd, argv, envp))
HOOK_EXEC(execveat,
	(int dir, const char *path, char *const argv[], char *const envp[],
		int flags),
	(dir, path, argv, envp, flags))

/* The arguments from `first` to the NULL, that included. */
static int count_args(const char *first, va_list ap)
{
	int n = 1;

	for (const char *arg = first; arg; arg = va_arg(ap, const char *))
		n++;
	return n;
}

static void take_args(char **argv, int n, const char *first, va_list ap)
{
	argv[0] = (char *)(uintptr_t)first;
	for (int i = 1; i < n; i++)
		argv[i] = va_arg(ap, char *);
}

/* Variadic calls become their twins with an array on the stack. */
#define HOOK_EXECL(name, call)                                                 \
	HOOK int name(const char *path, const char *first, ...)                \
	{                                                                      \
		va_list ap;                                                    \
		int n;                                                         \
                                                                               \
		va_start(ap, first);                                           \
		n = count_args(first, ap);                                     \
		va_end(ap);                                                    \
		char *argv[n];                                                 \
		va_start(ap, first);                                           \
		take_args(argv, n, first, ap);                                 \
		va_end(ap);                                                    \
		return call(path, argv);                                       \
	}
HOOK_EXECL(execl, execv)
HOOK_EXECL(execlp, execvp)

HOOK int execle(const char *path, const char *first, ...)
{
	va_list ap;
	char **envp;
	int n;

	va_start(ap, first);
	n = count_args(first, ap);
	va_end(ap);
	char *argv[n];
	va_start(ap, first);
	take_args(argv, n, first, ap);
	envp = va_arg(ap, char **);
	va_end(ap);
	return execve(path, argv, envp);
}

/* ---- posix_spawn ---- */

HOOK int posix_spawn(pid_t *pid, const char *path,
	const posix_spawn_file_actions_t *actions,
	const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	plug_inheritable();
	return real(posix_spawn)(pid, path, actions, attr, argv, envp);
}

HOOK int posix_spawnp(pid_t *pid, const char *file,
	const posix_spawn_file_actions_t *actions,
	const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	plug_inheritable();
	return real(posix_spawnp)(pid, file, actions, attr, argv, envp);
}

/* The only action that gives a new program a descriptor of the old. */
HOOK int posix_spawn_file_actions_adddup2(
	posix_spawn_file_actions_t *actions, int from, int to)
{
	plug_fd(from);
	return real(posix_spawn_file_actions_adddup2)(actions, from, to);
}
