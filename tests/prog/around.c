/* SPDX-License-Identifier: MIT */
/*
 * A program that goes round the C library: whatever reference to a socket it
 * has, it writes to it and reads from it by system calls that no preload
 * library sees, and tells what it got.
 *
 *	around PORT WAY...
 *
 * For each way: connects, tries the reference, and then says a line over the
 * connection in the ordinary way.  Output, two or more lines a way:
 *	WAY: write ERRNO, read ERRNO, poll EVENTS
 *	WAY: connection ANSWER
 * Ways: see the table at the end.  "around try FD WAY" is what the exec'd
 * program does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bare_call.h"
#include "passing.h"

#define MARKER "plaintext-marker\n"

extern char **environ;

static const char *self, *port, *way;

static int die(const char *what)
{
	perror(what);
	exit(99);
}

static const char *outcome(long r)
{
	return r < 0 ? strerrorname_np((int)-r) : "0";
}

/* By one write: from several processes lines do not mix. */
#define SAY(...)                                                               \
	do {                                                                   \
		char line_[256];                                               \
		int n_ = snprintf(line_, sizeof(line_), __VA_ARGS__);          \
		bare_call(SYS_write, 1, (long)line_, n_);                      \
	} while (0)

static void try_raw(int fd)
{
	char buf[64];
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
	struct iovec iov = {MARKER, strlen(MARKER)};
	long w = bare_call(SYS_write, fd, (long)MARKER, (long)strlen(MARKER));
	long v = bare_call(SYS_writev, fd, (long)&iov, 1);
	long r = bare_call(SYS_read, fd, (long)buf, sizeof(buf));

	if (v != w)
		w = v;
	bare_call(SYS_poll, (long)&p, 1, 0);
	SAY("%s: write %s, read %s, poll%s%s%s%s\n", way, outcome(w),
		outcome(r), p.revents & POLLIN ? " IN" : "",
		p.revents & POLLOUT ? " OUT" : "",
		p.revents & POLLERR ? " ERR" : "",
		p.revents & POLLHUP ? " HUP" : "");
}

/* By libc's names, which the shim has, in a process that is not the keeper. */
static void try_libc(int fd)
{
	char buf[64];
	long w = write(fd, MARKER, strlen(MARKER)) < 0 ? -errno : 0;
	long r = read(fd, buf, sizeof(buf)) < 0 ? -errno : 0;
	long s = send(fd, MARKER, strlen(MARKER), 0) < 0 ? -errno : 0;

	SAY("%s: libc's write %s, read %s, send %s\n", way, outcome(w),
		outcome(r), outcome(s));
}

static int new_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? die("socket") : fd;
}

static void dial(int fd)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
		.sin_port = htons((in_port_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
		die("connect");
}

static int dialled(void)
{
	int fd = new_socket();

	dial(fd);
	return fd;
}

/* The connection works, for those who ask libc. */
static void converse(int fd, const char *whose)
{
	char answer[64] = "";

	if (write(fd, MARKER, strlen(MARKER)) < 0)
		die(way);
	if (recv(fd, answer, strlen(MARKER), MSG_WAITALL) < 0)
		die(way);
	SAY("%s: %s %s", way, whose, answer);
}

static void finish(int fd)
{
	converse(fd, "connection");
	close(fd);
}

static void wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, __WALL) != pid)
		die("waitpid");
	if (status != 0)
		SAY("%s: child ended with status %d\n", way, status);
}

/* ---- ways ---- */

static void itself(void)
{
	int fd = dialled();

	try_raw(fd);
	finish(fd);
}

static void dup_before(void)
{
	int fd = new_socket(), copy = dup(fd);

	dial(fd);
	try_raw(copy);
	converse(copy, "copy");
	close(fd);
	finish(copy);
}

static void raw_dup_before(void)
{
	int fd = new_socket(), copy = (int)bare_call(SYS_dup, fd, 0, 0);

	dial(fd);
	try_raw(copy);
	try_libc(copy);
	bare_call(SYS_close, copy, 0, 0);
	finish(fd);
}

