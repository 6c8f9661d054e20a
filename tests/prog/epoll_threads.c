/* SPDX-License-Identifier: MIT */
/*
 * What epoll tells: threads that wait for one set, and how often each
 * returns.
 * How to run it: loops.h.
 */
#include <pthread.h>
#include <stdatomic.h>
#include "loops.h"

/* ---- threads ---- */

static struct {
	int set, fd;
	uint32_t rearm;
	atomic_int returns, bytes;
	atomic_bool ends;
} shared;

static void *reader(void *arg)
{
	struct epoll_event event;
	char buf[4096];

	(void)arg;
	while (epoll_wait(shared.set, &event, 1, LONG) == 1) {
		ssize_t n;

		if (shared.ends)
			break;
		atomic_fetch_add(&shared.returns, 1);
		while ((n = read(shared.fd, buf, sizeof(buf))) > 0)
			atomic_fetch_add(&shared.bytes, (int)n);
		if (shared.rearm)
			control(shared.set, EPOLL_CTL_MOD, shared.fd,
				shared.rearm, 1);
	}
	return NULL;
}

static void wait_bytes(int bytes)
{
	for (int i = 0; i < LONG && shared.bytes < bytes; i++)
		usleep(1000);
	if (shared.bytes < bytes)
		printf("only %d of %d bytes\n", shared.bytes, bytes);
}

/* Any number of threads sleep; each message wakes exactly one. */
static void count_returns(int n_threads, uint32_t how)
{
	pthread_t threads[8];
	int pipes[2], bytes = 0;

	shared.set = new_set();
	shared.fd = open_connection();
	shared.rearm = how & ONESHOT ? IN | how : 0;
	add(shared.set, shared.fd, IN | how, 1);
	for (int i = 0; i < n_threads; i++)
		pthread_create(&threads[i], NULL, reader, NULL);
	usleep(20000);
	for (int i = 0; i < 20; i++) {
		int n = 1 + i * i * 13;

		if (i % 5 == 1)
			peer_do(&peer, "ticket 0");
		if (i % 5 == 2)
			peer_do(&peer, "rekey 0");
		peer_do(&peer, i % 3 == 2 ? "half 0 %d" : "send 0 %d", n);
		if (i % 3 == 2)
			peer_do(&peer, "rest 0");
		wait_bytes(bytes += n);
		usleep(3000);
	}
	printf("returns: %d, bytes: %d\n", shared.returns, shared.bytes);
	shared.ends = true;
	if (pipe(pipes) < 0 || write(pipes[1], "", 1) != 1)
		peer_die("pipe");
	add(shared.set, pipes[0], IN, 9);
	for (int i = 0; i < n_threads; i++)
		pthread_join(threads[i], NULL);
}

static void count_level(void)
{
	count_returns(1, 0);
}

static void count_edge(void)
{
	count_returns(1, ET);
}

static void count_oneshot(void)
{
	count_returns(1, ONESHOT);
}

static void threads_edge(void)
{
	count_returns(4, ET);
}

static void threads_oneshot(void)
{
	count_returns(4, ONESHOT);
}

static void threads_exclusive(void)
{
	count_returns(4, ET | EXCLUSIVE);
}

static void *sleeper(void *arg)
{
	show("the sleeper", *(int *)arg, LONG);
	return NULL;
}

/* A thread already sleeps in the set when the first connection is made. */
static void sleeping_already(void)
{
	int set = new_set(), fd;
	pthread_t thread;

	pthread_create(&thread, NULL, sleeper, &set);
	usleep(50000);
	fd = open_connection();
	add(set, fd, IN, 0x1234567890abcdef);
	peer_do(&peer, "ticket 0");
	usleep(20000);
	peer_do(&peer, "send 0 10");
	pthread_join(thread, NULL);
	take(fd, 0, 100);
}

/* It sleeps; another thread has decrypted what it is to be told. */
static void woken_for_leftovers(void)
{
	int set = new_set(), fd = open_connection();
	pthread_t thread;

	add(set, fd, IN | ONESHOT, 1);
	peer_do(&peer, "send 0 10");
	look("10 bytes", set);
	take(fd, 0, 4);
	pthread_create(&thread, NULL, sleeper, &set);
	usleep(50000);
	modify(set, fd, IN | ONESHOT, 2);
	pthread_join(thread, NULL);
	take(fd, 0, 100);
}

static const struct scenario scenarios[] = {SCENARIO(count_level),
	SCENARIO(count_edge), SCENARIO(count_oneshot), SCENARIO(threads_edge),
	SCENARIO(threads_oneshot), SCENARIO(threads_exclusive),
	SCENARIO(sleeping_already), SCENARIO(woken_for_leftovers)};

int main(int argc, char **argv)
{
	return run_scenario(argc, argv, scenarios,
		sizeof(scenarios) / sizeof(scenarios[0]));
}
