/* SPDX-License-Identifier: MIT */
/*
 * What is told of an epoll set that is itself polled, or stands in another:
 * it is readable when one of its connections has something for the program,
 * and not for what only the TLS below it knows.
 * How to run it: loops.h.
 */
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/wait.h>
#include "loops.h"

/* ---- how a set is looked at ---- */

static int by_poll(int set, int timeout)
{
	struct pollfd p = {.fd = set, .events = POLLIN};

	return poll(&p, 1, timeout);
}

static int by_select(int set, int timeout)
{
	struct timeval wait = {timeout / 1000, timeout % 1000 * 1000};
	fd_set readable;

	FD_ZERO(&readable);
	FD_SET(set, &readable);
	return select(set + 1, &readable, NULL, NULL, &wait);
}

/* A set with this one in it, or with a set with this one in it. */
static int outer_set = -1;

static int by_outer(int set, int timeout)
{
	struct epoll_event event;

	if (outer_set < 0) {
		outer_set = new_set();
		add(outer_set, set, IN, 8);
	}
	return epoll_wait(outer_set, &event, 1, timeout);
}

static int by_outermost(int set, int timeout)
{
	if (outer_set < 0) {
		int between = new_set();

		outer_set = new_set();
		add(between, set, IN, 7);
		add(outer_set, between, IN, 8);
	}
	return by_outer(set, timeout);
}

typedef int (*looks)(int set, int timeout);

static void ask(const char *when, looks looks, int set, int timeout)
{
	printf("%s: %d\n", when, looks(set, timeout));
}

/* ---- nothing for the program ---- */

static void unseen(looks looks, uint32_t how)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, IN | how, 1);
	ask("open", looks, set, 0);
	peer_do(&peer, "ticket 0");
	ask("a ticket", looks, set, SHORT);
	peer_do(&peer, "rekey 0");
	ask("a key update", looks, set, SHORT);
	peer_do(&peer, "half 0 1000");
	ask("half a record", looks, set, SHORT);
	look("half a record", set);
	peer_do(&peer, "rest 0");
	ask("the other half", looks, set, LONG);
	ask("the other half", looks, set, 0);
	look("the other half", set);
	take(fd, 0, 1000);
	peer_do(&peer, "ticket 0");
	ask("none left, a ticket", looks, set, SHORT);
	if (how & ONESHOT)
		modify(set, fd, IN | how, 2);
	peer_do(&peer, "ticket 0");
	ask("a ticket", looks, set, SHORT);
	peer_do(&peer, "send 0 10");
	ask("10 bytes", looks, set, LONG);
	take(fd, 0, 100);
	ask("none left", looks, set, 0);
	look("none left", set);
	if (how & ONESHOT)
		modify(set, fd, IN | how, 3);
	peer_do(&peer, "end 0");
	ask("the end", looks, set, LONG);
	look("the end", set);
}

static void polled_level(void)
{
	unseen(by_poll, 0);
}

static void polled_edge(void)
{
	unseen(by_poll, ET);
}

static void polled_oneshot(void)
{
	unseen(by_poll, ONESHOT);
}

static void selected_level(void)
{
	unseen(by_select, 0);
}

static void selected_edge(void)
{
	unseen(by_select, ET);
}

static void nested_level(void)
{
	unseen(by_outer, 0);
}

static void nested_edge(void)
{
	unseen(by_outer, ET);
}

static void nested_oneshot(void)
{
	unseen(by_outer, ONESHOT);
}

static void nested_twice_level(void)
{
	unseen(by_outermost, 0);
}

static void nested_twice_edge(void)
{
	unseen(by_outermost, ET);
}

/* ---- edges ---- */

/* A look at the set uses up no edge of its connections... */
static void edges_are_kept(void)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, IN | OUT | RDHUP | ET, 1);
	ask("open", by_poll, set, 0);
	ask("open", by_poll, set, 0);
	look("open", set);
	ask("told", by_poll, set, SHORT);
	peer_do(&peer, "ticket 0");
	ask("a ticket", by_poll, set, SHORT);
	peer_do(&peer, "send 0 10");
	ask("10 bytes", by_poll, set, LONG);
	ask("10 bytes", by_select, set, LONG);
	look("10 bytes", set);
	ask("told", by_poll, set, SHORT);
	take(fd, 0, 4);
	ask("6 left", by_poll, set, SHORT);
	peer_do(&peer, "send 0 10");
	ask("10 more", by_poll, set, LONG);
	modify(set, fd, IN | OUT | ET | ONESHOT, 2);
	ask("one shot", by_poll, set, LONG);
	look("one shot", set);
	ask("told", by_poll, set, SHORT);
	take(fd, 0, 100);
	modify(set, fd, OUT | ET | ONESHOT, 3);
	ask("OUT", by_poll, set, LONG);
	look("OUT", set);
	look("OUT", set);
}

