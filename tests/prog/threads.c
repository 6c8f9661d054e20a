/* SPDX-License-Identifier: MIT */
/* Several threads: on one connection, and with one each. */
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include "oracle.h"

#define MUCH 50000000
#define THREADS 32

static int the_fd;
static char out_buf[MUCH / 10];

static void *write_much(void *unused)
{
	(void)unused;
	for (size_t at = 0; at < MUCH; at += sizeof(out_buf)) {
		fill_pattern(out_buf, at, sizeof(out_buf));
		write_all(the_fd, out_buf, sizeof(out_buf));
	}
	return NULL;
}

static void *read_much(void *unused)
{
	char *buf = malloc(1000000);
	bool right = true;

	(void)unused;
	for (size_t at = 0; at < MUCH;) {
		ssize_t r = read(the_fd, buf, 1000000);

		if (r <= 0)
			give_up("read");
		right = right && is_pattern(buf, at, (size_t)r);
		at += (size_t)r;
	}
	say("right = %d\n", right);
	free(buf);
	return NULL;
}

static void both_ways(void)
{
	pthread_t reader, writer;

	the_fd = dial();
	peer("&full_duplex %d", MUCH);
	pthread_create(&reader, NULL, read_much, NULL);
	pthread_create(&writer, NULL, write_much, NULL);
	pthread_join(reader, NULL);
	pthread_join(writer, NULL);
	peer("nothing");
	say("all = %s\n", peer("so_far"));
	close(the_fd);
}

static void *one_of_many(void *arg)
{
	int number = (int)(long)arg;
	char text[100], got[100];

	for (int round = 0; round < 3; round++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		size_t n = (size_t)snprintf(text, sizeof(text),
			"thread %d round %d\n", number, round);

		if (try_connect(fd) < 0)
			give_up("connect");
		write_all(fd, text, n);
		if (poll(&(struct pollfd){fd, POLLIN, 0}, 1, -1) != 1)
			give_up("poll");
		read_all(fd, got, n);
		if (memcmp(got, text, n) != 0)
			give_up("another thread's words");
		close(fd);
	}
	return NULL;
}

static void many(void)
{
	pthread_t threads[THREADS];

	peer("echoing");
	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, one_of_many, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	say("done = %d\n", THREADS);
}

/* All threads of a process on one connection: nothing is lost or doubled. */
static void *share(void *arg)
{
	char byte;
	size_t *got = arg;

	while (read(the_fd, &byte, 1) == 1)
		(*got)++;
	return NULL;
}

static void shared_reading(void)
{
	pthread_t threads[4];
	size_t got[4] = {0};

	the_fd = dial();
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, share, &got[i]);
	peer("pattern 20000/100");
	peer("finish");
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	say("all = %zu\n", got[0] + got[1] + got[2] + got[3]);
	close(the_fd);
}

static void *poller(void *arg)
{
	struct pollfd p = {the_fd, POLLIN, 0};

	*(int *)arg = poll(&p, 1, -1);
	return NULL;
}

/* All who wait learn of data, and of the end. */
static void all_wake(void)
{
	pthread_t threads[4];
	int r[4] = {0};
	char buf[10];

	the_fd = dial();
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, poller, &r[i]);
	usleep(20000);
	peer("send hello");
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	say("woken = %d\n", r[0] + r[1] + r[2] + r[3]);
	show_bytes("read", read(the_fd, buf, 10), buf);
	close(the_fd);
}

static void *dial_the_fd(void *done)
{
	int r = try_connect(the_fd);

	show("connect", r);
	*(atomic_bool *)done = true;
	return NULL;
}

/* One who looks at a socket before connect() has begun does it no harm. */
static void early_look(void)
{
	pthread_t dialler;
	atomic_bool done = false;
	char buf[10];

	the_fd = socket(AF_INET, SOCK_STREAM, 0);
	pthread_create(&dialler, NULL, dial_the_fd, &done);
	while (!done)
		poll(&(struct pollfd){the_fd, POLLIN | POLLOUT, 0}, 1, 1);
	pthread_join(dialler, NULL);
	peer("nothing");
	peer("send hello");
	show_bytes("read", read(the_fd, buf, 5), buf);
	close(the_fd);
}

static void *all_calls(void *arg)
{
	int fd = dial(), file = memfd_create("file", 0), p[2];
	struct pollfd wanted = {.fd = fd, .events = POLLIN};

	if (file < 0 || ftruncate(file, 100) < 0 || pipe(p) < 0)
		give_up("files");
	show("write", write(fd, "ping", 4));
	say("%s\n", peer("recv 4"));
	show("sendfile", sendfile(fd, file, &(off_t){0}, 100));
	say("%s\n", peer("skip 100"));
	show("write", write(p[1], "hello", 5));
	show("splice", splice(p[0], NULL, fd, NULL, 5, 0));
	say("%s\n", peer("recv 5"));
	peer("send hello");
	show("poll", poll(&wanted, 1, -1));
	show("splice", splice(fd, NULL, p[1], NULL, 2, 0));
	show("discard", recv(fd, NULL, 2, MSG_TRUNC));
	show("read", read(fd, (char[10]){0}, 10));
	close(fd);
	close(file);
	return arg;
}

/* 24 KiB, above what the oracle keeps for each thread. */
static void small_stack(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, (24 << 10) + PEER_TEXT);
	if (pthread_create(&thread, &attr, all_calls, NULL) != 0)
		give_up("pthread_create");
	pthread_join(thread, NULL);
}

SCENARIOS({"both-ways", both_ways}, {"many", many},
	{"shared-reading", shared_reading}, {"all-wake", all_wake},
	{"early-look", early_look}, {"small-stack", small_stack})
