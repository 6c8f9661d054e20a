/* SPDX-License-Identifier: MIT */
/* Connections that leave the process while they are being opened.  Their
 * handshake begins when the program, or its child, says so: whoever waited for
 * it before would wait for ever. */
#include "oracle.h"
#include "sharing.h"
#include <spawn.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

extern char **environ;

static char buf[300000];

/* A connection whose handshake is under way, and goes no further. */
static int begin(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	peer("manual");
	set_nonblocking(fd, true);
	try_connect(fd);
	poll(&p, 1, 200); /* until its first message is sent */
	peer("hello");
	return fd;
}

/* It is open, has nothing to read, and takes words; then the handshake. */
static void talk(int fd, const char *name)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	poll(&p, 1, 10000);
	show_poll("before", fd, POLLIN | POLLOUT, 0);
	show_error("SO_ERROR", fd);
	show("says", write(fd, name, strlen(name)));
	set_nonblocking(fd, false);
	peer("handshake");
	peer("recv %zu", strlen(name));
	peer("send to-%s", name);
	show_bytes("hears", read(fd, buf, sizeof(buf)), buf);
}

static void by(pid_t (*make)(void))
{
	int fd = begin();
	pid_t pid = make();

	if (pid == 0) {
		talk(fd, "the child");
		_exit(0);
	}
	reap(pid);
	set_nonblocking(fd, false);
	show("the parent", write(fd, "last", 4));
	close(fd);
}

static pid_t sys_fork(void)
{
	return (pid_t)syscall(SYS_fork);
}

static void by_fork(void)
{
	by(fork);
}
static void by__fork(void)
{
	by(_Fork);
}
static void by_sys_fork(void)
{
	by(sys_fork);
}

/* Both parents end at once. */
static void by_daemon(void)
{
	int fds[2];
	pid_t pid;

	if (pipe(fds))
		give_up("pipe");
	pid = fork();
	if (pid == 0) {
		int fd = begin();

		if (daemon(1, 1))
			give_up("daemon");
		talk(fd, "the daemon");
		close(fd);
		_exit(0);
	}
	close(fds[1]);
	show("all gone", read(fds[0], buf, 1));
	reap(pid);
}

/* ---- another program ---- */

/* argv of this program when it goes on elsewhere. */
static char **resumed(int fd)
{
	static char numbers[2][12];
	static char *argv[] = {
		"opening", "resumed", numbers[0], numbers[1], NULL};

	fcntl(oracle_control, F_SETFD, 0);
	snprintf(numbers[0], sizeof(numbers[0]), "%d", fd);
	snprintf(numbers[1], sizeof(numbers[1]), "%d", oracle_control);
	return argv;
}

static void by_exec(void)
{
	execv("/proc/self/exe", resumed(begin()));
	give_up("execv");
}

static void by_spawn(void)
{
	int fd = begin();
	pid_t pid;

	if (posix_spawn(
		    &pid, "/proc/self/exe", NULL, NULL, resumed(fd), environ))
		give_up("posix_spawn");
	reap(pid);
	set_nonblocking(fd, false);
	show("the parent", write(fd, "last", 4));
	close(fd);
}

static void by_vfork(void)
{
	int fd = begin();
	char **argv = resumed(fd);
	pid_t pid = vfork();

	if (pid == 0) {
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	reap(pid);
	set_nonblocking(fd, false);
	show("the parent", write(fd, "last", 4));
	close(fd);
}

/* ---- ends ---- */

static void leave(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	reap(pid);
}

/* More than the loopback takes at once. */
static void written_and_closed(void)
{
	int fd = begin();
	ssize_t n;

	peer("uncounted");
	leave();
	fill_pattern(buf, 0, sizeof(buf));
	n = write(fd, buf, 100000);
	show("close", close(fd));
	peer("handshake");
	say("peer: %s\n", peer("skip %zd", n));
	say("peer: %s\n", peer("end"));
}

static void half_closed(void)
{
	int fd = begin();

	leave();
	show("shutdown", shutdown(fd, SHUT_WR));
	peer("handshake");
	say("peer: %s\n", peer("end"));
	peer("send an answer");
	set_nonblocking(fd, false);
	show_bytes("hears", read(fd, buf, sizeof(buf)), buf);
	close(fd);
}

static void closed(void)
{
	int fd = begin();

	leave();
	show("close", close(fd));
	peer("handshake");
	say("peer: %s\n", peer("end"));
}

/* ---- who waits meanwhile ---- */

static void *connecter(void *arg)
{
	show("connect", try_connect(*(int *)arg));
	return NULL;
}

/* It returns when the handshake is done, wherever that is. */
static void in_connect(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	pthread_t thread;

	peer("manual");
	pthread_create(&thread, NULL, connecter, &fd);
	peer("hello");
	leave();
	say("now\n");
	peer("handshake");
	pthread_join(thread, NULL);
	show("write", write(fd, "words", 5));
	close(fd);
}

static atomic_int poller_is;

/* Is that thread asleep in a call? */
static bool sleeps(pid_t tid)
{
	char name[64], text[64] = "";
	FILE *f;

	if (!tid)
		return false;
	snprintf(name, sizeof(name), "/proc/self/task/%d/syscall", tid);
	f = fopen(name, "r");
	if (f && !fgets(text, sizeof(text), f))
		*text = 0;
	if (f)
		fclose(f);
	return *text && strncmp(text, "running", 7) != 0;
}

static void *poller(void *arg)
{
	poller_is = gettid();
	show_poll("poll", *(int *)arg, POLLIN, 10000);
	return NULL;
}

static void in_poll(void)
{
	int fd = begin();
	pthread_t thread;

	pthread_create(&thread, NULL, poller, &fd);
	for (double end = now() + 5; !sleeps(poller_is) && now() < end;)
		usleep(1000);
	leave();
	peer("handshake");
	peer("send now");
	pthread_join(thread, NULL);
	set_nonblocking(fd, false);
	show_bytes("hears", read(fd, buf, sizeof(buf)), buf);
	close(fd);
}

static void in_epoll(void)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT};
	int fd = begin(), set = epoll_create1(0);

	epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
	leave();
	show("epoll_wait", epoll_wait(set, &event, 1, 10000));
	show("events", event.events);
	event.events = EPOLLIN;
	epoll_ctl(set, EPOLL_CTL_MOD, fd, &event);
	peer("handshake");
	peer("send now");
	show("epoll_wait", epoll_wait(set, &event, 1, 10000));
	show("events", event.events);
	show_bytes("hears", read(fd, buf, sizeof(buf)), buf);
	close(fd);
}

static void refused(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	peer("drop");
	set_nonblocking(fd, true);
	show("connect", try_connect(fd));
	leave();
	show_error("SO_ERROR", fd);
	close(fd);
}

static const struct scenario all[] = {{"fork", by_fork}, {"_Fork", by__fork},
	{"sys-fork", by_sys_fork}, {"daemon", by_daemon}, {"exec", by_exec},
	{"spawn", by_spawn}, {"vfork", by_vfork},
	{"written-and-closed", written_and_closed},
	{"half-closed", half_closed}, {"closed", closed},
	{"in-connect", in_connect}, {"in-poll", in_poll},
	{"in-epoll", in_epoll}, {"refused", refused}, {0}};

int main(int argc, char **argv)
{
	if (argc != 4)
		return oracle_main(all, argc, argv);
	oracle_control = atoi(argv[3]);
	talk(atoi(argv[2]), "another program");
	return 0;
}