/* ...nor of the program's own descriptors in it. */
static void edges_of_others(void)
{
	int set = new_set(), fd = open_connection(), counter = eventfd(1, 0);

	add(set, fd, IN, 1);
	add(set, counter, IN | ET, 9);
	peer_do(&peer, "ticket 0");
	ask("an eventfd", by_outer, set, LONG);
	ask("an eventfd", by_poll, set, LONG);
	look("an eventfd", set);
	look("told", set);
	ask("told", by_outer, set, SHORT);
	peer_do(&peer, "ticket 0");
	ask("a ticket", by_outer, set, SHORT);
	peer_do(&peer, "send 0 10");
	ask("10 bytes", by_outer, set, LONG);
	look("10 bytes", set);
}

/* The inner set is edge-triggered in the outer: counted. */
static void edge_of_the_set(void)
{
	int set = new_set(), fd = open_connection();

	outer_set = new_set();
	add(outer_set, set, IN | ET, 8);
	add(set, fd, IN, 1);
	ask("open", by_outer, set, SHORT);
	peer_do(&peer, "ticket 0");
	ask("a ticket", by_outer, set, SHORT);
	peer_do(&peer, "send 0 10");
	ask("10 bytes", by_outer, set, LONG);
	ask("told", by_outer, set, SHORT);
	take(fd, 0, 100);
	look("none left", set);
	peer_do(&peer, "send 0 10");
	ask("10 bytes", by_outer, set, LONG);
	ask("told", by_outer, set, SHORT);
	look("10 bytes", set);
}

/* ---- changes while the set is looked at ---- */

static void changes(void)
{
	int set = new_set(), one = open_connection(), two = open_connection();
	int twin = dup(two);

	add(set, one, IN, 1);
	ask("one", by_poll, set, 0);
	add(set, two, IN | OUT, 2);
	add(set, twin, IN, 3);
	ask("two may write", by_poll, set, LONG);
	look("two may write", set);
	modify(set, two, IN, 2);
	ask("nobody", by_poll, set, SHORT);
	peer_do(&peer, "send 1 10");
	ask("10 bytes", by_poll, set, LONG);
	look("10 bytes", set);
	tell_result("DEL", control(set, EPOLL_CTL_DEL, two, 0, 0));
	look("by the twin", set);
	close(twin);
	ask("closed", by_poll, set, SHORT);
	add(set, two, IN, 4);
	ask("added", by_poll, set, LONG);
	take(two, 1, 100);
	ask("none left", by_poll, set, SHORT);
	close(two);
	peer_do(&peer, "send 0 10");
	ask("10 bytes", by_poll, set, LONG);
	look("10 bytes", set);
	close(one);
	ask("closed", by_poll, set, SHORT);
	look("closed", set);
}

/* Bytes are none of its business. */
static void rdhup_alone(void)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, RDHUP, 1);
	ask("open", by_poll, set, 0);
	peer_do(&peer, "send 0 10");
	ask("10 bytes", by_poll, set, SHORT);
	take(fd, 0, 4);
	ask("6 left", by_poll, set, SHORT);
	look("6 left", set);
	peer_do(&peer, "end 0");
	ask("the end", by_poll, set, LONG);
	look("the end", set);
	take(fd, 0, 100);
	modify(set, fd, RDHUP | ET, 2);
	ask("edge", by_poll, set, LONG);
	look("edge", set);
	ask("told", by_poll, set, SHORT);
}

/* Looked at from the start: by its set alone is the connection made. */
static void connecting(void)
{
	int set = new_set(), fd = new_socket();

	dial(fd);
	add(set, fd, OUT, 1);
	peer_say(&peer, "accept");
	ask("connected", by_poll, set, LONG);
	look("connected", set);
	peer_done(&peer);
	modify(set, fd, IN, 2);
	ask("nothing", by_poll, set, SHORT);
	peer_do(&peer, "send 0 10");
	ask("10 bytes", by_outer, set, LONG);
	take(fd, 0, 100);
}

static void forked(void)
{
	int set = new_set(), fd = open_connection(), there = 0;
	pid_t child;

	add(set, fd, IN, 1);
	ask("open", by_outer, set, 0);
	fflush(stdout);
	child = fork();
	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	ask("forked", by_outer, set, SHORT);
	peer_do(&peer, "send 0 10");
	for (int i = 0; i < LONG && there < 10; i++) {
		poll(NULL, 0, 1);
		ioctl(fd, FIONREAD, &there);
	}
	ask("10 bytes", by_outer, set, LONG);
	look("10 bytes", set);
	take(fd, 0, 100);
	ask("none left", by_outer, set, SHORT);
	/* Another connection, and it is ours alone. */
	fd = open_connection();
	add(set, fd, IN, 2);
	peer_do(&peer, "ticket 1");
	ask("a ticket", by_outer, set, SHORT);
	peer_do(&peer, "send 1 10");
	ask("10 bytes", by_outer, set, LONG);
	look("10 bytes", set);
}

static void set_closed(void)
{
	int set = new_set(), twin, fd = open_connection();

	add(set, fd, IN, 1);
	ask("open", by_outer, set, 0);
	twin = dup(set);
	close(set);
	peer_do(&peer, "send 0 10");
	ask("by its copy", by_outer, twin, LONG);
	look("by its copy", twin);
	ask("by its copy", by_poll, twin, LONG);
	close(twin);
	ask("closed", by_outer, -1, SHORT);
	set = new_set();
	add(set, fd, IN, 2);
	look("another set", set);
	ask("not in it", by_outer, -1, SHORT);
}

