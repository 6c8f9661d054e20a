/* SPDX-License-Identifier: MIT */
/* poll, ppoll, select, pselect. */
#include "oracle.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>

static char buf[300000];

/* Tickets (of plain TCP: nothing at all) are no reason to wake up. */
static void tickets(void)
{
	int fd;

	peer("held");
	fd = dial();
	show_poll("before", fd, POLLIN | POLLRDHUP, 0);
	peer("tickets");
	show_poll("tickets", fd, POLLIN | POLLRDHUP, 0);
	show_poll("and a while", fd, POLLIN, 20);
	show("read", recv(fd, buf, 10, MSG_DONTWAIT));
	show_poll("writable", fd, POLLIN | POLLOUT, -1);
	peer("send x");
	show_poll("data", fd, POLLIN, -1);
	show_bytes("read", read(fd, buf, 10), buf);
	show_poll("after", fd, POLLIN, 0);
	close(fd);
}

/* The same for a thread that is asleep, and that must not spin. */
static void *sleeper(void *arg)
{
	show_poll("asleep", *(int *)arg, POLLIN, -1);
	return NULL;
}

static void tickets_asleep(void)
{
	int fd;
	pthread_t thread;
	clock_t cpu;

	peer("held");
	fd = dial();
	pthread_create(&thread, NULL, sleeper, &fd);
	usleep(20000);
	peer("tickets");
	cpu = clock();
	usleep(100000);
	say("spins %d\n", clock() - cpu > CLOCKS_PER_SEC / 20);
	say("said\n");
	peer("send x");
	pthread_join(thread, NULL);
	show("read", read(fd, buf, 1));
	close(fd);
}

static void half_record(void)
{
	int fd = dial();
	fd_set set;
	struct timeval tv = {0, 10000};

	peer("part hello");
	show_poll("half", fd, POLLIN, 10);
	FD_ZERO(&set);
	FD_SET(fd, &set);
	show("select", select(fd + 1, &set, NULL, NULL, &tv));
	say("set %d left %ld.%06ld\n", FD_ISSET(fd, &set), (long)tv.tv_sec,
		(long)tv.tv_usec);
	peer("rest");
	show_poll("whole", fd, POLLIN, -1);
	show_bytes("read", read(fd, buf, 2), buf);
	show_poll("leftover", fd, POLLIN, 0);
	show_poll("leftover", fd, POLLIN, -1);
	FD_ZERO(&set);
	FD_SET(fd, &set);
	show("select", select(fd + 1, &set, NULL, NULL, NULL));
	show_bytes("read", read(fd, buf, 20), buf);
	show_poll("drained", fd, POLLIN, 0);
	close(fd);
}

static void every_event(void)
{
	static const short asked[] = {0, POLLIN, POLLPRI, POLLOUT, POLLRDNORM,
		POLLRDBAND, POLLWRNORM, POLLWRBAND, POLLRDHUP, POLLERR, POLLHUP,
		POLLNVAL, ALL_EVENTS};
	int fd = dial();
	char what[20];

	for (int round = 0; round < 3; round++) {
		if (round == 1)
			peer("send hello");
		if (round == 2)
			peer("finish");
		for (unsigned i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
			snprintf(what, sizeof(what), "%d: 0x%x", round,
				asked[i]);
			show_poll(what, fd, asked[i], 0);
		}
	}
	show_bytes("read", read(fd, buf, 10), buf);
	show("shutdown", shutdown(fd, SHUT_WR));
	for (unsigned i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
		snprintf(what, sizeof(what), "closed: 0x%x", asked[i]);
		show_poll(what, fd, asked[i], 0);
	}
	close(fd);
}

static void show_set(const char *what, struct pollfd *p, nfds_t n, int timeout)
{
	for (nfds_t i = 0; i < n; i++)
		p[i].revents = 0x40;
	show(what, poll(p, n, timeout));
	for (nfds_t i = 0; i < n; i++) {
		printf("  %lu:", (unsigned long)i);
		say_events(p[i].revents);
	}
}

