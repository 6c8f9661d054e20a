/* SPDX-License-Identifier: MIT */
/*
 * Starts a program in the way that is asked for:
 *
 *	starting WAY PROGRAM [ARGUMENT...]
 *
 * with the environment that STARTING_ENV says: "same" (the default), "none",
 * "null", "large" (10,000 entries, nothing of ours), or "full": none, and one
 * more argument of 125,000 bytes.  Prints "errno N" where the call fails, and
 * ends as the program does.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

extern char **environ;

static char **env, **arguments;
static const char *way;

static int is(const char *name)
{
	return strcmp(way, name) == 0;
}

static int fails(int error)
{
	printf("errno %d\n", error);
	fflush(stdout);
	return 99;
}

static int wait_status(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return 98;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 97;
}

static int memory_file(const char *path)
{
	int from = open(path, O_RDONLY), to = memfd_create("copy", MFD_CLOEXEC);
	char buf[65536];
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0)
		if (write(to, buf, (size_t)n) != n)
			return -1;
	close(from);
	return to;
}

static void exec(void)
{
	char *path = arguments[0], **argv = arguments, *a = argv[1];
	char *b = a ? argv[2] : NULL;

	if (is("execve") || is("vfork") || is("thread") || is("signal"))
		execve(path, argv, env);
	else if (is("execvpe"))
		execvpe(path, argv, env);
	else if (is("execle"))
		execle(path, path, a, b, (char *)NULL, env);
	else if (is("fexecve"))
		fexecve(open(path, O_RDONLY | O_CLOEXEC), argv, env);
	else if (is("fexecve-path"))
		fexecve(open(path, O_PATH | O_CLOEXEC), argv, env);
	else if (is("memfd"))
		fexecve(memory_file(path), argv, env);
	else if (is("execveat"))
		execveat(AT_FDCWD, path, argv, env, 0);
	else if (is("execveat-empty"))
		execveat(open(path, O_PATH | O_CLOEXEC), "", argv, env,
			AT_EMPTY_PATH);
	else if (is("syscall"))
		syscall(SYS_execve, path, argv, env);
	environ = env;
	if (is("execv"))
		execv(path, argv);
	else if (is("execvp"))
		execvp(path, argv);
	else if (is("execl"))
		execl(path, path, a, b, (char *)NULL);
	else if (is("execlp"))
		execlp(path, path, a, b, (char *)NULL);
}

/* On as little stack as a thread may have. */
static void *exec_in_thread(void *arg)
{
	exec();
	fails(errno);
	return arg;
}

static void exec_in_handler(int signal)
{
	(void)signal;
	exec();
}

static int spawn(void)
{
	pid_t pid;
	int error;

	if (is("posix_spawnp"))
		error = posix_spawnp(
			&pid, arguments[0], NULL, NULL, arguments, env);
	else
		error = posix_spawn(
			&pid, arguments[0], NULL, NULL, arguments, env);
	return error ? fails(error) : wait_status(pid);
}

static int shell(void)
{
	char **before = env, line[4096];
	wordexp_t words;
	FILE *f;
	int r;

	environ = env;
	if (is("system")) {
		r = system(arguments[0]);
		if (environ != before)
			printf("environ is another one\n");
		return r < 0 ? fails(errno) : WEXITSTATUS(r);
	}
	if (is("popen")) {
		f = popen(arguments[0], "r");
		if (!f)
			return fails(errno);
		while (fgets(line, sizeof(line), f))
			fputs(line, stdout);
		return WEXITSTATUS(pclose(f));
	}
	snprintf(line, sizeof(line), "$(%s)", arguments[0]);
	r = wordexp(line, &words, 0);
	if (r)
		return fails(r);
	for (size_t i = 0; i < words.we_wordc; i++)
		puts(words.we_wordv[i]);
	return 0;
}

static int start(void)
{
	pid_t pid;

	if (!strncmp(way, "posix_spawn", 11))
		return spawn();
	if (is("system") || is("popen") || is("wordexp"))
		return shell();
	if (is("thread")) {
		pthread_attr_t attr;
		pthread_t thread;

		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, 32 * 1024);
		pthread_create(&thread, &attr, exec_in_thread, NULL);
		pthread_join(thread, NULL);
		return 99;
	}
	if (is("signal")) {
		signal(SIGUSR1, exec_in_handler);
		raise(SIGUSR1);
		return fails(errno);
	}
	if (is("vfork")) {
		pid = vfork();
		if (pid == 0) {
			exec();
			_exit(fails(errno));
		}
		return wait_status(pid);
	}
	exec();
	return fails(errno);
}

static void choose_environment(void)
{
	const char *name = getenv("STARTING_ENV");
	static char *none[] = {NULL}, *large[10001];

	env = environ;
	if (!name || !strcmp(name, "same"))
		return;
	env = strcmp(name, "null") ? none : NULL;
	if (!strcmp(name, "large")) {
		for (int i = 0; i < 10000; i++)
			large[i] = (char *)"A=b";
		env = large;
	}
	if (!strcmp(name, "full")) {
		static char argument[125001];
		int n = 0;

		memset(argument, 'a', sizeof(argument) - 1);
		while (arguments[n])
			n++;
		arguments[n] = argument; /* where the NULL was */
	}
}

int main(int argc, char **argv)
{
	way = argv[1];
	arguments = calloc((size_t)argc + 1, sizeof(*arguments));
	if (argc < 3 || !arguments)
		return 96;
	memcpy(arguments, argv + 2, (size_t)(argc - 2) * sizeof(*arguments));
	choose_environment();
	return start();
}
