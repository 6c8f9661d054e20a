/* SPDX-License-Identifier: MIT */
/* Connections that a copy of the process uses: every way of making one, and
 * every way of sharing the work. */
#include "oracle.h"
#include "sharing.h"
#include <pty.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static char buf[2000000];

/* What every child does: says its name, hears an answer. */
static void talk(int fd, const char *name)
{
	char line[64];

	show("says", write(fd, name, strlen(name)));
	peer("recv %zu", strlen(name));
	peer("send to-%s", name);
	snprintf(line, sizeof(line), "%s hears", name);
	show_bytes(line, read(fd, buf, sizeof(buf)), buf);
}

/* ---- ways of making a copy ---- */

static int the_fd;

static int in_clone(void *arg)
{
	talk(the_fd, arg);
	_exit(3);
}

static pid_t way_fork(void)
{
	return fork();
}

static pid_t way__fork(void)
{
	return _Fork();
}

static pid_t way_sys_fork(void)
{
	return (pid_t)syscall(SYS_fork);
}

static pid_t way_sys_clone(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static pid_t way_sys_clone3(void)
{
	/* struct clone_args: flags ... exit_signal is the fifth. */
	unsigned long long args[8] = {0};

	args[4] = SIGCHLD;
	return (pid_t)syscall(SYS_clone3, args, sizeof(args));
}

static void by(pid_t (*make)(void))
{
	int fd = dial();
	pid_t pid;

	talk(fd, "before");
	pid = make();
	if (pid == 0) {
		talk(fd, "the child");
		_exit(3);
	}
	reap(pid);
	talk(fd, "the parent");
	close(fd);
}

static void by_fork(void)
{
	by(way_fork);
}
static void by__fork(void)
{
	by(way__fork);
}
static void by_sys_fork(void)
{
	by(way_sys_fork);
}
static void by_sys_clone(void)
{
	by(way_sys_clone);
}
static void by_sys_clone3(void)
{
	by(way_sys_clone3);
}

static void by_clone(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	int fd = the_fd = dial();

	reap(clone(in_clone, stack + sizeof(stack), SIGCHLD, "the child"));
	talk(fd, "the parent");
	close(fd);
}

static void by_forkpty(void)
{
	int fd = dial(), master;
	pid_t pid = forkpty(&master, NULL, NULL, NULL);
	char seen[500];
	size_t n = 0;
	ssize_t got;

	if (pid == 0) {
		talk(fd, "on a terminal");
		_exit(0);
	}
	while (n < sizeof(seen) &&
		(got = read(master, seen + n, sizeof(seen) - n)) > 0)
		n += (size_t)got;
	say("%.*s", (int)n, seen);
	reap(pid);
	talk(fd, "the parent");
	close(fd);
}

/* The daemon lives on when its parents are gone: nobody may have said
 * close_notify for it. */
static void by_daemon(void)
{
	int fds[2], reaped[2];
	pid_t pid;

	if (pipe(fds) || pipe(reaped))
		give_up("pipe");
	pid = fork();
	if (pid == 0) {
		int fd = dial();

		close(reaped[1]);
		talk(fd, "before");
		if (daemon(1, 1))
			give_up("daemon");
		read(reaped[0], buf, 1);
		talk(fd, "the daemon");
		close(fd);
		_exit(0);
	}
	close(fds[1]);
	reap(pid);
	close(reaped[1]);
	show("all gone", read(fds[0], buf, 1));
}

/* ---- who does what ---- */

static void reader_and_writer(void)
{
	int fd = dial();
	pid_t pid;

	peer("&echo");
	pid = fork();
	if (pid == 0) {
		fill_pattern(buf, 0, sizeof(buf));
		write_all(fd, buf, sizeof(buf));
		_exit(0);
	}
	read_all(fd, buf, sizeof(buf));
	say("%s\n", is_pattern(buf, 0, sizeof(buf)) ? "right" : "wrong");
	reap(pid);
	show("half-close", shutdown(fd, SHUT_WR));
	peer("finish");
	show("the end", read(fd, buf, 1));
	close(fd);
}

static void both_write(void)
{
	int fd = dial();
	pid_t pid = fork();

	for (int i = 0; i < 500; i++)
		write_all(fd, "seven..", 7);
	if (pid == 0)
		_exit(0);
	reap(pid);
	say("%s\n", peer("recv 7000") ? "all came" : "");
	talk(fd, "the parent");
	close(fd);
}

static void child_only(void)
{
	int fd = dial();
	pid_t pid;
	int go[2];

	if (pipe(go))
		give_up("pipe");
	pid = fork();
	if (pid == 0) {
		show("parent closed", read(go[0], buf, 1));
		talk(fd, "the child");
		show("close", close(fd));
		say("peer: %s\n", peer("end"));
		_exit(0);
	}
	close(fd);
	if (write(go[1], "x", 1) != 1)
		give_up("write");
	reap(pid);
}

/* The child's exit must not end the connection. */
static void parent_only(void)
{
	int fd = dial();
	pid_t pid = fork();

	if (pid == 0)
		exit(0);
	reap(pid);
	talk(fd, "the parent");
	pid = fork();
	if (pid == 0)
		_exit(0);
	reap(pid);
	talk(fd, "again");
	show("close", close(fd));
	say("peer: %s\n", peer("end"));
}

static void grandchildren(void)
{
	int fd = dial();
	pid_t pid = fork();

	if (pid == 0) {
		pid = fork();
		if (pid == 0) {
			pid = fork();
			if (pid == 0) {
				talk(fd, "the fourth");
				_exit(0);
			}
			reap(pid);
			talk(fd, "the third");
			_exit(0);
		}
		reap(pid);
		talk(fd, "the second");
		_exit(0);
	}
	reap(pid);
	talk(fd, "the first");
	close(fd);
}

/* A child that closes all and makes a connection of its own. */
static void child_connects(void)
{
	int fd = dial();
	pid_t pid = fork();

	if (pid == 0) {
		int own;

		close(fd);
		own = dial();
		talk(own, "the child's own");
		close(own);
		_exit(0);
	}
	reap(pid);
	peer("@1 recv %d", (int)write(fd, "parent", 6));
	peer("@1 send one");
	show_bytes("first", read(fd, buf, 3), buf);
	close(fd);
}

static void many_connections(void)
{
	int fds[20];
	pid_t pid;

	for (int i = 0; i < 20; i++)
		fds[i] = dial();
	pid = fork();
	if (pid)
		reap(pid);
	for (int i = 0; i < 20; i++) {
		if ((i % 2 == 0) == (pid == 0)) {
			write_all(fds[i], "word", 4);
			peer("@%d recv 4", i + 1);
			peer("@%d send %c", i + 1, 'a' + i);
			read_all(fds[i], buf, 1);
			show("read", buf[0]);
		}
		if (i % 2 == 0 && pid)
			close(fds[i]);
	}
	if (pid == 0)
		_exit(0);
}

/* ---- threads ---- */

static void *reader(void *arg)
{
	char mine[16];
	ssize_t n = read(*(int *)arg, mine, sizeof(mine));

	return (void *)(n == 4 && memcmp(mine, "read", 4) == 0 ? "right"
							       : "wrong");
}

static void *poller(void *arg)
{
	struct pollfd p = {.fd = *(int *)arg, .events = POLLIN};
	int r = poll(&p, 1, 20000);

	return (void *)(r == 1 && p.revents == POLLIN ? "right" : "wrong");
}

static void *selecter(void *arg)
{
	int fd = *(int *)arg;
	fd_set in;

	FD_ZERO(&in);
	FD_SET(fd, &in);
	return (void *)(select(fd + 1, &in, NULL, NULL, NULL) == 1 ? "right"
								   : "wrong");
}

static void *looper(void *arg)
{
	int fd = *(int *)arg, ep = epoll_create1(0);
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = 77};

	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
	e.data.u64 = 0;
	return (void *)(epoll_wait(ep, &e, 1, 20000) == 1 && e.data.u64 == 77 &&
					e.events == EPOLLIN
				? "right"
				: "wrong");
}