static void mixed_sets(void)
{
	int fd = dial(), other = dial(), p[2];
	struct pollfd set[8] = {{fd, POLLIN, 0}, {fd, POLLOUT, 0},
		{-1, POLLIN, 0}, {other, POLLIN, 0}, {777, POLLIN, 0},
		{0, 0, 0}, {~fd, POLLIN, 0}, {fd, 0, 0}};

	if (pipe(p) < 0)
		give_up("pipe");
	set[5] = (struct pollfd){p[0], POLLIN, 0};
	show_set("first", set, 8, 0);
	show_set("never less", set, 8, -1);
	set[4].fd = -1;
	set[1].fd = -1;
	show_set("nothing", set, 8, 0);
	peer("@2 send x");
	show_set("other", set, 8, -1);
	show("read", read(other, buf, 10));
	show("write", write(p[1], "x", 1));
	show_set("pipe", set, 8, -1);
	show("read", read(p[0], buf, 10));
	peer("@1 send x");
	set[1] = (struct pollfd){fd, POLLIN, 0};
	show_set("twice", set, 8, -1);
	show("read", read(fd, buf, 10));
	show("none", poll(NULL, 0, 0));
	show("none", poll(set, 0, 1));
	close(fd);
	close(other);
}

static void too_many(void)
{
	int fd = dial();
	struct rlimit limit = {30, 30};
	static struct pollfd set[40];

	for (int i = 0; i < 40; i++)
		set[i] = (struct pollfd){i ? -1 : fd, POLLIN | POLLOUT, 0};
	setrlimit(RLIMIT_NOFILE, &limit);
	show("more than RLIMIT_NOFILE", poll(set, 40, 0));
	show("30", poll(set, 30, 0));
	close(fd);
}

static void hundreds(void)
{
	static struct pollfd set[600];
	int fd = dial(), p[2];

	if (pipe(p) < 0)
		give_up("pipe");
	for (int i = 0; i < 600; i++)
		set[i] = (struct pollfd){i == 433 ? fd : p[0], POLLIN, 0};
	show("nothing", poll(set, 600, 0));
	peer("send hello");
	show("data", poll(set, 600, -1));
	printf("433:");
	say_events(set[433].revents);
	show("write", write(p[1], "x", 1));
	show("all", poll(set, 600, -1));
	show("read", read(fd, buf, 10));
	close(fd);
}

static void timeouts(void)
{
	int fd = dial();
	struct pollfd p = {fd, POLLIN, 0};
	struct timespec ts = {0, 30000000};
	double start = now();

	show("poll", poll(&p, 1, 30));
	say("waited %d\n", now() - start >= 0.0299);
	start = now();
	show("ppoll", ppoll(&p, 1, &ts, NULL));
	say("waited %d left %ld\n", now() - start >= 0.0299, ts.tv_nsec);
	ts.tv_nsec = 1000000000;
	show("bad", ppoll(&p, 1, &ts, NULL));
	ts.tv_nsec = -1;
	show("bad", ppoll(&p, 1, &ts, NULL));
	show("negative", poll(&(struct pollfd){fd, POLLOUT, 0}, 1, -5));
	close(fd);
}

static void show_select(const char *what, int fd, fd_set *r, fd_set *w,
	fd_set *e, struct timeval *tv)
{
	if (r)
		FD_SET(fd, r);
	if (w)
		FD_SET(fd, w);
	if (e)
		FD_SET(fd, e);
	show(what, select(fd + 1, r, w, e, tv));
	say("  %d %d %d\n", r && FD_ISSET(fd, r), w && FD_ISSET(fd, w),
		e && FD_ISSET(fd, e));
}

static void selects(void)
{
	int fd = dial(), high = fcntl(fd, F_DUPFD, 1000);
	fd_set r, w, e;
	struct timeval tv = {0, 0};
	struct timespec ts = {0, 0};

	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&e);
	show_select("nothing", fd, &r, NULL, &e, &tv);
	show_select("writable", fd, &r, &w, &e, NULL);
	tv = (struct timeval){0, 20000};
	show_select("a while", fd, &r, NULL, NULL, &tv);
	say("left %ld.%06ld\n", (long)tv.tv_sec, (long)tv.tv_usec);
	peer("send hello");
	tv = (struct timeval){100, 0};
	show_select("readable", fd, &r, &w, &e, &tv);
	say("left %d\n", tv.tv_sec == 99 && tv.tv_usec > 0);
	show_select("high", high, &r, &w, &e, NULL);
	FD_ZERO(&r);
	FD_SET(fd, &r);
	show("beyond n", select(fd, &r, NULL, NULL, &(struct timeval){0}));
	FD_ZERO(&r);
	FD_SET(fd, &r);
	show("pselect", pselect(fd + 1, &r, NULL, NULL, &ts, NULL));
	FD_SET(900, &r);
	FD_SET(fd, &r);
	show("closed", select(901, &r, NULL, NULL, NULL));
	say("unchanged %d %d\n", FD_ISSET(fd, &r), FD_ISSET(900, &r));
	tv = (struct timeval){0, -1};
	FD_ZERO(&r);
	FD_SET(fd, &r);
	show("bad time", select(fd + 1, &r, NULL, NULL, &tv));
	tv = (struct timeval){0, 1500000};
	show("long microseconds", select(fd + 1, &r, NULL, NULL, &tv));
	show("negative", select(-1, &r, NULL, NULL, NULL));
	peer("finish");
	read(fd, buf, 10);
	shutdown(fd, SHUT_WR);
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&e);
	show_select("ended", fd, &r, &w, &e, NULL);
	FD_ZERO(&e);
	tv = (struct timeval){0, 20000};
	show_select("ended, exceptions", fd, NULL, NULL, &e, &tv);
	close(fd);
	close(high);
}

