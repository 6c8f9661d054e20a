/* SPDX-License-Identifier: MIT */
/* Connections that another program uses: exec, spawn, standard input and
 * output, and descriptors that are passed on. */
#include "oracle.h"
#include "passing.h"
#include "sharing.h"
#include <dirent.h>
#include <spawn.h>
#include <sys/syscall.h>

static char buf[100000], dir[4096], talk[4200], static_talk[4200];

/* The programs that stand beside this one. */
__attribute__((constructor)) static void find_programs(void)
{
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);

	if (n < 0)
		give_up("/proc/self/exe");
	*strrchr(dir, '/') = 0;
	snprintf(talk, sizeof(talk), "%s/talk", dir);
	snprintf(static_talk, sizeof(static_talk), "%s/talk_static", dir);
}

static const char *number(int fd)
{
	static char text[12];

	snprintf(text, sizeof(text), "%d", fd);
	return text;
}

/* ---- exec ---- */

extern char **environ;

static void exec_by(const char *how, const char *path, int fd)
{
	char *argv[] = {"talk", (char *)number(fd), "hello from exec", NULL};

	if (!strcmp(how, "execv"))
		execv(path, argv);
	else if (!strcmp(how, "execve"))
		execve(path, argv, environ);
	else if (!strcmp(how, "execvp"))
		execvp(path, argv);
	else if (!strcmp(how, "execvpe"))
		execvpe(path, argv, environ);
	else if (!strcmp(how, "execl"))
		execl(path, argv[0], argv[1], argv[2], NULL);
	else if (!strcmp(how, "execlp"))
		execlp(path, argv[0], argv[1], argv[2], NULL);
	else if (!strcmp(how, "execle"))
		execle(path, argv[0], argv[1], argv[2], NULL, environ);
	else if (!strcmp(how, "fexecve"))
		fexecve(open(path, O_RDONLY | O_CLOEXEC), argv, environ);
	else if (!strcmp(how, "execveat"))
		execveat(AT_FDCWD, path, argv, environ, 0);
	else
		syscall(SYS_execve, path, argv, environ);
	give_up(how);
}

static const char *const ways[] = {"execv", "execve", "execvp", "execvpe",
	"execl", "execlp", "execle", "fexecve", "execveat", "SYS_execve"};

/* In a child, one connection for each. */
static void all_exec(void)
{
	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		int fd = dial_echo();
		pid_t pid;

		say("%s\n", ways[i]);
		pid = fork();
		if (pid == 0)
			exec_by(ways[i], talk, fd);
		reap(pid);
		answer(fd, "and the parent");
		close(fd);
	}
}

/* In this very process: it was never copied. */
static void exec_here(void)
{
	int fd = dial_echo();

	answer(fd, "before");
	exec_by("execv", talk, fd);
}

static void exec_static(void)
{
	int fd = dial_echo();

	answer(fd, "before");
	exec_by("execve", static_talk, fd);
}

/* Close-on-exec: the end comes with the exec. */
static void exec_cloexec(void)
{
	int fd = dial();

	fcntl(fd, F_SETFD, FD_CLOEXEC);
	show("write", write(fd, "last words", 10));
	execl("/bin/echo", "echo", "answer = echo", NULL);
}

static void exec_fails(void)
{
	int fd = dial_echo();
	char *argv[] = {"x", NULL};

	answer(fd, "before");
	show("execv", execv("/nonexistent", argv));
	show("execlp", execlp("/etc/passwd", "x", NULL));
	answer(fd, "after");
	close(fd);
}

/* What is in the table of the program that was exec'd. */
static void exec_leaks(void)
{
	int fd = dial_echo();
	int other = dial_echo();

	fcntl(other, F_SETFD, FD_CLOEXEC);
	if (fork() == 0) {
		unsetenv("LD_PRELOAD");
		execl("/bin/sh", "sh", "-c",
			"cd /proc/self/fd; for f in *; do "
			"[ $f -gt 2 ] && [ -e $f ] && echo $f = open; done",
			NULL);
		_exit(1);
	}
	wait(NULL);
	answer(fd, "fd");
	answer(other, "other");
}

/* ---- standard input and output ---- */

static void inetd(void)
{
	int fd = dial_echo();
	pid_t pid = fork();

	if (pid == 0) {
		become_stdio(fd);
		execl("/bin/sh", "sh", "-c",
			"echo hello; read x; echo \"got $x\" >&2", NULL);
		_exit(1);
	}
	reap(pid);
	answer(fd, "parent");
	close(fd);
}

/* Without fork or exec: printf() and scanf() on the connection itself. */
static void own_stdio(void)
{
	int fd = dial(), out = dup(1);
	char word[20] = "";

	peer("&echo");
	fflush(stdout);
	dup2(fd, 1);
	dup2(fd, 0);
	printf("hello there\n");
	fflush(stdout);
	dprintf(out, "scanf = %d '%s'\n", scanf("%19s", word), word);
	puts("and more");
	fflush(stdout);
	for (int i = 0; i < 3; i++)
		if (scanf("%19s", word) == 1)
			dprintf(out, "scanf = 1 '%s'\n", word);
	getchar();
	fclose(stdin);
	dup2(out, 1);
	close(fd);
	show("done", 0);
}

