/* SPDX-License-Identifier: MIT */
/*
 * What epoll tells: level-triggered, edge-triggered and one-shot
 * registrations, the ends of a connection, back-pressure, and what must wake
 * nobody.
 * How to run it: loops.h.
 */
#include <sys/ioctl.h>
#include <time.h>
#include "loops.h"

/* ---- level, edge, one shot ---- */

static void level(void)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, IN, 1);
	look("open", set);
	peer_do(&peer, "send 0 10");
	look("10 bytes", set);
	look("again", set);
	take(fd, 0, 4);
	look("6 left", set);
	look("again", set);
	take(fd, 0, 100);
	look("none left", set);
	take(fd, 0, 100);
	modify(set, fd, IN | OUT, 2);
	look("OUT as well", set);
	peer_do(&peer, "send 0 30000");
	look("30000 bytes", set);
	take(fd, 0, 20000);
	look("10000 left", set);
	take(fd, 0, 20000);
	look("none left", set);
	modify(set, fd, 0, 3);
	peer_do(&peer, "send 0 10");
	look("asked for nothing", set);
}

static void edge(void)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, IN | ET, 1);
	look("open", set);
	peer_do(&peer, "send 0 10");
	look("10 bytes", set);
	look("again", set);
	take(fd, 0, 4);
	look("6 left", set);
	peer_do(&peer, "send 0 5");
	look("5 more", set);
	look("again", set);
	take(fd, 0, 100);
	look("none left", set);
	take(fd, 0, 100);
	peer_do(&peer, "send 0 1");
	look("1 byte", set);
	take(fd, 0, 1);
	look("none left", set);
}

/* A connection with room for more than is pulled in at once. */
static int open_wide(void)
{
	int fd = new_socket(), room = 200000;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	dial(fd);
	finish(fd);
	return fd;
}

/* What is left after a partial read was told with what was read. */
static void edge_partial(void)
{
	int set = new_set(), other = new_set(), fd = open_wide();

	add(set, fd, IN | RDHUP | ET, 1);
	add(other, fd, IN | OUT | ET, 2);
	peer_do(&peer, "send 0 16384 16384 16384 16384 16384 16384 16384");
	look("7 records", set);
	look("7 records", other);
	take(fd, 0, 1000);
	look("partly read", set);
	take(fd, 0, 70000);
	look("more of it", set);
	look("more of it", other);
	take(fd, 0, 20000);
	look("more of it", set);
	peer_do(&peer, "send 0 5");
	look("5 more", set);
	look("told", set);
	take(fd, 0, 30);
	look("5 more", other);
	look("told", other);
	peer_do(&peer, "end 0");
	look("the end", set);
	look("the end", other);
	look("told", set);
	take(fd, 0, 100000);
	look("none left", set);
	take(fd, 0, 100000);
	look("the end is read", set);
	look("the end is read", other);
}

/* What came after it was told, and was pulled in by a partial read. */
/* As nginx does: what FIONREAD has told is read, and the rest awaits an edge.
 * There is more than we hold decrypted at a time. */
static void edge_by_count(void)
{
	int set = new_set(), fd = new_socket(), room = 4 << 20, n;
	size_t all = 128 * 16384;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		peer_die("SO_RCVBUFFORCE");
	dial(fd);
	finish(fd);
	add(set, fd, IN | ET, 1);
	for (size_t sent = 0; sent < all; sent += 4 * 16384)
		peer_do(&peer, "send 0 16384 16384 16384 16384");
	look("all of it", set);
	while (received[0] < all) {
		struct epoll_event event;

		if (ioctl(fd, FIONREAD, &n) < 0)
			peer_die("FIONREAD");
		for (size_t end = received[0] + (size_t)n; received[0] < end;)
			if (read_some(fd, 0, end - received[0]) <= 0)
				peer_die("read");
		if (received[0] < all && epoll_wait(set, &event, 1, LONG) != 1)
			peer_die("no edge");
	}
	printf("all came\n");
}

static void edge_partial_more(void)
{
	int set = new_set(), fd = open_wide();

	add(set, fd, IN | ET, 1);
	peer_do(&peer, "send 0 16384 16384 16384 16384 16384 16384");
	look("6 records", set);
	peer_do(&peer, "send 0 5 5");
	take(fd, 0, 90000);
	look("10 more", set);
	look("told", set);
	take(fd, 0, 8300);
	look("told", set);
	peer_do(&peer, "end 0");
	take(fd, 0, 2);
	look("the end", set);
	look("told", set);
	take(fd, 0, 100);
	look("told", set);
}

/* The end comes in two pieces: close_notify and FIN. */
static void edge_end(void)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, IN | OUT | RDHUP | ET, 1);
	look("open", set);
	peer_say(&peer, "end 0");
	show("the end", set, LONG);
	peer_done(&peer);
	look("told", set);
	take(fd, 0, 100);
	look("told", set);
	shutdown(fd, SHUT_WR);
	show("both ends", set, LONG);
	look("told", set);
}