/* Old programs give the size of the descriptor table as the number, and sets
 * smaller than that: the kernel looks at no more than it has room for. */
static void select_table_size(void)
{
	int fd = dial();
	long page = sysconf(_SC_PAGESIZE);
	char *two = mmap(NULL, 2 * (size_t)page, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fd_set *set = (fd_set *)(two + page) - 1;

	mprotect(two + page, (size_t)page, PROT_NONE);
	peer("send x");
	FD_SET(fd, set);
	show("select", select(1000000, set, NULL, NULL, NULL));
	show("writable", select(1000000, NULL, set, NULL, NULL));
	show("none", select(1000000, NULL, NULL, NULL, &(struct timeval){0}));
	show("read", read(fd, buf, 1));
	close(fd);
}

static void select_after_reset(void)
{
	int fd = dial();
	fd_set r, w, e;
	struct timeval tv = {0, 20000};

	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&e);
	peer("reset");
	show_select("exceptions", fd, NULL, NULL, &e, &tv);
	show_select("all", fd, &r, &w, &e, NULL);
	show("read", read(fd, buf, 1));
	show_select("all", fd, &r, &w, &e, NULL);
	close(fd);
}

static void *reader(void *arg)
{
	read_all(*(int *)arg, buf, 100000);
	return NULL;
}

/* One thread polls for room while another reads all there is. */
static void poll_beside_read(void)
{
	int fd = dial();
	pthread_t thread;
	struct pollfd p = {fd, POLLIN, 0};

	pthread_create(&thread, NULL, reader, &fd);
	peer("&pattern 100000/500");
	for (int i = 0; i < 200; i++)
		poll(&p, 1, 1);
	pthread_join(thread, NULL);
	say("%s = all\n", is_pattern(buf, 0, 100000) ? "right" : "wrong");
	show_poll("empty", fd, POLLIN, 0);
	show("write", write(fd, "x", 1));
	say("%s\n", peer("recv 1"));
	close(fd);
}

static void closed_while_polled(void)
{
	int fd = dial(), copy = dup(fd);
	pthread_t thread;

	pthread_create(&thread, NULL, sleeper, &fd);
	usleep(20000);
	close(copy);
	peer("send x");
	pthread_join(thread, NULL);
	show("read", read(fd, buf, 1));
	close(fd);
}

/* Room again: what a full buffer makes of readiness. */
static void full(void)
{
	int fd = dial();
	size_t sent = 0;
	ssize_t r;

	peer("uncounted");
	fill_pattern(buf, 0, sizeof(buf));
	while ((r = send(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		sent += (size_t)r;
	show_poll("full", fd, ALL_EVENTS, 0);
	peer("send hello");
	show_poll("full, readable", fd, ALL_EVENTS, 0);
	show_bytes("read", read(fd, buf, 10), buf);
	/* Asking to read alone pushes out what waits. */
	peer("&recv %zu", sent);
	peer("&send done");
	show_poll("asking to read", fd, POLLIN, -1);
	show_bytes("read", read(fd, buf, 10), buf);
	show_poll("room", fd, POLLOUT, -1);
	close(fd);
}

SCENARIOS({"tickets", tickets}, {"tickets-asleep", tickets_asleep},
	{"half-record", half_record}, {"every-event", every_event},
	{"mixed-sets", mixed_sets}, {"too-many", too_many},
	{"hundreds", hundreds}, {"timeouts", timeouts}, {"selects", selects},
	{"select-table-size", select_table_size},
	{"select-after-reset", select_after_reset},
	{"poll-beside-read", poll_beside_read},
	{"closed-while-polled", closed_while_polled}, {"full", full})
