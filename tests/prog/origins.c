/* SPDX-License-Identifier: MIT */
/* Sockets that somebody else has, or uses without our calls, before they are
 * connected. */
#include "oracle.h"
#include "passing.h"
#include "sharing.h"

extern char **environ;

static char buf[1000];

static int new_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static void talk(int fd, const char *name)
{
	show("says", write(fd, name, strlen(name)));
	peer("recv %zu", strlen(name));
	peer("send to-%s", name);
	show_bytes("hears", read(fd, buf, sizeof(buf)), buf);
}

static void stream_of(int fd, int connected)
{
	FILE *f = fdopen(fd, "r+");

	show("connect", try_connect(connected));
	fputs("by stdio\n", f);
	show("fflush", fflush(f));
	peer("recv 9");
	peer("send answer\\n");
	say("%s", fgets(buf, sizeof(buf), f));
	show("fclose", fclose(f));
}

static void stream(void)
{
	int fd = new_socket();

	stream_of(fd, fd);
}

static void stream_of_copy(void)
{
	int fd = new_socket();

	stream_of(dup(fd), fd);
	show("close", close(fd));
}

static void child_connects(void)
{
	int fd = new_socket();
	pid_t pid = fork();

	if (pid == 0) {
		show("connect", try_connect(fd));
		_exit(0);
	}
	reap(pid);
	talk(fd, "the parent");
	close(fd);
}

/* Without waiting for it: the parent does. */
static void child_begins(void)
{
	int fd = new_socket();
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	pid_t pid;

	set_nonblocking(fd, true);
	pid = fork();
	if (pid == 0) {
		try_connect(fd);
		_exit(0);
	}
	reap(pid);
	poll(&p, 1, 10000);
	show_error("SO_ERROR", fd);
	set_nonblocking(fd, false);
	talk(fd, "the parent");
	close(fd);
}

static void parent_connects(void)
{
	int fd = new_socket(), go[2];
	pid_t pid;

	if (pipe(go))
		give_up("pipe");
	pid = fork();
	if (pid == 0) {
		read(go[0], buf, 1);
		talk(fd, "the child");
		_exit(0);
	}
	show("connect", try_connect(fd));
	write_all(go[1], "x", 1);
	reap(pid);
	talk(fd, "the parent");
	close(fd);
}

/* From the shell that started us, say. */
static void started(void)
{
	static char numbers[2][12];
	static char *argv[] = {"origins", "go", numbers[0], numbers[1], NULL};
	int fd = new_socket();
	pid_t pid = fork();

	if (pid == 0) {
		fcntl(oracle_control, F_SETFD, 0);
		snprintf(numbers[0], sizeof(numbers[0]), "%d", fd);
		snprintf(numbers[1], sizeof(numbers[1]), "%d", oracle_control);
		snprintf(buf, sizeof(buf), "%d", oracle_port);
		setenv("PORT", buf, 1);
		execve("/proc/self/exe", argv, environ);
		give_up("execve");
	}
	reap(pid);
	talk(fd, "the parent");
	close(fd);
}

static void received(void)
{
	int fd = new_socket(), pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		give_up("socketpair");
	pid = fork();
	if (pid == 0) {
		int own = new_socket();

		pass_fds(pair[1], &own, 1);
		read(pair[1], buf, 1);
		talk(own, "the child");
		_exit(0);
	}
	close(fd);
	receive_fds(pair[0], &fd, 1);
	show("connect", try_connect(fd));
	write_all(pair[0], "x", 1);
	reap(pid);
	talk(fd, "the parent");
	close(fd);
}

static void many_copies(void)
{
	int fd = new_socket(), copies[40];

	for (int i = 0; i < 40; i++)
		copies[i] = dup(fd);
	show("connect", try_connect(fd));
	for (int i = 0; i < 40; i++)
		show("write", write(copies[i], "x", 1));
	show("close", close(fd));
	for (int i = 1; i < 40; i++)
		close(copies[i]);
	talk(copies[0], "the last");
	close(copies[0]);
}

/* Nobody else has these: no relay is made. */
static void alone(void)
{
	int fd = new_socket(), before;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	reap(pid);
	if (system("true") || system("exit 0"))
		give_up("system");
	show("connect", try_connect(fd));
	talk(fd, "the first");
	close(fd);
	/* A child that lives, made before the socket. */
	before = new_socket();
	pid = fork();
	if (pid == 0) {
		close(before);
		pause();
	}
	close(before);
	for (int i = 0; i < 20; i++) {
		fd = dup(new_socket());
		show("connect", try_connect(fd));
		talk(fd, "another");
		close(fd);
	}
	kill(pid, SIGKILL);
	reap(pid);
}

static const struct scenario all[] = {{"stream", stream},
	{"stream-of-copy", stream_of_copy}, {"child-connects", child_connects},
	{"child-begins", child_begins}, {"parent-connects", parent_connects},
	{"started", started}, {"received", received},
	{"many-copies", many_copies}, {"alone", alone}, {0}};

int main(int argc, char **argv)
{
	if (argc != 4)
		return oracle_main(all, argc, argv);
	oracle_control = atoi(argv[3]);
	oracle_port = atoi(getenv("PORT"));
	show("connect", try_connect(atoi(argv[2])));
	return 0;
}