static void edge_both(void)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, IN | OUT | RDHUP | ET, 1);
	look("open", set);
	look("again", set);
	peer_do(&peer, "send 0 10");
	look("10 bytes", set);
	look("again", set);
	take(fd, 0, 100);
	give(fd, 100);
	peer_do(&peer, "read 0 100");
	look("100 bytes were taken", set);
	peer_do(&peer, "end 0");
	look("the end", set);
	look("again", set);
	take(fd, 0, 100);
	look("it is read", set);
}

static void edge_again(void)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, IN | ET, 1);
	peer_do(&peer, "send 0 10");
	look("10 bytes", set);
	look("again", set);
	modify(set, fd, IN | ET, 2);
	look("MOD arms it", set);
	look("again", set);
	take(fd, 0, 4);
	modify(set, fd, IN | ET, 3);
	look("MOD, 6 left", set);
	modify(set, fd, IN | OUT | ET, 4);
	look("MOD, OUT as well", set);
	look("again", set);
	take(fd, 0, 10);
	modify(set, fd, IN | ET, 5);
	look("MOD, none left", set);
	modify(set, fd, OUT | ET, 6);
	look("MOD, OUT alone", set);
	look("again", set);
}

static void drained(void)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, IN | ET, 1);
	peer_do(&peer, "send 0 16384 16384 1 500 16384");
	look("5 records", set);
	take(fd, 0, 100000);
	look("again", set);
	take(fd, 0, 100000);
	peer_do(&peer, "send 0 30000");
	look("30000 bytes", set);
	take(fd, 0, 29999);
	look("1 left", set);
	take(fd, 0, 100000);
}

static void oneshot(void)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, IN | ONESHOT, 1);
	look("open", set);
	peer_do(&peer, "send 0 10");
	look("10 bytes", set);
	peer_do(&peer, "send 0 10");
	look("10 more", set);
	modify(set, fd, IN | ONESHOT, 2);
	look("armed", set);
	look("again", set);
	take(fd, 0, 1);
	modify(set, fd, IN | ONESHOT, 3);
	look("armed, 19 left", set);
	take(fd, 0, 100);
	modify(set, fd, IN | OUT | ONESHOT, 4);
	look("armed, OUT as well", set);
	modify(set, fd, IN | ONESHOT, 5);
	look("armed, none left", set);
	peer_do(&peer, "send 0 10");
	look("10 bytes", set);
	look("again", set);
	modify(set, fd, IN | ONESHOT | ET, 6);
	look("edge and one shot", set);
	peer_do(&peer, "send 0 10");
	look("used up", set);
	peer_do(&peer, "end 0");
	look("the end, used up", set);
	modify(set, fd, IN | ONESHOT, 7);
	look("armed", set);
}

/* ---- ends ---- */

static void rdhup(void)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, IN | RDHUP, 1);
	peer_do(&peer, "send 0 10");
	look("10 bytes", set);
	peer_do(&peer, "end 0");
	look("and the end", set);
	take(fd, 0, 4);
	look("6 left", set);
	take(fd, 0, 100);
	look("the end is left", set);
	take(fd, 0, 100);
	look("it is read", set);
	modify(set, fd, IN | OUT | RDHUP, 2);
	look("OUT as well", set);
	shutdown(fd, SHUT_WR);
	show("both ends", set, LONG);
}

/* Nothing comes, and that takes no work. */
static void show_asleep(const char *when, int set)
{
	clock_t before = clock();

	show(when, set, SHORT);
	if (clock() - before > SHORT * CLOCKS_PER_SEC / 1000 / 2)
		printf("it turned in circles\n");
}

static void rdhup_alone(void)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, RDHUP, 1);
	look("open", set);
	peer_do(&peer, "send 0 10");
	look("10 bytes", set);
	take(fd, 0, 4);
	show_asleep("6 left", set);
	peer_do(&peer, "end 0");
	look("the end", set);
	look("again", set);
	take(fd, 0, 100);
	look("10 read", set);
	take(fd, 0, 100);
	look("the end read", set);
}

static void reset(void)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, IN | OUT | RDHUP, 1);
	look("open", set);
	peer_do(&peer, "reset 0");
	look("reset", set);
	take(fd, 0, 100);
	look("it is read", set);
	take(fd, 0, 100);
	look("again", set);
}

static void reset_asked_nothing(void)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, 0, 1);
	look("open", set);
	peer_do(&peer, "reset 0");
	look("reset", set);
	tell_error(fd);
	look("told", set);
}

static void end_alone(void)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, IN, 1);
	look("open", set);
	peer_do(&peer, "end 0");
	look("the end", set);
	take(fd, 0, 100);
	look("it is read", set);
	modify(set, fd, IN | ET, 2);
	look("edge", set);
	look("again", set);
}

