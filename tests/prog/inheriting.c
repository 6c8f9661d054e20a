/* SPDX-License-Identifier: MIT */
/* Programs that are started with a connection: do they learn who the peer is,
 * and what else do they see?  argv "names FD PORT" is such a program. */
#include "bare_call.h"
#include "oracle.h"
#include <linux/in6.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;

/* ---- the program that is started ---- */

typedef int (*get_name)(int, struct sockaddr *, socklen_t *);

static void show_name(const char *what, get_name get, int fd, const char *port)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} addr = {.any = {.sa_family = AF_UNSPEC}};
	socklen_t len = sizeof(addr);
	long r = get(fd, &addr.any, &len);
	char text[INET6_ADDRSTRLEN] = "";

	if (r < 0) {
		show(what, r);
		return;
	}
	if (addr.any.sa_family == AF_INET)
		inet_ntop(AF_INET, &addr.in.sin_addr, text, sizeof(text));
	else
		inet_ntop(AF_INET6, &addr.in6.sin6_addr, text, sizeof(text));
	say("%s = %ld: %s %s, %u bytes\n", what, r, text,
		ntohs(addr.in.sin_port) == atoi(port) ? "right" : "elsewhere",
		len);
}

static int peer_option(int fd, struct sockaddr *addr, socklen_t *len)
{
	*len = sizeof(struct sockaddr_in);
	return getsockopt(fd, SOL_SOCKET, SO_PEERNAME, addr, len);
}

static void show_names(int fd, const char *port, const char *self)
{
	show_name("getpeername", getpeername, fd, port);
	show_name("getsockname", getsockname, fd, self);
	show_name("SO_PEERNAME", peer_option, fd, port);
}

static void say_environment(void)
{
	for (char **e = environ; *e; e++)
		if (strstr(*e, "INHERITED"))
			say("there is %s\n", *e);
}

/* Its copies, and its children, know it too. */
static int started(int fd, const char *port, const char *self)
{
	int copy = dup(fd), other = socket(AF_INET, SOCK_STREAM, 0);

	say_environment();
	show_names(fd, port, self);
	show_name("of a copy", getpeername, copy, port);
	show_name("of another", getpeername, other, port);
	if (fork() == 0) {
		show_name("in a child", getpeername, fd, port);
		_exit(0);
	}
	wait(NULL);
	close(fd);
	show_name("closed", getpeername, fd, port);
	return 0;
}

/* ---- those who start it ---- */

static char path[4096], fd_text[12], port_text[12], self_text[12];
static char *argv_of_it[] = {"names", fd_text, port_text, self_text, NULL};

static void prepare(int fd)
{
	struct sockaddr_in self = {0};
	socklen_t len = sizeof(self);
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	getsockname(fd, (struct sockaddr *)&self, &len);
	path[n > 0 ? n : 0] = 0;
	snprintf(fd_text, sizeof(fd_text), "%d", fd);
	snprintf(port_text, sizeof(port_text), "%d", oracle_port);
	snprintf(self_text, sizeof(self_text), "%d", ntohs(self.sin_port));
}

static int dial_and_prepare(void)
{
	int fd = dial();

	show("write", write(fd, "before", 6));
	prepare(fd);
	return fd;
}

static void reap(void)
{
	int status = -1;

	wait(&status);
	show("status", status);
}

static void by_execv(void)
{
	int fd = dial_and_prepare();

	if (fork() == 0) {
		execv(path, argv_of_it);
		_exit(1);
	}
	reap();
	show_names(fd, port_text, self_text);
}

static void by_exec_here(void)
{
	dial_and_prepare();
	execve(path, argv_of_it, environ);
}

static void by_number(void)
{
	dial_and_prepare();
	syscall(SYS_execve, path, argv_of_it, environ);
}

/* A program between that knows nothing of it. */
static void by_shell(void)
{
	dial_and_prepare();
	execlp("sh", "sh", "-c", "\"$@\"; exec \"$@\"", "sh", path, fd_text,
		port_text, self_text, NULL);
}

