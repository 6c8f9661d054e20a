/* SPDX-License-Identifier: MIT */
/*
 * libc's names for becoming and starting other programs.  What a new program
 * could use of a connection is handed over to a relay before, and it is told
 * who the peer is; settings that its environment lacks are given back, and
 * whether the library will be in it is looked at.  system() and popen() leave
 * connections alone.
 */
#include "hooks/hook.h"

#include <errno.h>
#include <stdarg.h>
#include "base/keeper.h"
#include "base/map.h"
#include "config/config.h"
#include "handoff/envp.h"
#include "handoff/goodbye.h"
#include "handoff/plug.h"
#include "handoff/unreached.h"

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

/* ---- one call for all of them ---- */

struct call {
	enum { BY_PATH, BY_FILE, BY_FD, AT_DIR, SPAWN, SPAWN_FILE } how;
	struct executed executed;
	char *const *argv;
	pid_t *pid; /* of posix_spawn(3) */
	const posix_spawn_file_actions_t *actions;
	const posix_spawnattr_t *attr;
};

static bool is_spawn(const struct call *call)
{
	return call->how == SPAWN || call->how == SPAWN_FILE;
}

/* posix_spawn(3) returns the error. */
static int failed(const struct call *call, int error)
{
	return is_spawn(call) ? error : fail(error);
}

static int make(const struct call *call, char *const env[])
{
	const struct executed *e = &call->executed;

	switch (call->how) {
	case BY_PATH:
		return real(execve)(e->path, call->argv, env);
	case BY_FILE:
		return real(execvpe)(e->path, call->argv, env);
	case BY_FD:
		return real(fexecve)(e->dir, call->argv, env);
	case AT_DIR:
		return real(execveat)(
			e->dir, e->path, call->argv, env, e->flags);
	case SPAWN:
		return real(posix_spawn)(call->pid, e->path, call->actions,
			call->attr, call->argv, env);
	case SPAWN_FILE:
		return real(posix_spawnp)(call->pid, e->path, call->actions,
			call->attr, call->argv, env);
	}
	return failed(call, ENOSYS);
}

static bool is_too_long(const struct call *call, int r)
{
	return is_spawn(call) ? r == E2BIG : r < 0 && errno == E2BIG;
}

/* With what is given back where the kernel takes it. */
static int make_with(
	const struct call *call, const struct envp_plan *plan, void *room)
{
	int r = make(call, envp_make(plan, room));

	if (!plan->gives || !is_too_long(call, r))
		return r;
	if (!unreached_too_long(&call->executed))
		return failed(call, EACCES);
	return make(call, plan->child.envp);
}

/*
 * The room of the call that this thread is making.  A child of vfork() that
 * became another program left it in its parent's memory; the thread whose child
 * it was has waited until then, and finds here what is nobody's any more.
 */
static __thread struct {
	pid_t caller;
	size_t size;
	void *at; /* NULL: none */
} taken __attribute__((tls_model("initial-exec")));

static void give_back_of_child(pid_t self)
{
	void *at = taken.at;

	if (!at || taken.caller == self)
		return; /* a signal handler has interrupted that call */
	taken.at = NULL;
	munmap(at, taken.size);
}

static bool note_taken(void *at, size_t size, pid_t self)
{
	if (taken.at)
		return false;
	taken.caller = self;
	taken.size = size;
	taken.at = at;
	return true;
}

/* The room is given back where the call returns. */
static int make_in_mapping(
	const struct call *call, const struct envp_plan *plan)
{
	pid_t self = getpid();
	void *room;
	bool noted;
	int r, saved_errno;

	give_back_of_child(self);
	room = map_memory(plan->size);
	if (!room)
		return failed(call, ENOMEM);
	noted = note_taken(room, plan->size, self);
	r = make_with(call, plan, room);
	saved_errno = errno;
	if (noted)
		taken.at = NULL;
	munmap(room, plan->size);
	errno = saved_errno;
	return r;
}

static __attribute__((noinline)) int make_on_stack(
	const struct call *call, const struct envp_plan *plan)
{
	char *room[plan->size / sizeof(char *) + 1];

	return make_with(call, plan, room);
}

static bool is_on_stack(const struct call *call, size_t size)
{
	if (size <= ENVP_ON_STACK)
		return true;
	return size <= ENVP_ON_STACK_OF_PARENT && !is_spawn(call) &&
	       keeper_is_guest();
}

/* No pointer of a program's: the kernel says EFAULT. */
static bool is_no_memory(const void *p)
{
	return p && ((uintptr_t)p < 4096 || (intptr_t)p < 0);
}

static void before_spawn(void)
{
	plug_inheritable();
	goodbye_inheritable();
}

static int execute(const struct call *call, char *const envp[])
{
	enum unreached_give give = UNREACHED_LEAVE;
	struct envp_plan plan;

	if (is_no_memory(envp))
		return make(call, envp);
	if (config_active())
		give = unreached_ask(&call->executed, envp);
	if (give == UNREACHED_REFUSE)
		return failed(call, EACCES);
	if (is_spawn(call))
		before_spawn();
	else
		before_exec();
	envp_plan(&plan, envp, give == UNREACHED_GIVE);
	if (!plan.size)
		return make(call, envp);
	return is_on_stack(call, plan.size) ? make_on_stack(call, &plan)
					    : make_in_mapping(call, &plan);
}

