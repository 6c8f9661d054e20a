/* SPDX-License-Identifier: MIT */
/*
 * What epoll tells: copies of numbers, sets in sets, data, errors.
 * How to run it: loops.h.
 */
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include "loops.h"

static void sets_before(void)
{
	int one = epoll_create(5), two = new_set(), fd = open_connection();

	add(one, fd, IN, 1);
	add(two, fd, IN | ET, 2);
	peer_do(&peer, "send 0 10");
	look("level", one);
	look("edge", two);
	look("level", one);
	look("edge", two);
	take(fd, 0, 4);
	look("level", one);
	look("edge", two);
	peer_do(&peer, "send 0 10");
	look("edge", two);
	take(fd, 0, 100);
	look("level", one);
	look("edge", two);
	close(two);
	peer_do(&peer, "send 0 10");
	look("level", one);
}

/* ---- numbers ---- */

static void duplicates(void)
{
	int set = new_set(), fd = open_connection(), twin = dup(fd);

	add(set, fd, IN, 1);
	add(set, twin, IN | OUT, 2);
	look("open", set);
	peer_do(&peer, "send 0 10");
	look("10 bytes", set);
	take(twin, 0, 4);
	look("6 left", set);
	tell_result("DEL", control(set, EPOLL_CTL_DEL, fd, 0, 0));
	look("one deleted", set);
	take(fd, 0, 100);
	modify(set, twin, IN | ONESHOT, 3);
	peer_do(&peer, "send 0 10");
	look("10 bytes", set);
	look("again", set);
	close(twin);
	look("one closed", set);
	take(fd, 0, 100);
	close(fd);
	look("both closed", set);
}

/* epoll(7), questions and answers 6: a registration outlives its number. */
static void duplicate_lives(void)
{
	int set = new_set(), fd = open_connection(), twin = dup(fd);

	add(set, fd, IN, 1);
	close(fd);
	peer_do(&peer, "send 0 10");
	look("10 bytes", set);
	take(twin, 0, 100);
	look("read", set);
	close(twin);
	look("closed", set);
}

static void duplicate_before(void)
{
	int set = new_set(), fd = new_socket(), twin = dup(fd);

	add(set, fd, IN | ET, 1);
	add(set, twin, IN | OUT | ET, 2);
	dial(twin);
	finish(fd);
	look("open", set);
	peer_do(&peer, "send 0 10");
	look("10 bytes", set);
	take(fd, 0, 100);
}

static void closed(void)
{
	int set = new_set(), fd = open_connection(), next;

	add(set, fd, IN | OUT, 1);
	peer_do(&peer, "send 0 10");
	look("10 bytes", set);
	close(fd);
	look("closed", set);
	tell_result("MOD", control(set, EPOLL_CTL_MOD, fd, IN, 0));
	next = open_connection();
	printf("same number: %d\n", next == fd);
	look("another connection", set);
	add(set, next, IN, 2);
	peer_do(&peer, "send 1 10");
	look("10 bytes", set);
	take(next, 1, 100);
	/* libuv closes this way. */
	syscall(SYS_close, next);
	look("closed", set);
}

static void set_duplicates(void)
{
	int set = new_set(), fd = open_connection(), twin = dup(set);

	add(set, fd, IN | ET, 1);
	peer_do(&peer, "send 0 10");
	look("by the copy", twin);
	look("by the first", set);
	modify(twin, fd, IN, 2);
	look("by the first", set);
	close(set);
	look("by the copy", twin);
	take(fd, 0, 4);
	look("6 left", twin);
	tell_result("ADD", control(twin, EPOLL_CTL_ADD, fd, IN, 0));
	take(fd, 0, 100);
	look("none left", twin);
	close(fd);
	look("closed", twin);
}

/* ---- sets in sets ---- */