/* Threads asleep in every kind of wait while the process forks: what the
 * peer says afterwards wakes each. */
static void sleepers(void)
{
	static void *(*const kinds[])(void *) = {
		reader, poller, selecter, looper};
	pthread_t threads[4];
	int fds[4];
	pid_t pid;

	for (int i = 0; i < 4; i++) {
		fds[i] = dial();
		pthread_create(&threads[i], NULL, kinds[i], &fds[i]);
	}
	usleep(100000);
	pid = fork();
	if (pid == 0)
		_exit(0);
	reap(pid);
	for (int i = 0; i < 4; i++)
		peer("@%d send read", i + 1);
	for (int i = 0; i < 4; i++) {
		void *how;

		pthread_join(threads[i], &how);
		say("thread %d: %s\n", i, (char *)how);
		if (i)
			show_bytes("read", read(fds[i], buf, 9), buf);
	}
}

/* ---- what stays as it was ---- */

static void show_address(const char *what,
	int (*get)(int, struct sockaddr *, socklen_t *), int fd, bool port)
{
	struct sockaddr_in addr = {0};
	socklen_t len = sizeof(addr);

	show(what, get(fd, (struct sockaddr *)&addr, &len));
	say("  family %d len %u %s %s\n", addr.sin_family, len,
		inet_ntoa(addr.sin_addr),
		!port || addr.sin_port == htons((in_port_t)oracle_port)
			? "as dialled"
			: "elsewhere");
}

