/* SPDX-License-Identifier: MIT */
/*
 * What the scenarios of epoll_*.c are made of: plaintext clients of
 * tests/prog/tls_peer.c that print what every wait returned.
 *
 *	epoll_... SOCKET SCENARIO
 *
 * With the shim and a peer that speaks TLS it must be the same as without
 * both.
 */
#ifndef LOOPS_H
#define LOOPS_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include "pattern.h"
#include "peer.h"

#define IN ((uint32_t)EPOLLIN)
#define OUT ((uint32_t)EPOLLOUT)
#define ET ((uint32_t)EPOLLET)
#define ONESHOT ((uint32_t)EPOLLONESHOT)
#define RDHUP ((uint32_t)EPOLLRDHUP)
#define EXCLUSIVE ((uint32_t)EPOLLEXCLUSIVE)
#define LONG 20000 /* ms; what should come comes sooner */
#define SHORT 60   /* ms; what should not come would have come */

static struct peer peer;
static size_t received[64]; /* of each session */

static inline void set_port(struct sockaddr_in *addr, int port)
{
	*addr = (struct sockaddr_in){.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port)};
}

static inline int new_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	return fd < 0 ? peer_die("socket") : fd;
}

static inline void dial(int fd)
{
	struct sockaddr_in addr;

	set_port(&addr, peer.port);
	if (connect(fd, (void *)&addr, sizeof(addr)) == 0 ||
		errno != EINPROGRESS)
		peer_die("connect");
}

/* The next session is accepted and open at both ends. */
static inline void finish(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	peer_say(&peer, "accept");
	if (poll(&p, 1, LONG) != 1 || p.revents != POLLOUT)
		peer_die("not connected");
	peer_done(&peer);
	peer.sessions++;
}

static inline int open_connection(void)
{
	int fd = new_socket();

	dial(fd);
	finish(fd);
	return fd;
}

static inline int new_set(void)
{
	int set = epoll_create1(EPOLL_CLOEXEC);

	return set < 0 ? peer_die("epoll_create1") : set;
}

static inline int control(
	int set, int op, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = {.events = events, .data.u64 = data};

	return epoll_ctl(set, op, fd, &event) < 0 ? errno : 0;
}

static inline void add(int set, int fd, uint32_t events, uint64_t data)
{
	if ((errno = control(set, EPOLL_CTL_ADD, fd, events, data)))
		peer_die("EPOLL_CTL_ADD");
}

static inline void modify(int set, int fd, uint32_t events, uint64_t data)
{
	if ((errno = control(set, EPOLL_CTL_MOD, fd, events, data)))
		peer_die("EPOLL_CTL_MOD");
}

static inline const char *names_of(uint32_t events)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} all[] = {{IN, "IN"}, {OUT, "OUT"}, {RDHUP, "RDHUP"},
		{EPOLLERR, "ERR"}, {EPOLLHUP, "HUP"}, {EPOLLPRI, "PRI"},
		{EPOLLRDNORM, "RDNORM"}, {EPOLLWRNORM, "WRNORM"}};
	static char text[128];

	*text = '\0';
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (events & all[i].bit)
			snprintf(text + strlen(text),
				sizeof(text) - strlen(text), "%s%s",
				*text ? "|" : "", all[i].name);
	return text;
}

static inline int by_data(const void *a, const void *b)
{
	const struct epoll_event *x = a, *y = b;

	return x->data.u64 < y->data.u64 ? -1 : x->data.u64 > y->data.u64;
}

/* One epoll_wait(), told in a line; returns how many there were. */
static inline int show(const char *when, int set, int timeout)
{
	struct epoll_event events[64];
	int n = epoll_wait(set, events, 64, timeout);

	printf("%s:", when);
	if (n < 0)
		printf(" %s", strerrorname_np(errno));
	if (n == 0)
		printf(" nothing");
	if (n > 0)
		qsort(events, (size_t)n, sizeof(events[0]), by_data);
	for (int i = 0; i < n; i++)
		printf(" %lu=%s", (unsigned long)events[i].data.u64,
			names_of(events[i].events));
	putchar('\n');
	return n;
}

/* What is ready by now (everything sent has arrived). */
static inline int look(const char *when, int set)
{
	return show(when, set, 0);
}

/* Reads once, and checks what it is. */
static inline ssize_t read_some(int fd, int session, size_t len)
{
	static char buf[1 << 20];
	ssize_t n = read(fd, buf, len < sizeof(buf) ? len : sizeof(buf));

	if (n > 0 && !pattern_check(buf, received[session], (size_t)n))
		printf("other bytes\n");
	if (n > 0)
		received[session] += (size_t)n;
	return n;
}

/* The same, and says how much came. */
static inline ssize_t take(int fd, int session, size_t len)
{
	ssize_t n = read_some(fd, session, len);

	if (n < 0)
		printf("read: %s\n", strerrorname_np(errno));
	else
		printf("read: %zd\n", n);
	return n;
}

static inline void give(int fd, size_t len)
{
	static size_t sent;
	char buf[1024];

	pattern_fill(buf, sent, len);
	if (write(fd, buf, len) != (ssize_t)len)
		peer_die("write");
	sent += len;
}

static inline void tell_error(int fd)
{
	int error = -1;
	socklen_t len = sizeof(error);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	printf("SO_ERROR: %s\n", error ? strerrorname_np(error) : "0");
}

static inline void tell_result(const char *what, int error)
{
	printf("%s: %s\n", what, error ? strerrorname_np(error) : "0");
}

/* Until the thread, whose number will stand there, sleeps. */
static inline void await_sleep(const atomic_int *thread)
{
	char name[64], state = 0;

	for (int i = 0; i < LONG && state != 'S'; i++) {
		FILE *file;

		poll(NULL, 0, 1);
		snprintf(
			name, sizeof(name), "/proc/self/task/%d/stat", *thread);
		file = *thread ? fopen(name, "r") : NULL;
		if (!file)
			continue;
		if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
			state = 0;
		fclose(file);
	}
}

struct scenario {
	const char *name;
	void (*run)(void);
};
#define SCENARIO(name)                                                         \
	{                                                                      \
#name, name                                                    \
	}

static inline int run_scenario(
	int argc, char **argv, const struct scenario *all, size_t n)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc != 3)
		return 2;
	peer_open(&peer, argv[1]);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(argv[2], all[i].name)) {
			all[i].run();
			return 0;
		}
	fprintf(stderr, "%s: no scenario is called %s\n", argv[0], argv[2]);
	return 2;
}

#endif