static void polled(void)
{
	int set = new_set(), fd = open_connection();
	struct pollfd p = {.fd = set, .events = POLLIN};

	add(set, fd, IN, 1);
	look("open", set);
	printf("poll: %d\n", poll(&p, 1, 0));
	peer_do(&peer, "send 0 10");
	printf("poll, 10 bytes: %d\n", poll(&p, 1, 0));
	look("10 bytes", set);
	take(fd, 0, 4);
	printf("poll, 6 left: %d\n", poll(&p, 1, SHORT));
	look("6 left", set);
	printf("poll, 6 left: %d\n", poll(&p, 1, SHORT));
	take(fd, 0, 100);
	printf("poll, none left: %d\n", poll(&p, 1, 0));
	look("none left", set);
	printf("poll, none left: %d\n", poll(&p, 1, 0));
	peer_do(&peer, "send 0 10");
	printf("poll, 10 bytes: %d\n", poll(&p, 1, 0));
}

static void nested(uint32_t how)
{
	int inner = new_set(), outer = new_set(), fd = open_connection();

	add(outer, inner, IN, 8);
	add(inner, fd, IN | how, 1);
	look("inner", inner);
	look("outer", outer);
	peer_do(&peer, "send 0 10");
	look("outer, 10 bytes", outer);
	look("inner, 10 bytes", inner);
	look("outer", outer);
	take(fd, 0, 4);
	look("outer, 6 left", outer);
	look("inner, 6 left", inner);
	look("outer, 6 left", outer);
	take(fd, 0, 100);
	look("inner, none left", inner);
	look("outer, none left", outer);
	peer_do(&peer, "send 0 10");
	show("outer, 10 bytes", outer, LONG);
}

static void nested_level(void)
{
	nested(0);
}

static void nested_edge(void)
{
	nested(ET);
}

static void nested_late(void)
{
	int inner = new_set(), outer = new_set(), fd = open_connection();

	add(inner, fd, IN, 1);
	peer_do(&peer, "send 0 10");
	take(fd, 0, 4);
	add(outer, inner, IN, 8);
	look("outer, 6 left", outer);
	take(fd, 0, 100);
	look("outer, none left", outer);
}

/* ---- data, errors, other waits ---- */

static uint64_t random_data(void)
{
	return (uint64_t)(uint32_t)mrand48() << 32 | (uint32_t)mrand48();
}

static void data(void)
{
	const uint64_t fixed[] = {0, 1, UINT64_MAX, INT64_MAX, 1ULL << 63,
		0x7fffffffffff, (uintptr_t)&peer, (uintptr_t)&fixed,
		(uintptr_t)stdout, 0xffffffff00000000, 0xffffffff};
	enum { FIXED = sizeof(fixed) / sizeof(fixed[0]), ALL = 1000 };
	int set = new_set(), fd = open_connection(), wrong = 0, pipes[2];

	if (pipe(pipes) < 0 || write(pipes[1], "", 1) != 1)
		peer_die("pipe");
	add(set, fd, OUT, 0);
	add(set, pipes[0], IN, 0);
	for (int i = 0; i < FIXED + ALL; i++) {
		uint64_t want = i < FIXED ? fixed[i] : random_data();
		struct epoll_event got[4];
		int n;

		modify(set, fd, OUT, want);
		modify(set, pipes[0], IN, ~want);
		n = epoll_wait(set, got, 4, 0);
		if (n == 2 && got[0].events == IN) {
			struct epoll_event first = got[0];

			got[0] = got[1];
			got[1] = first;
		}
		wrong += n != 2 || got[0].data.u64 != want ||
			 got[1].data.u64 != ~want || got[0].events != OUT;
	}
	printf("wrong: %d\n", wrong);
}