static void show_options(int fd)
{
	static const struct {
		int level, name;
		const char *says;
	} all[] = {
		{SOL_SOCKET, SO_TYPE, "SO_TYPE"},
		{SOL_SOCKET, SO_ERROR, "SO_ERROR"},
		{SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE"},
		{SOL_SOCKET, SO_RCVLOWAT, "SO_RCVLOWAT"},
		{SOL_SOCKET, SO_DOMAIN, "SO_DOMAIN"},
		{IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY"},
		{IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE"},
		{IPPROTO_IP, IP_TOS, "IP_TOS"},
	};
	struct timeval tv = {0};
	socklen_t len = sizeof(tv);

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		int value = -1;

		len = sizeof(value);
		show(all[i].says, getsockopt(fd, all[i].level, all[i].name,
					  &value, &len));
		say("  %d\n", value);
	}
	len = sizeof(tv);
	show("SO_RCVTIMEO", getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len));
	say("  %ld.%06ld\n", (long)tv.tv_sec, (long)tv.tv_usec);
	say("O_NONBLOCK %d\n", fcntl(fd, F_GETFL) & O_NONBLOCK ? 1 : 0);
	show_address("getpeername", getpeername, fd, true);
	show_address("getsockname", getsockname, fd, false);
}

static void options(void)
{
	int fd = dial(), on = 1, idle = 77, copy;
	struct timeval tv = {.tv_usec = 200000};
	struct sockaddr_in before = {0}, after = {0};
	socklen_t len = sizeof(before);
	pid_t pid;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	getsockname(fd, (struct sockaddr *)&before, &len);
	show_options(fd);
	pid = fork();
	if (pid == 0)
		_exit(0);
	reap(pid);
	show_options(fd);
	getsockname(fd, (struct sockaddr *)&after, &len);
	say("own address %s\n", memcmp(&before, &after, sizeof(before)) == 0
					? "as before"
					: "another");
	show("read with SO_RCVTIMEO", read(fd, buf, 1));
	on = 0;
	show("set", setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
	copy = dup(fd);
	set_nonblocking(copy, true);
	show_options(fd);
	show("read", read(fd, buf, 1));
	show("connect", try_connect(fd));
	show_address("peer of the copy", getpeername, copy, true);
	close(copy);
	close(fd);
}

/* What the program set is what it is told, its copies too. */
static void nodelay(void)
{
	static const char *const whose[] = {"of the copy", "own"};
	int fd = dial(), on = -1;
	socklen_t len = sizeof(on);

	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();

		if (pid)
			reap(pid);
		getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len);
		say("TCP_NODELAY %s %d\n", whose[pid != 0], on);
		if (pid == 0)
			_exit(0);
		on = 1;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
	show("write", write(fd, "over", 4));
	peer("recv 4");
}

/* poll(), select() and epoll sets that knew the connection before. */
static void readiness(void)
{
	int fd = dial(), level = epoll_create1(0), edge = epoll_create1(0);
	int once = epoll_create1(0), r;
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = 1};
	pid_t pid;

	epoll_ctl(level, EPOLL_CTL_ADD, fd, &e);
	e.events = EPOLLIN | EPOLLET;
	epoll_ctl(edge, EPOLL_CTL_ADD, fd, &e);
	e.events = EPOLLIN | EPOLLONESHOT;
	epoll_ctl(once, EPOLL_CTL_ADD, fd, &e);
	pid = fork();
	if (pid == 0)
		_exit(0);
	reap(pid);
	show_poll("nothing yet", fd, ALL_EVENTS, 0);
	show("level", epoll_wait(level, &e, 1, 0));
	for (int i = 0; i < 2; i++) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		peer("send word");
		show("poll", poll(&p, 1, 5000));
		show("level", epoll_wait(level, &e, 1, 5000));
		show("level again", epoll_wait(level, &e, 1, 0));
		r = epoll_wait(edge, &e, 1, 5000);
		show("edge", r);
		show("edge again", epoll_wait(edge, &e, 1, 0));
		show("once", epoll_wait(once, &e, 1, i ? 0 : 5000));
		show("once again", epoll_wait(once, &e, 1, 0));
		show_bytes("read", read(fd, buf, 4), buf);
	}
	e.events = EPOLLIN | EPOLLONESHOT;
	e.data.u64 = 5;
	show("rearm", epoll_ctl(once, EPOLL_CTL_MOD, fd, &e));
	e.events = EPOLLIN;
	show("add", epoll_ctl(level, EPOLL_CTL_ADD, fd, &e));
	peer("send more");
	show("once", epoll_wait(once, &e, 1, 5000));
	say("  data %d\n", (int)e.data.u64);
	show("delete", epoll_ctl(level, EPOLL_CTL_DEL, fd, &e));
	show("level", epoll_wait(level, &e, 1, 0));
	show_bytes("read", read(fd, buf, 4), buf);
	close(fd);
}

