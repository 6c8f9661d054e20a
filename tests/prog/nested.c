/* SPDX-License-Identifier: MIT */
/* Connections that are shared in ways that meet: several at once over a
 * message, duplicates on both sides of a fork, forks in signal handlers,
 * daemons that close everything, programs that cannot be started. */
#include "oracle.h"
#include "passing.h"
#include "sharing.h"
#include <spawn.h>
#include <sys/time.h>

extern char **environ;
static char buf[100000];

/* ---- several in one message ---- */

#define PASSED 5

/* Two connections, one of them twice, between a pipe and a file. */
static void passed_among_others(void)
{
	int pair[2], ends[2], fds[PASSED];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || pipe(ends))
		give_up("pipe");
	pid = fork();
	if (pid == 0) {
		if (receive_fds(pair[1], fds, PASSED) != 1)
			give_up("recvmsg");
		answer(fds[1], "the first");
		answer(fds[3], "the second");
		answer(fds[4], "the first again");
		show("pipe", write(fds[0], "x", 1));
		show("file", read(fds[2], buf, 1));
		_exit(0);
	}
	fds[0] = ends[1];
	fds[1] = fds[4] = dial_echo();
	fds[2] = open("/dev/null", O_RDONLY);
	fds[3] = dial_echo();
	/* The child speaks from now on. */
	if (pass_fds(pair[0], fds, PASSED) != 1)
		give_up("sendmsg");
	reap(pid);
	show("pipe", read(ends[0], buf, 1));
	answer(fds[1], "still here");
	close(fds[3]);
	close(fds[1]);
}

/* ---- duplicates ---- */

/* Each side closes what the other goes on using. */
static void duplicates(void)
{
	int fd = dial_echo(), copy = dup(fd), high = fcntl(fd, F_DUPFD, 100);
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		int more = dup(copy);

		close(fd);
		close(copy);
		answer(high, "child by the high one");
		close(high);
		answer(more, "child by a copy of a copy");
		_exit(0);
	}
	reap(pid);
	show("close", close(high));
	answer(copy, "parent by the copy");
	show("close", close(copy));
	answer(fd, "parent by the first");
	show("dup2", dup2(fd, 50) == 50);
	close(fd);
	answer(50, "parent by a new one");
	show("close", close(50));
}

/* ---- forks in signal handlers ---- */

static volatile sig_atomic_t forked, again;
static int the_fd;

/* Once, after so many microseconds. */
static void set_alarm(long us)
{
	const struct itimerval after = {{0, 0}, {0, us}};

	setitimer(ITIMER_REAL, &after, NULL);
}

static void fork_in_handler(int sig)
{
	int saved_errno = errno, status;
	pid_t pid = fork();

	(void)sig;
	if (pid == 0)
		_exit(write(the_fd, "child", 5) == 5 ? 0 : 1);
	waitpid(pid, &status, 0);
	forked += status == 0;
	if (again)
		set_alarm(2000 + forked * 37 % 3000);
	errno = saved_errno;
}

static void in_handler(void)
{
	struct sigaction act = {
		.sa_handler = fork_in_handler, .sa_flags = SA_RESTART};

	the_fd = dial_echo();
	sigaction(SIGALRM, &act, NULL);
	set_alarm(200000);
	/* It sleeps here when the signal comes. */
	read_all(the_fd, buf, 5);
	show_bytes("read", 5, buf);
	show("forked", forked);
	answer(the_fd, "the parent");
	close(the_fd);
}

/* Signals come all the time, also inside the library. */
static void in_handlers(void)
{
	struct sigaction act = {
		.sa_handler = fork_in_handler, .sa_flags = SA_RESTART};
	size_t sent = 0;
	int fd;

	the_fd = open("/dev/null", O_WRONLY);
	sigaction(SIGALRM, &act, NULL);
	again = 1;
	set_alarm(2000);
	for (int i = 0; i < 30; i++) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		while (try_connect(fd) < 0 && errno != EISCONN)
			if (errno != EINTR && errno != EALREADY)
				give_up("connect");
		sent += (size_t)write(fd, "word", 4);
		close(fd);
	}
	again = 0;
	set_alarm(0);
	show("sent", (long)sent);
}

/* ---- daemons ---- */

static void close_everything(int but)
{
	for (int fd = 0; fd < 1024; fd++)
		if (fd != but)
			close(fd);
	for (int fd = 0; fd < 3; fd++)
		if (open("/dev/null", O_RDWR) != fd)
			_exit(7);
}