static void errors(void)
{
	int set = new_set(), fd = open_connection(), file = dup(1), r;
	struct epoll_event event = {.events = IN};
	volatile int less_than_none = -1;

	tell_result("MOD", control(set, EPOLL_CTL_MOD, fd, IN, 0));
	tell_result("DEL", control(set, EPOLL_CTL_DEL, fd, IN, 0));
	tell_result("op 77", control(set, 77, fd, IN, 0));
	tell_result("ADD", control(set, EPOLL_CTL_ADD, fd, IN, 0));
	tell_result("ADD", control(set, EPOLL_CTL_ADD, fd, IN, 0));
	tell_result("op 77", control(set, 77, fd, IN, 0));
	tell_result("no set", control(-1, EPOLL_CTL_ADD, fd, IN, 0));
	tell_result("a file", control(file, EPOLL_CTL_ADD, fd, IN, 0));
	tell_result("a file", control(file, EPOLL_CTL_DEL, fd, IN, 0));
	tell_result("itself", control(set, EPOLL_CTL_ADD, set, IN, 0));
	tell_result("for a set", control(fd, EPOLL_CTL_ADD, fd, IN, 0));
	tell_result("for a set", control(fd, EPOLL_CTL_ADD, file, IN, 0));
	tell_result("closed", control(set, EPOLL_CTL_ADD, 999, IN, 0));
	r = epoll_ctl(set, EPOLL_CTL_MOD, fd, NULL);
	tell_result("no event", r < 0 ? errno : 0);
	r = epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL);
	tell_result("DEL, no event", r < 0 ? errno : 0);
	r = epoll_wait(set, &event, 0, 0);
	tell_result("room for 0", r < 0 ? errno : 0);
	r = epoll_wait(set, &event, less_than_none, 0);
	tell_result("room for -1", r < 0 ? errno : 0);
	r = epoll_wait(fd, &event, 1, 0);
	tell_result("wait for a socket", r < 0 ? errno : 0);
}

static void exclusive(void)
{
	int one = new_set(), two = new_set(), fd = open_connection();

	add(one, fd, IN | EXCLUSIVE, 1);
	add(two, fd, IN | EXCLUSIVE | ET, 2);
	peer_do(&peer, "ticket 0");
	show("a ticket", one, SHORT);
	show("a ticket", two, SHORT);
	peer_do(&peer, "send 0 10");
	look("one", one);
	look("two", two);
	take(fd, 0, 4);
	look("one, 6 left", one);
	take(fd, 0, 100);
	look("one, none left", one);
	peer_do(&peer, "send 0 10");
	look("one", one);
	look("two", two);
	tell_result("MOD", control(one, EPOLL_CTL_MOD, fd, IN, 0));
	tell_result("MOD to EXCLUSIVE",
		control(one, EPOLL_CTL_MOD, fd, IN | EXCLUSIVE, 0));
	control(one, EPOLL_CTL_DEL, fd, 0, 0);
	tell_result("with ONESHOT",
		control(one, EPOLL_CTL_ADD, fd, IN | EXCLUSIVE | ONESHOT, 0));
	tell_result("with RDHUP",
		control(one, EPOLL_CTL_ADD, fd, IN | EXCLUSIVE | RDHUP, 0));
	add(one, fd, IN, 3);
	tell_result("MOD to EXCLUSIVE",
		control(one, EPOLL_CTL_MOD, fd, IN | EXCLUSIVE, 0));
}

/* poll() pulls bytes in; a set that is edge-triggered must hear of them. */
static void polled_beside(void)
{
	int set = new_set(), fd = open_connection();
	struct pollfd p = {.fd = fd, .events = POLLIN};
	fd_set readable;
	struct timeval none = {0};

	add(set, fd, IN | ET, 1);
	peer_do(&peer, "send 0 10");
	printf("poll: %d\n", poll(&p, 1, 0));
	look("10 bytes", set);
	look("again", set);
	printf("poll: %d\n", poll(&p, 1, 0));
	look("again", set);
	peer_do(&peer, "send 0 10");
	FD_ZERO(&readable);
	FD_SET(fd, &readable);
	printf("select: %d\n", select(fd + 1, &readable, NULL, NULL, &none));
	look("10 more", set);
	take(fd, 0, 4);
	look("16 left", set);
	take(fd, 0, 100);
}

static void handler(int sig)
{
	(void)sig;
}