/* ---- ends ---- */

static void fork_off(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	reap(pid);
}

static void half_close(void)
{
	int fd = dial();

	fork_off();
	show("write", write(fd, "before", 6));
	show("half-close", shutdown(fd, SHUT_WR));
	say("peer: %s\n", peer("end"));
	peer("pattern 100000");
	read_all(fd, buf, 100000);
	say("%s\n", is_pattern(buf, 0, 100000) ? "right" : "wrong");
	peer("finish");
	show("end", read(fd, buf, 1));
	close(fd);
}

/* The direction was ended before the process was copied. */
static void half_closed_before(void)
{
	int fd = dial();

	show("write", write(fd, "before", 6));
	show("half-close", shutdown(fd, SHUT_WR));
	say("peer: %s\n", peer("end"));
	fork_off();
	signal(SIGPIPE, SIG_IGN);
	show("write", write(fd, "after", 5));
	peer("send more");
	show_bytes("read", read(fd, buf, 10), buf);
	peer("finish");
	show("end", read(fd, buf, 1));
	close(fd);
}

static void peer_half_closes(void)
{
	int fd = dial();

	fork_off();
	peer("send last");
	peer("finish");
	show_bytes("read", read(fd, buf, 10), buf);
	show("end", read(fd, buf, 1));
	show("write", write(fd, "after", 5));
	say("peer: %s\n", peer("recv 5"));
	show("close", close(fd));
	say("peer: %s\n", peer("end"));
}

static void peer_resets(void)
{
	int fd = dial();

	fork_off();
	peer("send last");
	show_bytes("read", read(fd, buf, 10), buf);
	peer("reset");
	show("reset", read(fd, buf, 1));
	signal(SIGPIPE, SIG_IGN);
	show("write", write(fd, "after", 5));
	close(fd);
}

/* Not as on plain TCP: no close_notify is no end (shows, not same). */
static void peer_cuts(void)
{
	int fd = dial();

	fork_off();
	peer("pattern 500000");
	peer("cut");
	usleep(300000);
	read_all(fd, buf, 500000);
	say("%s\n", is_pattern(buf, 0, 500000) ? "right" : "wrong");
	show("cut", read(fd, buf, 1));
	close(fd);
}