/* socket() itself gives number 0: it was closed before. */
static void socket_is_zero(void)
{
	char word[20];
	int fd;

	close(0);
	fd = dial();
	show("number", fd);
	peer("&echo");
	show("write", write(0, "hello zero\n", 11));
	show("scanf", scanf("%19s", word));
	say("%s\n", word);
	show("close", close(0));
}

static void socket_is_zero_nonblocking(void)
{
	struct pollfd p = {.fd = 0, .events = POLLOUT};
	char word[20];
	int fd;

	close(0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	show("number", fd);
	set_nonblocking(fd, true);
	show("connect", try_connect(fd));
	show("poll", poll(&p, 1, 5000));
	show_error("SO_ERROR", fd);
	set_nonblocking(fd, false);
	peer("&echo");
	show("write", write(0, "hello zero\n", 11));
	show("scanf", scanf("%19s", word));
	say("%s\n", word);
	show("close", close(0));
}

/* ---- posix_spawn, popen, system, vfork ---- */

static void spawn(void)
{
	int fd = dial_echo();
	char *argv[] = {"talk", "7", "hello from spawn", NULL};
	char *plain[] = {"talk", (char *)number(fd), "inherited", NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, 7);
	/* Told after the child has spoken: the two write to one place. */
	r = posix_spawn(&pid, talk, &actions, NULL, argv, environ);
	reap(pid);
	show("spawn", r);
	r = posix_spawnp(&pid, talk, NULL, NULL, plain, environ);
	reap(pid);
	show("spawnp", r);
	posix_spawn_file_actions_destroy(&actions);
	answer(fd, "parent");
	close(fd);
}

static void helpers(void)
{
	int fd = dial_echo();
	FILE *p;
	pid_t pid;

	fcntl(fd, F_SETFD, FD_CLOEXEC);
	show("system", system("exit 3"));
	p = popen("echo from popen", "r");
	if (p && fgets(buf, sizeof(buf), p))
		say("%s", buf);
	show("pclose", pclose(p));
	pid = vfork();
	if (pid == 0)
		execl("/bin/true", "true", NULL);
	reap(pid);
	answer(fd, "parent");
	close(fd);
}

/* The child of vfork() puts the connection onto its 0 and 1. */
static void vfork_moves(void)
{
	int fd = dial_echo();
	pid_t pid = vfork();

	if (pid == 0) {
		become_stdio(fd);
		execl(static_talk, "talk", "1", "vfork", NULL);
		_exit(1);
	}
	reap(pid);
	answer(fd, "parent");
	answer(fd, "again");
	close(fd);
}

/* ---- descriptors that are passed ---- */

static void send_fd(int to, int fd)
{
	if (pass_fds(to, &fd, 1) != 1)
		give_up("sendmsg");
}

/* To a program that never saw the shim. */
static void passed(void)
{
	int pair[2], fd;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		give_up("socketpair");
	pid = fork();
	if (pid == 0) {
		unsetenv("LD_PRELOAD");
		dup2(pair[1], 0);
		execlp("/usr/bin/python3", "python3", "-c",
			"import socket\n"
			"s = socket.socket(fileno=0)\n"
			"_, fds, _, _ = socket.recv_fds(s, 1, 1)\n"
			"c = socket.socket(fileno=fds[0])\n"
			"c.sendall(b'hello from afar')\n"
			"print('passed =', c.recv(15, socket.MSG_WAITALL))\n",
			NULL);
		_exit(1);
	}
	fd = dial_echo();
	answer(fd, "before");
	send_fd(pair[0], fd);
	reap(pid);
	answer(fd, "after");
	show("shutdown", shutdown(fd, SHUT_WR));
	close(fd);
}

/* Handed over and gone: only the other process has it. */
static void passed_and_closed(void)
{
	int pair[2], fd;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		give_up("socketpair");
	pid = fork();
	if (pid == 0) {
		if (receive_fds(pair[1], &fd, 1) != 1)
			give_up("recvmsg");
		answer(fd, "the receiver");
		_exit(0);
	}
	fd = dial_echo();
	send_fd(pair[0], fd);
	close(fd);
	reap(pid);
}

SCENARIOS({"all-exec", all_exec}, {"exec-here", exec_here},
	{"exec-static", exec_static}, {"exec-cloexec", exec_cloexec},
	{"exec-fails", exec_fails}, {"exec-leaks", exec_leaks},
	{"inetd", inetd}, {"own-stdio", own_stdio},
	{"socket-is-zero", socket_is_zero},
	{"socket-is-zero-nonblocking", socket_is_zero_nonblocking},
	{"spawn", spawn}, {"helpers", helpers}, {"vfork-moves", vfork_moves},
	{"passed", passed}, {"passed-and-closed", passed_and_closed})