static void other_waits(void)
{
	int set = new_set(), fd = open_connection();
	struct sigaction act = {.sa_handler = handler, .sa_flags = SA_RESTART};
	struct timespec ts = {.tv_nsec = 1000000};
	struct epoll_event event;
	sigset_t all;

	add(set, fd, IN, 1);
	sigaction(SIGALRM, &act, NULL);
	ualarm(30000, 0);
	show("a signal", set, LONG);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	ualarm(1000, 0);
	usleep(20000);
	printf("pwait, blocked: %d\n", epoll_pwait(set, &event, 1, 10, &all));
	sigemptyset(&all);
	printf("pwait: %d", epoll_pwait(set, &event, 1, LONG, &all));
	printf(" %s\n", strerrorname_np(errno));
	printf("pwait2: %d\n", epoll_pwait2(set, &event, 1, &ts, NULL));
	peer_do(&peer, "send 0 10");
	printf("pwait2: %d\n", epoll_pwait2(set, &event, 1, NULL, NULL));
	printf("pwait: %d\n", epoll_pwait(set, &event, 1, 0, &all));
	printf("syscall: %ld\n", syscall(SYS_epoll_wait, set, &event, 1, 0));
	printf("data: %lu\n", (unsigned long)event.data.u64);
}

/* More is ready than the array takes: nobody starves. */
static void crowd(void)
{
	enum { CROWD = 12 };
	int set = new_set(), fds[CROWD], seen[CROWD + 1] = {0};
	int pipes[2];

	if (pipe(pipes) < 0 || write(pipes[1], "", 1) != 1)
		peer_die("pipe");
	add(set, pipes[0], IN, CROWD);
	for (int i = 0; i < CROWD; i++) {
		fds[i] = open_connection();
		add(set, fds[i], IN, (uint64_t)i);
		peer_do(&peer, "send %d 10", i);
	}
	for (int i = 0; i < CROWD; i++)
		take(fds[i], i, 4);
	for (int i = 0; i < 10 * CROWD; i++) {
		struct epoll_event event[2];
		int n = epoll_wait(set, event, i % 2 + 1, 0);

		while (n-- > 0)
			seen[event[n].data.u64]++;
	}
	for (int i = 0; i <= CROWD; i++)
		if (seen[i] < 3)
			printf("%d was seen %d times\n", i, seen[i]);
	printf("crowd\n");
}

/* ---- what only the shim knows ---- */

static void held_back(void)
{
	int set = new_set(), fd = new_socket();

	peer_do(&peer, "hold");
	add(set, fd, IN | OUT, 1);
	dial(fd);
	peer_do(&peer, "accept");
	show("no handshake yet", set, SHORT);
	show("no handshake yet", set, SHORT);
	peer_say(&peer, "handshake 0");
	show("open", set, LONG);
	peer_done(&peer);
	tell_error(fd);
}

static void timed_out(void)
{
	int set = new_set(), other = new_set(), fd = new_socket();

	peer_do(&peer, "hold");
	add(set, fd, IN | OUT, 1);
	dial(fd);
	add(other, fd, ET | OUT, 2);
	peer_do(&peer, "accept");
	show("too late", set, LONG);
	show("too late", other, LONG);
	tell_error(fd);
	look("told", set);
	take(fd, 0, 10);
}

static void no_ring(void)
{
	char params[256] = {0};
	long r = syscall(SYS_io_uring_setup, 4, params);

	tell_result("io_uring_setup", r < 0 ? errno : 0);
}

static const struct scenario scenarios[] = {SCENARIO(sets_before),
	SCENARIO(duplicates), SCENARIO(duplicate_lives),
	SCENARIO(duplicate_before), SCENARIO(closed), SCENARIO(set_duplicates),
	SCENARIO(polled), SCENARIO(nested_level), SCENARIO(nested_edge),
	SCENARIO(nested_late), SCENARIO(data), SCENARIO(errors),
	SCENARIO(exclusive), SCENARIO(polled_beside), SCENARIO(other_waits),
	SCENARIO(crowd), SCENARIO(held_back), SCENARIO(timed_out),
	SCENARIO(no_ring)};

int main(int argc, char **argv)
{
	return run_scenario(argc, argv, scenarios,
		sizeof(scenarios) / sizeof(scenarios[0]));
}
