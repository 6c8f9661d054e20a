/* SPDX-License-Identifier: MIT */
/*
 * What the oracle's programs share: a connection to a peer that the program
 * itself tells what to do (tests/lib/peer.py), and printing what calls
 * returned.  A program is a table of scenarios; argv[1] says which.  It prints
 * only what must be equal on plain TCP and on TLS.
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

static int oracle_control = -1;
static UNUSED int oracle_port;
static pthread_mutex_t oracle_lock = PTHREAD_MUTEX_INITIALIZER;

static UNUSED _Noreturn void give_up(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	fflush(stdout);
	abort();
}

/* ---- the peer ---- */

static void oracle_line(char *answer, size_t size)
{
	size_t n = 0;

	while (n + 1 < size) {
		ssize_t r = read(oracle_control, answer + n, 1);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0 || answer[n++] == '\n')
			break;
	}
	if (n == 0 || answer[n - 1] != '\n')
		give_up("the peer is gone");
	answer[n - 1] = 0;
}

/* Of each thread. */
#define PEER_TEXT 70000

/* Tells the peer what to do, and waits until that is done (unless it begins
 * with &).  The answer is valid until the next call in this thread. */
static UNUSED const char *peer(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
static const char *peer(const char *format, ...)
{
	static __thread char text[PEER_TEXT];
	va_list ap;
	int n, saved_errno = errno;

	va_start(ap, format);
	n = vsnprintf(text, sizeof(text) - 1, format, ap);
	va_end(ap);
	text[n++] = '\n';
	pthread_mutex_lock(&oracle_lock);
	if (write(oracle_control, text, (size_t)n) != n)
		give_up("telling the peer");
	oracle_line(text, sizeof(text));
	pthread_mutex_unlock(&oracle_lock);
	if (text[0] == '!')
		give_up(text);
	errno = saved_errno;
	return text;
}

static void oracle_begin(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const char *session = getenv("ORACLE_SESSION");
	char line[128];

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s",
		getenv("ORACLE_PEER"));
	oracle_control = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(oracle_control, (struct sockaddr *)&addr, sizeof(addr)))
		give_up("ORACLE_PEER");
	snprintf(line, sizeof(line), "%s\n", session);
	if (write(oracle_control, line, strlen(line)) < 0)
		give_up("ORACLE_SESSION");
	oracle_line(line, sizeof(line));
	oracle_port = atoi(line);
}

static UNUSED struct sockaddr_in peer_addr(void)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((in_port_t)oracle_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static UNUSED int try_connect(int fd)
{
	struct sockaddr_in addr = peer_addr();

	return connect(fd, (struct sockaddr *)&addr, sizeof(addr));
}

/* An open connection. */
static UNUSED int dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || try_connect(fd) < 0)
		give_up("connect");
	peer("nothing"); /* it is accepted */
	return fd;
}

static UNUSED void set_nonblocking(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK))
		give_up("F_SETFL");
}

/* ---- what calls returned ---- */

static UNUSED const char *errno_name(int err)
{
	return err ? strerrorname_np(err) : "0";
}

/* "what = 5" or "what = -1 EAGAIN"; returns the value. */
static UNUSED long show(const char *what, long value)
{
	if (value == -1)
		printf("%s = -1 %s\n", what, errno_name(errno));
	else
		printf("%s = %ld\n", what, value);
	fflush(stdout);
	return value;
}

/* The same, with the bytes. */
static UNUSED long show_bytes(const char *what, long value, const char *bytes)
{
	if (value > 0)
		printf("%s = %ld '%.*s'\n", what, value, (int)value, bytes);
	else
		show(what, value);
	fflush(stdout);
	return value;
}

static UNUSED void say(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	fflush(stdout);
}

static UNUSED void put_event(short *events, short bit, const char *name)
{
	if (*events & bit)
		printf(" %s", name);
	*events &= (short)~bit;
}

static UNUSED void say_events(short events)
{
	put_event(&events, POLLIN, "IN");
	put_event(&events, POLLPRI, "PRI");
	put_event(&events, POLLOUT, "OUT");
	put_event(&events, POLLERR, "ERR");
	put_event(&events, POLLHUP, "HUP");
	put_event(&events, POLLNVAL, "NVAL");
	put_event(&events, POLLRDNORM, "RDNORM");
	put_event(&events, POLLRDBAND, "RDBAND");
	put_event(&events, POLLWRNORM, "WRNORM");
	put_event(&events, POLLWRBAND, "WRBAND");
	put_event(&events, POLLRDHUP, "RDHUP");
	if (events)
		printf(" 0x%x", events);
	printf("\n");
	fflush(stdout);
}

#define ALL_EVENTS                                                             \
	(POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLRDBAND | POLLWRNORM |   \
		POLLWRBAND | POLLRDHUP)

/* poll() of one descriptor: "what = 1: IN OUT". */
static UNUSED int show_poll(const char *what, int fd, short events, int timeout)
{
	struct pollfd p = {.fd = fd, .events = events, .revents = 0x40};
	int r = poll(&p, 1, timeout);

	printf("%s = %d:", what, r);
	say_events(p.revents);
	return r;
}

static UNUSED int show_error(const char *what, int fd)
{
	int error = -1;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return (int)show(what, -1);
	say("%s = %s\n", what, errno_name(error));
	return error;
}

/* ---- the pattern of tlsserver.py ---- */

static UNUSED void fill_pattern(char *buf, size_t start, size_t len)
{
	char line[32];

	for (size_t i = 0; i < len; i++) {
		size_t at = start + i;

		if (i == 0 || at % 16 == 0)
			snprintf(line, sizeof(line), "%015zu\n", at / 16);
		buf[i] = line[at % 16];
	}
}

static UNUSED bool is_pattern(const char *buf, size_t start, size_t len)
{
	char *want = malloc(len + 1);
	bool same;

	fill_pattern(want, start, len);
	same = memcmp(buf, want, len) == 0;
	free(want);
	return same;
}

/* Reads until n bytes came, blocking; dies if they do not. */
static UNUSED void read_all(int fd, char *buf, size_t n)
{
	for (size_t got = 0; got < n;) {
		ssize_t r = read(fd, buf + got, n - got);

		if (r <= 0)
			give_up("read_all");
		got += (size_t)r;
	}
}

static UNUSED void write_all(int fd, const char *buf, size_t n)
{
	for (size_t sent = 0; sent < n;) {
		ssize_t r = write(fd, buf + sent, n - sent);

		if (r <= 0)
			give_up("write_all");
		sent += (size_t)r;
	}
}

static UNUSED double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- the table ---- */

struct scenario {
	const char *name;
	void (*run)(void);
};

static int oracle_main(const struct scenario *all, int argc, char **argv)
{
	if (argc != 2)
		return 2;
	for (; all->name; all++) {
		if (strcmp(all->name, argv[1]) != 0)
			continue;
		oracle_begin();
		all->run();
		return 0;
	}
	fprintf(stderr, "no scenario %s\n", argv[1]);
	return 2;
}

#define SCENARIOS(...)                                                         \
	int main(int argc, char **argv)                                        \
	{                                                                      \
		static const struct scenario all[] = {__VA_ARGS__, {0}};       \
                                                                               \
		return oracle_main(all, argc, argv);                           \
	}

#endif