static void by_two_shells(void)
{
	char command[5000];

	dial_and_prepare();
	snprintf(command, sizeof(command),
		"exec sh -c 'bash -c \"%s %s %s %s; true\"; true'", path,
		fd_text, port_text, self_text);
	execlp("bash", "bash", "-c", command, NULL);
}

static void by_vfork(void)
{
	int fd = dial_and_prepare();

	strcpy(fd_text, "0");
	if (vfork() == 0) {
		dup2(fd, 0);
		execv(path, argv_of_it);
		_exit(1);
	}
	reap();
}

static void by_spawn(void)
{
	posix_spawn_file_actions_t actions;
	int fd = dial_and_prepare(), r;
	pid_t pid;

	fcntl(fd, F_SETFD, FD_CLOEXEC);
	strcpy(fd_text, "9");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, 9);
	r = posix_spawn(&pid, path, &actions, NULL, argv_of_it, environ);
	reap(); /* the two write to one place */
	show("spawn", r);
	posix_spawn_file_actions_destroy(&actions);
}

/* Many, and the last of them is asked for. */
static void of_many(void)
{
	int fds[20];

	for (int i = 0; i < 20; i++)
		fds[i] = dial();
	prepare(fds[19]);
	if (fork() == 0) {
		execv(path, argv_of_it);
		_exit(1);
	}
	reap();
}

/* What is inherited beside it is no connection of ours. */
static void of_plain(void)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd = dial();
	int plain = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in addr = peer_addr();
	socklen_t len = sizeof(addr);

	addr.sin_port = 0;
	bind(listener, (struct sockaddr *)&addr, len);
	listen(listener, 1);
	getsockname(listener, (struct sockaddr *)&addr, &len);
	show("connect",
		bare_call(SYS_connect, plain, (long)&addr, sizeof(addr)));
	oracle_port = ntohs(addr.sin_port);
	prepare(plain);
	if (fork() == 0) {
		execv(path, argv_of_it);
		_exit(1);
	}
	reap();
	close(fd);
}

static void of_ipv6(void)
{
	struct sockaddr_in6 addr = {.sin6_family = AF_INET6,
		.sin6_port = htons((in_port_t)oracle_port)};
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	inet_pton(AF_INET6, "::ffff:127.0.0.1", &addr.sin6_addr);
	show("connect", connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
	peer("nothing");
	prepare(fd);
	execv(path, argv_of_it);
}

/* Number 2 is the connection: what the library has to say of another is not
 * for its peer. */
static void on_stderr(void)
{
	int fd = dial_and_prepare();

	dup2(fd, 2);
	close(fd);
	setenv("TLSSHIM_VERIFY", "bad", 1);
	execl(path, "inheriting", "refused", NULL);
}

static int refused(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (getpeername(2, (struct sockaddr *)&addr, &len) < 0)
		give_up("getpeername");
	show("connect", connect(fd, (struct sockaddr *)&addr, len));
	return 0;
}

/* A program without the library, and without an environment. */
static void without(void)
{
	char *const none[] = {NULL};

	dial_and_prepare();
	fflush(stdout);
	execve("/usr/bin/env", (char *[]){"env", NULL}, none);
}

static const struct scenario all[] = {{"execv", by_execv},
	{"here", by_exec_here}, {"number", by_number}, {"shell", by_shell},
	{"two-shells", by_two_shells}, {"vfork", by_vfork}, {"spawn", by_spawn},
	{"many", of_many}, {"plain", of_plain}, {"ipv6", of_ipv6},
	{"stderr", on_stderr}, {"without", without}, {0}};

int main(int argc, char **argv)
{
	if (argc == 4)
		return started(atoi(argv[1]), argv[2], argv[3]);
	if (argc == 2 && strcmp(argv[1], "refused") == 0)
		return refused();
	return oracle_main(all, argc, argv);
}