static void shut(void)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, IN | OUT | RDHUP, 1);
	shutdown(fd, SHUT_WR);
	look("SHUT_WR", set);
	shutdown(fd, SHUT_RD);
	look("SHUT_RD as well", set);
}

/* ---- writing ---- */

static size_t stuff(int fd)
{
	static char buf[1 << 16];
	static size_t sent;
	size_t before = sent;
	ssize_t n;

	do {
		pattern_fill(buf, sent, sizeof(buf));
		n = write(fd, buf, sizeof(buf));
		if (n > 0)
			sent += (size_t)n;
	} while (n > 0);
	if (errno != EAGAIN)
		peer_die("write");
	return sent - before;
}

static void pressure(uint32_t how)
{
	int set = new_set(), fd = open_connection();
	size_t sent;

	add(set, fd, OUT | how, 1);
	look("open", set);
	for (int i = 2; i < 5; i++) {
		sent = stuff(fd);
		look("full", set);
		if (how & ONESHOT)
			modify(set, fd, OUT | how, (uint64_t)i);
		look("full", set);
		peer_say(&peer, "read 0 %zu", sent);
		show("taken", set, LONG);
		peer_done(&peer);
	}
	look("again", set);
}

static void pressure_level(void)
{
	pressure(0);
}

static void pressure_edge(void)
{
	pressure(ET);
}

static void pressure_oneshot(void)
{
	pressure(ONESHOT);
}

/* A program that only reads must still have its output brought on its way. */
static void pressure_reader(uint32_t how)
{
	int set = new_set(), fd = open_connection();
	size_t sent = stuff(fd);

	add(set, fd, IN | how, 1);
	look("full", set);
	peer_say(&peer, "read 0 %zu", sent);
	show("only reading", set, 500);
	peer_done(&peer);
	peer_do(&peer, "send 0 10");
	look("10 bytes", set);
	take(fd, 0, 100);
}

static void pressure_reader_level(void)
{
	pressure_reader(0);
}

static void pressure_reader_edge(void)
{
	pressure_reader(ET);
}

static void pressure_reader_oneshot(void)
{
	pressure_reader(ONESHOT);
}

/* ---- nothing for the program ---- */

static void unseen(uint32_t how)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, IN | how, 1);
	peer_do(&peer, "ticket 0");
	show("a ticket", set, SHORT);
	peer_do(&peer, "rekey 0");
	show("a key update", set, SHORT);
	peer_do(&peer, "half 0 1000");
	show("half a record", set, SHORT);
	peer_do(&peer, "rest 0");
	look("the other half", set);
	take(fd, 0, 100);
	if (how & ONESHOT)
		modify(set, fd, IN | how, 2);
	peer_do(&peer, "ticket 0");
	look("900 left and a ticket", set);
	take(fd, 0, 1000);
	give(fd, 100);
	peer_do(&peer, "read 0 100");
	show("nothing", set, SHORT);
	if (how & ONESHOT)
		modify(set, fd, IN | how, 3);
	peer_do(&peer, "send 0 10");
	look("10 bytes", set);
}

static void unseen_level(void)
{
	unseen(0);
}

static void unseen_edge(void)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, IN | ET, 1);
	peer_do(&peer, "ticket 0");
	show("a ticket", set, SHORT);
	peer_do(&peer, "rekey 0");
	show("a key update", set, SHORT);
	peer_do(&peer, "half 0 1000");
	show("half a record", set, SHORT);
	peer_do(&peer, "rest 0");
	look("the other half", set);
	take(fd, 0, 1000);
	peer_do(&peer, "rekey 0");
	peer_do(&peer, "send 0 10");
	look("10 bytes", set);
}

static void unseen_oneshot(void)
{
	unseen(ONESHOT);
}

static const struct scenario scenarios[] = {SCENARIO(level), SCENARIO(edge),
	SCENARIO(edge_partial), SCENARIO(edge_partial_more),
	SCENARIO(edge_by_count), SCENARIO(edge_end), SCENARIO(edge_both),
	SCENARIO(edge_again), SCENARIO(drained), SCENARIO(oneshot),
	SCENARIO(rdhup), SCENARIO(rdhup_alone), SCENARIO(reset),
	SCENARIO(reset_asked_nothing), SCENARIO(end_alone), SCENARIO(shut),
	SCENARIO(pressure_level), SCENARIO(pressure_edge),
	SCENARIO(pressure_oneshot), SCENARIO(pressure_reader_level),
	SCENARIO(pressure_reader_edge), SCENARIO(pressure_reader_oneshot),
	SCENARIO(unseen_level), SCENARIO(unseen_edge),
	SCENARIO(unseen_oneshot)};

int main(int argc, char **argv)
{
	return run_scenario(argc, argv, scenarios,
		sizeof(scenarios) / sizeof(scenarios[0]));
}
