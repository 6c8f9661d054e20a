/* SPDX-License-Identifier: MIT */
/*
 * What epoll tells programs that change their mind: interest that is turned
 * on and off, registrations that are deleted and made again.
 * How to run it: loops.h.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include "loops.h"

static void leave(int set, int fd)
{
	if ((errno = control(set, EPOLL_CTL_DEL, fd, 0, 0)))
		peer_die("EPOLL_CTL_DEL");
}

/* Each message as redis-benchmark and wrk have it. */
static void each_message(void)
{
	int set = new_set(), fd = open_connection();

	for (uint64_t i = 1; i <= 5; i++) {
		add(set, fd, OUT, i);
		look("may write", set);
		look("may still write", set);
		give(fd, 100);
		leave(set, fd);
		add(set, fd, IN, 10 * i);
		look("nothing yet", set);
		peer_do(&peer, "read 0 100");
		peer_do(&peer, "send 0 10");
		look("the answer", set);
		take(fd, 0, 100);
		modify(set, fd, IN | OUT, 100 * i);
		look("both", set);
		modify(set, fd, IN, 100 * i);
		look("read alone", set);
		leave(set, fd);
	}
}

/* Bytes come while nobody asks for them. */
static void not_asked(void)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, IN, 1);
	look("open", set);
	modify(set, fd, 0, 2);
	peer_do(&peer, "send 0 10");
	look("nothing asked", set);
	look("nothing asked", set);
	modify(set, fd, OUT, 3);
	look("OUT alone", set);
	take(fd, 0, 4);
	look("OUT alone", set);
	modify(set, fd, IN, 4);
	look("6 left", set);
	modify(set, fd, 0, 5);
	look("nothing asked", set);
	peer_do(&peer, "send 0 10");
	look("nothing asked", set);
	modify(set, fd, IN | OUT, 6);
	look("16 left", set);
	take(fd, 0, 100);
	modify(set, fd, IN, 7);
	peer_do(&peer, "end 0");
	look("the end", set);
	modify(set, fd, 0, 8);
	look("nothing asked", set);
	modify(set, fd, RDHUP, 9);
	look("RDHUP", set);
}

static void deleted(void)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, IN, 1);
	look("open", set);
	leave(set, fd);
	tell_result("MOD", control(set, EPOLL_CTL_MOD, fd, IN, 0));
	tell_result("DEL", control(set, EPOLL_CTL_DEL, fd, IN, 0));
	peer_do(&peer, "send 0 10");
	look("deleted", set);
	look("deleted", set);
	add(set, fd, IN, 2);
	tell_result("ADD", control(set, EPOLL_CTL_ADD, fd, IN, 0));
	look("10 bytes", set);
	take(fd, 0, 4);
	leave(set, fd);
	look("deleted", set);
	add(set, fd, IN | ET, 3);
	look("6 left", set);
	look("told", set);
	leave(set, fd);
	add(set, fd, IN | ONESHOT, 4);
	look("6 left", set);
	look("told", set);
	leave(set, fd);
	add(set, fd, IN, 5);
	look("6 left", set);
	take(fd, 0, 100);
	leave(set, fd);
	add(set, fd, IN | EXCLUSIVE, 6);
	look("none left", set);
}

static void deleted_and_ended(void)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, IN, 1);
	look("open", set);
	leave(set, fd);
	peer_do(&peer, "reset 0");
	look("deleted", set);
	add(set, fd, 0, 2);
	look("reset", set);
	leave(set, fd);
	look("deleted", set);
	close(fd);
	look("closed", set);
}

static void deleted_and_closed(void)
{
	int set = new_set(), fd = open_connection(), next;

	add(set, fd, IN, 1);
	leave(set, fd);
	close(fd);
	next = open_connection();
	printf("same number: %d\n", next == fd);
	tell_result("MOD", control(set, EPOLL_CTL_MOD, next, IN, 0));
	peer_do(&peer, "send 1 10");
	look("another connection", set);
	add(set, next, IN, 2);
	look("added", set);
}

static void other_number(void)
{
	int set = new_set(), fd = open_connection(), twin = dup(fd);

	add(set, fd, IN, 1);
	leave(set, fd);
	add(set, twin, IN, 2);
	tell_result("DEL", control(set, EPOLL_CTL_DEL, fd, IN, 0));
	peer_do(&peer, "send 0 10");
	look("by the twin", set);
	add(set, fd, IN, 3);
	look("by both", set);
	leave(set, twin);
	look("by the first", set);
	leave(set, fd);
	look("deleted", set);
	add(set, fd, IN, 4);
	close(twin);
	look("by the first", set);
}