/* More is ready than one look takes. */
static void crowd(void)
{
	enum { CROWD = 40 };
	int set = new_set(), fds[CROWD];

	for (int i = 0; i < CROWD; i++) {
		fds[i] = open_connection();
		add(set, fds[i], IN | (i % 2 ? ET : 0), (uint64_t)i);
	}
	ask("open", by_poll, set, 0);
	for (int i = 0; i < CROWD; i++)
		peer_do(&peer, "ticket %d", i);
	ask("tickets", by_poll, set, SHORT);
	for (int i = 0; i < CROWD; i++)
		peer_do(&peer, "send %d 10", i);
	ask("10 bytes each", by_poll, set, LONG);
	look("10 bytes each", set);
	for (int i = 0; i < CROWD; i++)
		take(fds[i], i, 100);
	ask("none left", by_poll, set, SHORT);
}

/* ---- who looks sleeps before there is a connection ---- */

static atomic_int sleeping;
static looks sleeper_looks;

static void *sleeper(void *arg)
{
	sleeping = gettid();
	ask("the sleeper", sleeper_looks, *(int *)arg, -1);
	return NULL;
}

static int forever_by_select(int set, int timeout)
{
	fd_set readable;

	(void)timeout;
	FD_ZERO(&readable);
	FD_SET(set, &readable);
	return select(set + 1, &readable, NULL, NULL, NULL);
}

/* It may write: the kernel is not asked about that in an ordinary set. */
static void strange(looks looks)
{
	int set = new_set(), fd;
	pthread_t thread;

	sleeper_looks = looks;
	pthread_create(&thread, NULL, sleeper, &set);
	await_sleep(&sleeping);
	fd = open_connection();
	add(set, fd, OUT, 1);
	pthread_join(thread, NULL);
	look("OUT", set);
}

static void strange_poll(void)
{
	strange(by_poll);
}

static void strange_select(void)
{
	strange(forever_by_select);
}

static void strange_nested(void)
{
	strange(by_outer);
}

static void strange_nested_twice(void)
{
	strange(by_outermost);
}

/* The bytes were decrypted by another thread's read. */
static void strange_leftovers(void)
{
	int set = new_set(), fd;
	pthread_t thread;

	sleeper_looks = by_poll;
	pthread_create(&thread, NULL, sleeper, &set);
	await_sleep(&sleeping);
	fd = open_connection();
	peer_do(&peer, "send 0 10");
	take(fd, 0, 4);
	add(set, fd, IN, 1);
	pthread_join(thread, NULL);
	look("6 left", set);
}

/* Half a record wakes no sleeper, and the rest of it does. */
static void strange_half(void)
{
	int set = new_set(), fd;
	pthread_t thread;

	sleeper_looks = by_poll;
	pthread_create(&thread, NULL, sleeper, &set);
	await_sleep(&sleeping);
	fd = open_connection();
	add(set, fd, IN, 1);
	peer_do(&peer, "half 0 100");
	await_sleep(&sleeping);
	printf("half a record\n");
	peer_do(&peer, "rest 0");
	pthread_join(thread, NULL);
	look("100 bytes", set);
}

/* ---- what only the shim knows ---- */

static void timed_out(void)
{
	int set = new_set(), fd = new_socket();

	peer_do(&peer, "hold");
	add(set, fd, IN | OUT, 1);
	dial(fd);
	peer_do(&peer, "accept");
	ask("too late", by_poll, set, LONG);
	look("too late", set);
	tell_error(fd);
}

static void timed_out_nested(void)
{
	int set = new_set(), fd = new_socket();

	peer_do(&peer, "hold");
	dial(fd);
	add(set, fd, IN | OUT, 1);
	peer_do(&peer, "accept");
	ask("too late", by_outermost, set, LONG);
	look("too late", set);
	tell_error(fd);
}

static const struct scenario scenarios[] = {SCENARIO(polled_level),
	SCENARIO(polled_edge), SCENARIO(polled_oneshot),
	SCENARIO(selected_level), SCENARIO(selected_edge),
	SCENARIO(nested_level), SCENARIO(nested_edge), SCENARIO(nested_oneshot),
	SCENARIO(nested_twice_level), SCENARIO(nested_twice_edge),
	SCENARIO(edges_are_kept), SCENARIO(edges_of_others),
	SCENARIO(edge_of_the_set), SCENARIO(changes), SCENARIO(rdhup_alone),
	SCENARIO(connecting), SCENARIO(forked), SCENARIO(set_closed),
	SCENARIO(crowd), SCENARIO(strange_poll), SCENARIO(strange_select),
	SCENARIO(strange_nested), SCENARIO(strange_nested_twice),
	SCENARIO(strange_leftovers), SCENARIO(strange_half),
	SCENARIO(timed_out), SCENARIO(timed_out_nested)};

int main(int argc, char **argv)
{
	return run_scenario(argc, argv, scenarios,
		sizeof(scenarios) / sizeof(scenarios[0]));
}
