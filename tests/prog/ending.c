/* SPDX-License-Identifier: MIT */
/* How connections end: by halves, by resets, cut off, with the process. */
#include "oracle.h"

#define MUCH 3000000

static char buf[MUCH];

static void half_close(void)
{
	int fd = dial();

	show("write", write(fd, "request", 7));
	show("shutdown", shutdown(fd, SHUT_WR));
	show_poll("poll", fd, ALL_EVENTS, 0);
	say("%s\n", peer("end"));
	peer("send answer");
	peer("finish");
	show_poll("poll", fd, ALL_EVENTS, 0);
	show_bytes("read", read(fd, buf, 20), buf);
	show("read", read(fd, buf, 20));
	show("read", read(fd, buf, 20));
	show_poll("poll", fd, ALL_EVENTS, 0);
	show("shutdown", shutdown(fd, SHUT_WR));
	show("shutdown", shutdown(fd, SHUT_RD));
	show("bad how", shutdown(fd, 3));
	show("close", close(fd));
	show("read", read(fd, buf, 20));
	show("shutdown", shutdown(fd, SHUT_WR));
}

static void peer_half_closes(void)
{
	int fd = dial();

	peer("send last");
	peer("finish");
	show_poll("poll", fd, ALL_EVENTS, 0);
	show_bytes("read", read(fd, buf, 20), buf);
	show_poll("poll", fd, ALL_EVENTS, 0);
	show("read", read(fd, buf, 20));
	show("read", recv(fd, buf, 20, MSG_DONTWAIT));
	show_poll("poll", fd, ALL_EVENTS, 0);
	show("write", write(fd, "still there", 11));
	say("%s\n", peer("recv 11"));
	show("write", write(fd, "!", 1));
	show("shutdown", shutdown(fd, SHUT_WR));
	show_poll("poll", fd, ALL_EVENTS, 0);
	say("%s\n", peer("end"));
	show_error("SO_ERROR", fd);
	close(fd);
}

static void shut_rd(void)
{
	int fd = dial();

	peer("send before");
	show("shutdown", shutdown(fd, SHUT_RD));
	show_poll("poll", fd, ALL_EVENTS, 0);
	show_bytes("read", read(fd, buf, 20), buf);
	show("read", read(fd, buf, 20));
	peer("send after");
	show_bytes("read", read(fd, buf, 20), buf);
	show("read", read(fd, buf, 20));
	show("write", write(fd, "still there", 11));
	say("%s\n", peer("recv 11"));
	close(fd);
}

static void *blocked_reader(void *arg)
{
	show("read", read(*(int *)arg, buf, 20));
	return NULL;
}

/* Until a thread of ours sleeps in the kernel. */
static void wait_until_blocked(void)
{
	struct timespec while_it_gets_there = {.tv_nsec = 20000000};

	nanosleep(&while_it_gets_there, NULL);
}