static void raw_dup_after(void)
{
	int fd = dialled(), copy = (int)bare_call(SYS_dup, fd, 0, 0);

	try_raw(copy);
	try_libc(copy);
	bare_call(SYS_close, copy, 0, 0);
	finish(fd);
}

static void nonblocking(void)
{
	int fd = new_socket(), copy = (int)bare_call(SYS_dup, fd, 0, 0);
	struct sockaddr_in in = {.sin_family = AF_INET,
		.sin_port = htons((in_port_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int one = 1;

	ioctl(fd, FIONBIO, &one);
	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0 ||
		errno != EINPROGRESS)
		die("connect");
	/* While it is connecting, too. */
	try_raw(copy);
	if (poll(&p, 1, 60000) != 1)
		die("poll");
	one = 0;
	ioctl(fd, FIONBIO, &one);
	try_raw(fd);
	finish(fd);
}

static void raw_connect(void)
{
	int fd = dialled();
	struct sockaddr_in in = {.sin_family = AF_INET,
		.sin_port = htons(1),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	/* Nobody there: but the socket is free to try. */
	SAY("%s: %s\n", way,
		outcome(bare_call(SYS_connect, fd, (long)&in, sizeof(in))));
	try_raw(fd);
	finish(fd);
}

static void stdio(void)
{
	int fd = dialled();
	FILE *file = fdopen(dup(fd), "r+");
	char line[64];

	setbuf(file, NULL);
	SAY("%s: fprintf %s\n", way,
		fprintf(file, MARKER) < 0 ? strerrorname_np(errno) : "0");
	errno = 0;
	if (fgets(line, sizeof(line), file))
		line[strcspn(line, "\n")] = '\0';
	else
		snprintf(line, sizeof(line), "%s", strerrorname_np(errno));
	SAY("%s: fgets %s\n", way, line);
	SAY("%s: dprintf %s\n", way,
		dprintf(fd, MARKER) < 0 ? strerrorname_np(errno) : "0");
	fclose(file);
	finish(fd);
}

static pid_t fork_libc(void)
{
	return fork();
}

static pid_t fork_bare(void)
{
	return _Fork();
}

static pid_t fork_raw(void)
{
	return (pid_t)bare_call(SYS_clone, SIGCHLD, 0, 0);
}

/* The child has the socket from before or after connect(), and afterwards
 * makes a connection of its own. */
static void in_child(pid_t (*make)(void), bool before)
{
	int fd = before ? new_socket() : dialled(), go[2], none = 0;
	pid_t pid;

	if (pipe(go) < 0)
		die("pipe");
	pid = make();
	if (pid == 0) {
		close(go[1]);
		while (read(go[0], &none, 1) > 0)
			;
		try_raw(fd);
		try_libc(fd);
		close(fd);
		finish(dialled());
		_exit(0);
	}
	if (before)
		dial(fd);
	close(go[0]);
	close(go[1]);
	wait_for(pid);
	finish(fd);
}

static void fork_before(void)
{
	in_child(fork_libc, true);
}

static void fork_after(void)
{
	in_child(fork_libc, false);
}

static void bare_fork_before(void)
{
	in_child(fork_bare, true);
}

static void bare_fork_after(void)
{
	in_child(fork_bare, false);
}

static void raw_clone_before(void)
{
	in_child(fork_raw, true);
}

static void raw_clone_after(void)
{
	in_child(fork_raw, false);
}

/* The parent has had a connection, and has none any more. */
static void fork_later(void)
{
	pid_t pid;

	finish(dialled());
	pid = fork();
	if (pid == 0) {
		finish(dialled());
		_exit(0);
	}
	wait_for(pid);
	finish(dialled());
}

/* A child that ends by exit(): its destructors are ours as well. */
static void fork_and_exit(void)
{
	int fd = dialled();
	pid_t pid = fork();

	if (pid == 0)
		exit(0);
	wait_for(pid);
	pid = _Fork();
	if (pid == 0)
		exit(0);
	wait_for(pid);
	finish(fd);
}

static void vfork_and_exit(void)
{
	int fd = dialled();
	pid_t pid = vfork();

	if (pid == 0) {
		try_raw(fd);
		close(fd);
		_exit(0);
	}
	wait_for(pid);
	pid = vfork();
	if (pid == 0) {
		close_range(3, ~0U, 0);
		_exit(0);
	}
	wait_for(pid);
	finish(fd);
}

/* A connection that a child of vfork() makes is not to end up in its parent's
 * memory. */
static void vfork_and_connect(void)
{
	int fd = dialled(), other;
	struct sockaddr_in in = {.sin_family = AF_INET,
		.sin_port = htons((in_port_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	pid_t pid = vfork();

	if (pid == 0) {
		int s = socket(AF_INET, SOCK_STREAM, 0);

		SAY("%s: connect %s\n", way,
			outcome(connect(s, (struct sockaddr *)&in, sizeof(in)) <
						0
					? -errno
					: 0));
		_exit(0);
	}
	wait_for(pid);
	other = dialled();
	converse(fd, "first");
	finish(other);
	finish(fd);
}

static void exec_with(char **env)
{
	char number[16];
	int fd = dialled();
	pid_t pid;

	snprintf(number, sizeof(number), "%d", fd);
	pid = fork();
	if (pid == 0) {
		execle(self, self, "try", number, way, NULL, env);
		_exit(98);
	}
	wait_for(pid);
	finish(fd);
}

static void exec_bare(void)
{
	char *none[] = {NULL};

	exec_with(none);
}

static void exec_preloaded(void)
{
	exec_with(environ);
}

/* To a process without the shim, by SCM_RIGHTS. */
static void passed(void)
{
	char number[16], *none[] = {NULL};
	int fd = dialled(), pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		die("socketpair");
	snprintf(number, sizeof(number), "%d", pair[1]);
	pid = fork();
	if (pid == 0) {
		close(fd);
		execle(self, self, "receive", number, way, NULL, none);
		_exit(98);
	}
	if (pass_fds(pair[0], &fd, 1) < 0)
		die("sendmsg");
	wait_for(pid);
	close(pair[0]);
	close(pair[1]);
	finish(fd);
}

static int received(int from)
{
	int fd;

	if (receive_fds(from, &fd, 1) != 1)
		die("recvmsg");
	return fd;
}

static const struct {
	const char *name;
	void (*go)(void);
} ways[] = {
	{"itself", itself},
	{"dup-before", dup_before},
	{"raw-dup-before", raw_dup_before},
	{"raw-dup-after", raw_dup_after},
	{"nonblocking", nonblocking},
	{"raw-connect", raw_connect},
	{"stdio", stdio},
	{"fork-before", fork_before},
	{"fork-after", fork_after},
	{"bare-fork-before", bare_fork_before},
	{"bare-fork-after", bare_fork_after},
	{"raw-clone-before", raw_clone_before},
	{"raw-clone-after", raw_clone_after},
	{"fork-later", fork_later},
	{"fork-and-exit", fork_and_exit},
	{"vfork-and-exit", vfork_and_exit},
	{"vfork-and-connect", vfork_and_connect},
	{"exec", exec_bare},
	{"exec-preloaded", exec_preloaded},
	{"passed", passed},
};

static void go(void)
{
	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(ways[i].name, way)) {
			ways[i].go();
			return;
		}
	die("no such way");
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	self = argv[0];
	if (argc == 4 && !strcmp(argv[1], "try")) {
		way = argv[3];
		try_raw(atoi(argv[2]));
		try_libc(atoi(argv[2]));
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "receive")) {
		way = argv[3];
		try_raw(received(atoi(argv[2])));
		return 0;
	}
	port = argv[1];
	for (int i = 2; i < argc; i++) {
		way = argv[i];
		go();
	}
	return 0;
}