static void deleted_and_forked(void)
{
	int set = new_set(), fd = open_connection(), there = 0;
	pid_t child;

	add(set, fd, IN, 1);
	leave(set, fd);
	child = fork();
	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	peer_do(&peer, "send 0 10");
	for (int i = 0; i < LONG && there < 10; i++) {
		poll(NULL, 0, 1);
		ioctl(fd, FIONREAD, &there);
	}
	look("deleted", set);
	add(set, fd, IN, 2);
	look("10 bytes", set);
}

/* ---- who looks at the set itself ---- */

static void poll_set(const char *when, int set)
{
	struct pollfd p = {.fd = set, .events = POLLIN};

	printf("poll, %s: %d\n", when, poll(&p, 1, 0));
}

static void polled(void)
{
	int set = new_set(), fd = open_connection();

	add(set, fd, IN, 1);
	look("open", set);
	leave(set, fd);
	peer_do(&peer, "send 0 10");
	poll_set("deleted", set);
	add(set, fd, IN, 2);
	poll_set("10 bytes", set);
	modify(set, fd, 0, 3);
	poll_set("nothing asked", set);
	modify(set, fd, OUT, 4);
	poll_set("OUT", set);
	look("OUT", set);
	poll_set("OUT", set);
	leave(set, fd);
	poll_set("deleted", set);
}

static void polled_from_now(uint32_t now)
{
	int set = new_set(), outer = new_set(), fd = open_connection();

	add(set, fd, IN, 1);
	look("open", set);
	modify(set, fd, now, 2);
	add(outer, set, IN, 8);
	peer_do(&peer, "send 0 10");
	look("outer", outer);
	modify(set, fd, IN, 3);
	look("outer", outer);
}

static void polled_late(void)
{
	polled_from_now(0);
}

static void polled_late_out(void)
{
	polled_from_now(OUT);
}

/* ---- threads ---- */

static atomic_int waiting;

static void *sleeper(void *arg)
{
	waiting = gettid();
	show("the sleeper", *(int *)arg, -1);
	return NULL;
}

/* Until it sleeps. */
static pthread_t start_sleeper(int *set)
{
	pthread_t thread;

	waiting = 0;
	pthread_create(&thread, NULL, sleeper, set);
	await_sleep(&waiting);
	return thread;
}

static void told_to_sleeper(void)
{
	int set = new_set(), fd = open_connection();
	pthread_t thread;

	add(set, fd, IN, 1);
	look("open", set);
	thread = start_sleeper(&set);
	modify(set, fd, IN | OUT, 2);
	pthread_join(thread, NULL);
	leave(set, fd);
	thread = start_sleeper(&set);
	peer_do(&peer, "send 0 10");
	add(set, fd, IN, 3);
	pthread_join(thread, NULL);
	take(fd, 0, 4);
	modify(set, fd, 0, 4);
	thread = start_sleeper(&set);
	modify(set, fd, IN, 5);
	pthread_join(thread, NULL);
}

/* It sleeps in a set that gets its first connection. */
static void told_to_stranger(void)
{
	int set = new_set(), fd = open_connection();
	pthread_t thread = start_sleeper(&set);

	add(set, fd, OUT, 1);
	pthread_join(thread, NULL);
	leave(set, fd);
	look("deleted", set);
}

/* ---- time ---- */

/* A wait that is rounded to milliseconds never takes less than one. */
static void nanoseconds(void)
{
	int set = new_set(), fd = open_connection();
	const struct timespec wait = {.tv_nsec = 1000};
	int64_t least = INT64_MAX;

	add(set, fd, IN, 1);
	for (int i = 0; i < 1000 && least >= 1000000; i++) {
		struct timespec start, end;
		struct epoll_event event;
		int64_t took;

		clock_gettime(CLOCK_MONOTONIC, &start);
		if (epoll_pwait2(set, &event, 1, &wait, NULL) != 0)
			peer_die("epoll_pwait2");
		clock_gettime(CLOCK_MONOTONIC, &end);
		took = (end.tv_sec - start.tv_sec) * 1000000000LL +
		       end.tv_nsec - start.tv_nsec;
		least = took < least ? took : least;
	}
	printf("less than a millisecond: %d\n", least < 1000000);
}

static const struct scenario scenarios[] = {SCENARIO(each_message),
	SCENARIO(not_asked), SCENARIO(deleted), SCENARIO(deleted_and_ended),
	SCENARIO(deleted_and_closed), SCENARIO(other_number),
	SCENARIO(deleted_and_forked), SCENARIO(polled), SCENARIO(polled_late),
	SCENARIO(polled_late_out), SCENARIO(told_to_sleeper),
	SCENARIO(told_to_stranger), SCENARIO(nanoseconds)};

int main(int argc, char **argv)
{
	return run_scenario(argc, argv, scenarios,
		sizeof(scenarios) / sizeof(scenarios[0]));
}