static void shut_rdwr_wakes(void)
{
	int fd = dial();
	pthread_t thread;

	pthread_create(&thread, NULL, blocked_reader, &fd);
	wait_until_blocked();
	shutdown(fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	say("%s\n", peer("end"));
	show_poll("poll", fd, ALL_EVENTS, 0);
	close(fd);
}

static void shut_rd_wakes(void)
{
	int fd = dial();
	pthread_t thread;

	pthread_create(&thread, NULL, blocked_reader, &fd);
	wait_until_blocked();
	shutdown(fd, SHUT_RD);
	pthread_join(thread, NULL);
	show("write", write(fd, "still there", 11));
	say("%s\n", peer("recv 11"));
	close(fd);
}

/* A close by another thread leaves the reader where it is: close(2). */
static void close_by_another(void)
{
	int fd = dial();
	pthread_t thread;

	pthread_create(&thread, NULL, blocked_reader, &fd);
	wait_until_blocked();
	show("close", close(fd));
	show("gone", fcntl(fd, F_GETFD));
	peer("send hello");
	pthread_join(thread, NULL);
	say("%s\n", peer("end"));
}

static void reset(void)
{
	int fd = dial();

	peer("reset");
	show_poll("poll", fd, ALL_EVENTS, -1);
	show("read", read(fd, buf, 20));
	show("read", read(fd, buf, 20));
	show_poll("poll", fd, ALL_EVENTS, 0);
	show_error("SO_ERROR", fd);
	close(fd);
	fd = dial();
	peer("reset");
	show_poll("poll", fd, 0, -1);
	show_error("SO_ERROR", fd);
	show_error("SO_ERROR", fd);
	show("read", read(fd, buf, 20));
	show("write", send(fd, buf, 20, MSG_NOSIGNAL));
	show("shutdown", shutdown(fd, SHUT_RDWR));
	close(fd);
}

static void reset_wakes(void)
{
	int fd = dial();
	pthread_t thread;

	pthread_create(&thread, NULL, blocked_reader, &fd);
	wait_until_blocked();
	peer("reset");
	pthread_join(thread, NULL);
	show("read", read(fd, buf, 20));
	close(fd);
}

/* FIN without close_notify. */
static void cut(void)
{
	int fd = dial();

	peer("send hello");
	peer("cut");
	show_bytes("read", read(fd, buf, 20), buf);
	show_poll("poll", fd, ALL_EVENTS, 0);
	show("read", read(fd, buf, 20));
	show("read", read(fd, buf, 20));
	show_poll("poll", fd, ALL_EVENTS, 0);
	show("write", send(fd, "x", 1, MSG_NOSIGNAL));
	close(fd);
	fd = dial();
	peer("part hello");
	peer("cut");
	show("read", read(fd, buf, 20));
	show("read", read(fd, buf, 20));
	close(fd);
}

static void linger_reset(void)
{
	int fd = dial();
	struct linger linger = {1, 0};

	show("linger",
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	show("close", close(fd));
	say("%s\n", peer("end"));
}

static void linger(void)
{
	int fd = dial();
	struct linger linger = {1, 5};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	show("write", write(fd, "hello", 5));
	show("close", close(fd));
	say("%s\n", peer("end"));
}

/* ---- with the process: what was accepted arrives, and a proper end ---- */

static int say_much(void)
{
	int fd = dial();
	size_t sent = 0;

	fill_pattern(buf, 0, MUCH);
	set_nonblocking(fd, true);
	peer("&skip %d", MUCH);
	while (sent < MUCH) {
		ssize_t r = write(fd, buf + sent, MUCH - sent);

		if (r > 0)
			sent += (size_t)r;
		else
			poll(&(struct pollfd){fd, POLLOUT, 0}, 1, -1);
	}
	show("said", (long)sent);
	return fd;
}

static void by_return(void)
{
	say_much();
}

static void by_exit(void)
{
	say_much();
	exit(0);
}

static void by__exit(void)
{
	say_much();
	_exit(0);
}

static void by__Exit(void)
{
	say_much();
	_Exit(0);
}

static void by_quick_exit(void)
{
	say_much();
	quick_exit(0);
}

static void *leaver(void *unused)
{
	(void)unused;
	say_much();
	exit(0);
}

static void by_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, leaver, NULL);
	pthread_join(thread, NULL);
}

static void by_close(void)
{
	close(say_much());
}

/* Nobody reads: closing does not wait for it, and loses nothing. */
static void close_unread(void)
{
	int fd = dial();
	size_t n = 200000;
	double start = now();

	fill_pattern(buf, 0, n);
	set_nonblocking(fd, true);
	show("write", write(fd, buf, n));
	show("close", close(fd));
	say("at once: %d\n", now() - start < 1);
	say("%s\n", peer("skip %zu", n));
	say("%s\n", peer("end"));
}

SCENARIOS({"half-close", half_close}, {"peer-half-closes", peer_half_closes},
	{"shut-rd", shut_rd}, {"shut-rdwr-wakes", shut_rdwr_wakes},
	{"shut-rd-wakes", shut_rd_wakes},
	{"close-by-another", close_by_another}, {"reset", reset},
	{"reset-wakes", reset_wakes}, {"cut", cut},
	{"linger-reset", linger_reset}, {"linger", linger},
	{"by-return", by_return}, {"by-exit", by_exit}, {"by-_exit", by__exit},
	{"by-_Exit", by__Exit}, {"by-quick-exit", by_quick_exit},
	{"by-thread", by_thread}, {"by-close", by_close},
	{"close-unread", close_unread})