/* ---- the names ---- */

static int exec_path(const char *path, char *const argv[], char *const envp[])
{
	const struct call call = {.how = BY_PATH,
		.executed = {.dir = AT_FDCWD, .path = path},
		.argv = argv};

	return execute(&call, envp);
}

static int exec_file(const char *file, char *const argv[], char *const envp[])
{
	const struct call call = {.how = BY_FILE,
		.executed = {.dir = AT_FDCWD,
			.path = file,
			.search_in = environ},
		.argv = argv};

	return execute(&call, envp);
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
	const struct call call = {
		.how = BY_FD, .executed = {.dir = fd}, .argv = argv};

	return execute(&call, envp);
}

HOOK int execveat(int dir, const char *path, char *const argv[],
	char *const envp[], int flags)
{
	const struct call call = {.how = AT_DIR,
		.executed = {.dir = dir, .path = path, .flags = flags},
		.argv = argv};

	return execute(&call, envp);
}

/* The arguments from `first` to the NULL, that included.  The list goes by
 * pointer: what a function leaves of a va_list that it was handed is not
 * defined (C11, 7.16). */
static int count_args(const char *first, va_list *ap)
{
	int n = 1;

	for (const char *arg = first; arg; arg = va_arg(*ap, const char *))
		n++;
	return n;
}

static void take_args(char **argv, int n, const char *first, va_list *ap)
{
	argv[0] = (char *)(uintptr_t)first;
	for (int i = 1; i < n; i++)
		argv[i] = va_arg(*ap, char *);
}

/* Variadic calls become their twins with an array on the stack. */
#define HOOK_EXECL(name, call)                                                 \
	HOOK int name(const char *path, const char *first, ...)                \
	{                                                                      \
		va_list ap;                                                    \
		int n;                                                         \
                                                                               \
		va_start(ap, first);                                           \
		n = count_args(first, &ap);                                    \
		va_end(ap);                                                    \
		char *argv[n];                                                 \
		va_start(ap, first);                                           \
		take_args(argv, n, first, &ap);                                \
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
	n = count_args(first, &ap);
	va_end(ap);
	char *argv[n];
	va_start(ap, first);
	take_args(argv, n, first, &ap);
	envp = va_arg(ap, char **);
	va_end(ap);
	return exec_path(path, argv, envp);
}

/* ---- posix_spawn ---- */

HOOK int posix_spawn(pid_t *pid, const char *path,
	const posix_spawn_file_actions_t *actions,
	const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	const struct call call = {.how = SPAWN,
		.executed = {.dir = AT_FDCWD, .path = path},
		.argv = argv,
		.pid = pid,
		.actions = actions,
		.attr = attr};

	return execute(&call, envp);
}

HOOK int posix_spawnp(pid_t *pid, const char *file,
	const posix_spawn_file_actions_t *actions,
	const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	const struct call call = {.how = SPAWN_FILE,
		.executed = {.dir = AT_FDCWD,
			.path = file,
			.search_in = environ},
		.argv = argv,
		.pid = pid,
		.actions = actions,
		.attr = attr};

	return execute(&call, envp);
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

static const struct executed shell = {.dir = AT_FDCWD, .path = "/bin/sh"};

/*
 * They leave what is in this process alone.  What was handed over before their
 * commands inherit.  libc executes the shell with `environ`, without a hook;
 * thus that has what is given back until the caller's variable ends.
 */
struct shell_call {
	bool is_refused, replaces;
};

static void end_shell(struct shell_call *call)
{
	if (call->replaces)
		envp_restore(&environ);
}

#define SHELL_CALL __attribute__((cleanup(end_shell))) struct shell_call

static struct shell_call begin_shell(void)
{
	enum unreached_give give;

	if (!config_active())
		return (struct shell_call){false, false};
	give = unreached_ask(&shell, environ);
	if (give == UNREACHED_GIVE)
		envp_replace(&environ);
	return (struct shell_call){
		give == UNREACHED_REFUSE, give == UNREACHED_GIVE};
}

HOOK int system(const char *command)
{
	SHELL_CALL call = begin_shell();

	if (call.is_refused)
		return command ? fail(EACCES) : 0;
	goodbye_inheritable();
	return real(system)(command);
}

HOOK FILE *popen(const char *command, const char *mode)
{
	SHELL_CALL call = begin_shell();

	if (call.is_refused) {
		errno = EACCES;
		return NULL;
	}
	goodbye_inheritable();
	return real(popen)(command, mode);
}
HOOK_ALIAS(_IO_popen, popen);

/* Where no shell may be executed, there is no command substitution. */
HOOK int wordexp(
	const char *restrict words, wordexp_t *restrict result, int flags)
{
	SHELL_CALL call = begin_shell();

	goodbye_inheritable();
	return real(wordexp)(
		words, result, call.is_refused ? flags | WRDE_NOCMD : flags);
}
