/* SPDX-License-Identifier: MIT */
/*
 * libc's names for becoming and starting other programs.  What a new program
 * could use of a connection is handed over to a relay before, and it is told
 * who the peer is.  system() and popen() leave connections alone.
 */
#include "hook.h"

#include <errno.h>
#include <stdarg.h>
#include "envp.h"
#include "goodbye.h"
#include "keeper.h"
#include "plug.h"

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
	goodbye_before_exec();
}

/* The environment with the peers of what the new program may inherit; on the
 * stack, for there may be nobody to free it. */
#define PEERS_OF(envp)                                                         \
	size_t words = envp_room(envp);                                        \
	void *room[words + 1];                                                 \
	char *const *env = envp_with_peers(envp, room, words)

static int exec_path(const char *path, char *const argv[], char *const envp[])
{
	before_exec();
	PEERS_OF(envp);
	return real(execve)(path, argv, env);
}

static int exec_file(const char *file, char *const argv[], char *const envp[])
{
	before_exec();
	PEERS_OF(envp);
	return real(execvpe)(file, argv, env);
}

HOOK int execve(const char *path, char *const argv[], char *const envp[])
{
	return exec_path(path, argv, envp);
}

HOOK int execvpe(const char *file, char *const argv[], char *const envp[])
{
	return exec_file(file, argv, envp);
}

HOOK int execv(const char *path, char *const argv[])
{
	return exec_path(path, argv, environ);
}

HOOK int execvp(const char *file, char *const argv[])
{
	return exec_file(file, argv, environ);
}

HOOK int fexecve(int fd, char *const argv[], char *const envp[])
{
	before_exec();
	PEERS_OF(envp);
	return real(fexecve)(fd, argv, env);
}

HOOK int execveat(int dir, const char *path, char *const argv[],
	char *const envp[], int flags)
{
	before_exec();
	PEERS_OF(envp);
	return real(execveat)(dir, path, argv, env, flags);
}

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
		return call(path, argv, environ);                              \
	}
HOOK_EXECL(execl, exec_path)
HOOK_EXECL(execlp, exec_file)

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
	return exec_path(path, argv, envp);
}

/* ---- posix_spawn ---- */

static void before_spawn(void)
{
	plug_inheritable();
	goodbye_inheritable();
}

HOOK int posix_spawn(pid_t *pid, const char *path,
	const posix_spawn_file_actions_t *actions,
	const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	before_spawn();
	PEERS_OF(envp);
	return real(posix_spawn)(pid, path, actions, attr, argv, env);
}

HOOK int posix_spawnp(pid_t *pid, const char *file,
	const posix_spawn_file_actions_t *actions,
	const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	before_spawn();
	PEERS_OF(envp);
	return real(posix_spawnp)(pid, file, actions, attr, argv, env);
}

/* The only action that gives a new program a descriptor of the old. */
HOOK int posix_spawn_file_actions_adddup2(
	posix_spawn_file_actions_t *actions, int from, int to)
{
	if (!plug_fd(from))
		return EBADF;
	goodbye_given(from);
	return real(posix_spawn_file_actions_adddup2)(actions, from, to);
}

/* ---- libc's own ways of running a command ---- */

/* They leave what is in this process alone.  What was handed over before their
 * commands inherit. */
HOOK int system(const char *command)
{
	goodbye_inheritable();
	return real(system)(command);
}

HOOK FILE *popen(const char *command, const char *mode)
{
	goodbye_inheritable();
	return real(popen)(command, mode);
}
HOOK_ALIAS(_IO_popen, popen);

HOOK int wordexp(
	const char *restrict words, wordexp_t *restrict result, int flags)
{
	goodbye_inheritable();
	return real(wordexp)(words, result, flags);
}