static void closes_all(void)
{
	int fd = dial_echo();
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		close_everything(-1);
		_exit(write(1, "to nobody", 9) == 9 ? 0 : 1);
	}
	reap(pid);
	answer(fd, "the parent");
	show("close", close(fd));
}

static void closes_all_but_one(void)
{
	int fd = dial_echo(), other = dial_echo();
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		close_everything(fd);
		write_all(fd, "daemon", 6);
		read_all(fd, buf, 6);
		_exit(memcmp(buf, "daemon", 6) == 0 ? 0 : 1);
	}
	close(fd);
	reap(pid);
	answer(other, "the parent");
	show("close", close(other));
}

/* The process that connected becomes the daemon itself. */
static void closes_all_itself(void)
{
	int fd = dial_echo(), status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		int own = dial_echo();

		close_everything(own);
		write_all(own, "daemon", 6);
		read_all(own, buf, 6);
		_exit(memcmp(buf, "daemon", 6) == 0 ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	show("status", status);
	show("close", close(fd));
}

/* ---- what cannot be started ---- */

static void spawn_fails(void)
{
	char *argv[] = {"x", NULL};
	posix_spawn_file_actions_t actions;
	int fd = dial_echo();
	pid_t pid;

	answer(fd, "before");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, 0);
	show("spawn", posix_spawn(&pid, "/nonexistent", &actions, NULL, argv,
			      environ));
	show("spawnp", posix_spawnp(&pid, "no-such-program", NULL, NULL, argv,
			       environ));
	answer(fd, "after");
	posix_spawn_file_actions_destroy(&actions);
	close(fd);
}

static void vfork_exec_fails(void)
{
	int fd = dial_echo();
	pid_t pid = vfork();

	if (pid == 0) {
		dup2(fd, 0);
		execl("/nonexistent", "x", NULL);
		_exit(errno == ENOENT ? 3 : 4);
	}
	reap(pid);
	answer(fd, "after");
	answer(fd, "and again");
	show("close", close(fd));
}

/* ---- vfork before anything else ---- */

/* What its child may not do, the process may afterwards.  (Not as on plain
 * TCP: shows, not same.) */
static void vfork_connects_first(void)
{
	volatile int result = 0, why = 0;
	int fd;
	pid_t pid = vfork();

	if (pid == 0) {
		int own = socket(AF_INET, SOCK_STREAM, 0);

		result = try_connect(own);
		why = errno;
		_exit(0);
	}
	reap(pid);
	errno = why;
	show("child's connect", result);
	fd = dial_echo();
	answer(fd, "the parent");
	pid = fork();
	if (pid == 0) {
		answer(fd, "a child");
		_exit(0);
	}
	reap(pid);
	answer(fd, "the parent again");
	show("close", close(fd));
}

/* ---- numbers that libc itself reuses ---- */

static void reopened(void)
{
	int fd = dial();
	FILE *f = fdopen(fd, "w");
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	fputs("through the stream", f);
	show("freopen", freopen("/dev/null", "w", f) != NULL);
	say("peer: %s\n", peer("end"));
	show("the number", fileno(f) == fd);
	show("getpeername", getpeername(fd, (struct sockaddr *)&addr, &len));
	show("getsockname", getsockname(fd, (struct sockaddr *)&addr, &len));
	show("fputs", fputs("nobody hears this", f) >= 0);
	show("fclose", fclose(f));
	fd = dial_echo();
	answer(fd, "anew");
	close(fd);
}

static void reopened_stdout(void)
{
	int fd = dial(), out = dup(1);

	fflush(stdout);
	dup2(fd, 1);
	close(fd);
	printf("hello by stdout");
	if (!freopen("/dev/null", "w", stdout))
		_exit(1);
	dprintf(out, "peer: %s\n", peer("end"));
	printf("nobody hears this");
	fflush(stdout);
	dup2(out, 1);
	show("done", 0);
}

SCENARIOS({"passed", passed_among_others}, {"duplicates", duplicates},
	{"in-handler", in_handler}, {"in-handlers", in_handlers},
	{"closes-all", closes_all}, {"closes-all-but-one", closes_all_but_one},
	{"closes-all-itself", closes_all_itself}, {"spawn-fails", spawn_fails},
	{"vfork-exec-fails", vfork_exec_fails},
	{"vfork-connects-first", vfork_connects_first}, {"reopened", reopened},
	{"reopened-stdout", reopened_stdout})