static void unread(void)
{
	int fd = dial();
	pid_t pid;

	/* Decrypted in this process already, when the relay takes over. */
	peer("send abcdefgh");
	show_bytes("read", read(fd, buf, 2), buf);
	show_bytes("peek", recv(fd, buf, 3, MSG_PEEK), buf);
	pid = fork();
	if (pid == 0) {
		show_bytes("child reads", read(fd, buf, 4), buf);
		_exit(0);
	}
	reap(pid);
	show_bytes("parent reads", read(fd, buf, 4), buf);
	peer("finish");
	show("end", read(fd, buf, 1));
	close(fd);
}

/* fork() while the connection is being made. */
static void connecting(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	pid_t pid;

	set_nonblocking(fd, true);
	try_connect(fd);
	pid = fork();
	if (pid == 0) {
		poll(&p, 1, 5000);
		show_error("SO_ERROR", fd);
		set_nonblocking(fd, false);
		talk(fd, "the child");
		_exit(0);
	}
	reap(pid);
	talk(fd, "the parent");
	close(fd);
}

/* ---- the end of the process ---- */

static void write_much_and(void (*end)(int))
{
	pid_t pid = fork();

	if (pid == 0) {
		int fd = dial();

		peer("&sleep 0.2");
		peer("&read");
		fork_off();
		fill_pattern(buf, 0, sizeof(buf));
		write_all(fd, buf, sizeof(buf));
		end(5);
		abort();
	}
	reap(pid);
	show("done", 0);
}

static void end_exit(void)
{
	write_much_and(exit);
}
static void end__exit(void)
{
	write_much_and(_exit);
}
static void end_quick_exit(void)
{
	write_much_and(quick_exit);
}

static void kill_self(int sig)
{
	kill(getpid(), sig);
	pause();
}

static void end_kill(void)
{
	write_much_and(kill_self);
}

/* ---- close() and exit with a peer that does not read ---- */

/* Writes until nothing more is taken; returns how much was. */
static long stuff(int fd)
{
	long sum = 0;
	ssize_t r;

	set_nonblocking(fd, true);
	fill_pattern(buf, 0, sizeof(buf));
	for (int idle = 0; idle < 10;) {
		r = write(fd, buf + sum % 16, 60000);
		if (r > 0) {
			sum += r;
			idle = 0;
		} else {
			idle++;
			usleep(10000);
		}
	}
	return sum;
}

/* As much as this user may have: root may have more. */
static int dial_slow(void)
{
	int most = 1 << 29, fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &most, sizeof(most));
	if (try_connect(fd))
		give_up("connect");
	peer("&sleep 2");
	peer("&read");
	if (getuid() == 0 && setuid(65534) < 0)
		give_up("setuid");
	return fd;
}

static void slow_close(void)
{
	int fd = dial_slow();
	long sum = stuff(fd);
	double begun = now();

	show("close", close(fd));
	show("at once", now() - begun < 0.5);
	show("all arrived", atol(peer("so_far")) == sum);
	say("peer: %s\n", peer("end"));
}

static void slow_exit(void)
{
	long *sum = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double begun = now();
	pid_t pid = fork();

	if (pid == 0) {
		*sum = stuff(dial_slow());
		exit(0);
	}
	reap(pid);
	show("at once", now() - begun < 1.5);
	show("all arrived", atol(peer("so_far")) == *sum);
	say("peer: %s\n", peer("end"));
}

SCENARIOS({"fork", by_fork}, {"_Fork", by__fork}, {"sys-fork", by_sys_fork},
	{"sys-clone", by_sys_clone}, {"sys-clone3", by_sys_clone3},
	{"clone", by_clone}, {"forkpty", by_forkpty}, {"daemon", by_daemon},
	{"reader-and-writer", reader_and_writer}, {"both-write", both_write},
	{"child-only", child_only}, {"parent-only", parent_only},
	{"grandchildren", grandchildren}, {"child-connects", child_connects},
	{"many-connections", many_connections}, {"sleepers", sleepers},
	{"options", options}, {"nodelay", nodelay}, {"readiness", readiness},
	{"half-close", half_close}, {"half-closed-before", half_closed_before},
	{"peer-half-closes", peer_half_closes}, {"peer-resets", peer_resets},
	{"peer-cuts", peer_cuts}, {"unread", unread},
	{"connecting", connecting}, {"exit", end_exit}, {"_exit", end__exit},
	{"quick_exit", end_quick_exit}, {"kill", end_kill},
	{"slow-close", slow_close}, {"slow-exit", slow_exit})
