/* SPDX-License-Identifier: MIT */
/*
 * For test suites in which client and server live together and the server
 * speaks plaintext: a preload library behind the shim that sends the TLS
 * connections to a terminator (tests/prog/tls_terminator.c), which passes them
 * on to the server in plaintext.
 *
 * The terminator connects to the server first.  Where nobody listens, the
 * client's own connect() fails as it always did; where somebody does, the
 * client's socket is bound to the address that the server has seen, so that
 * both sides know each other by the right addresses.
 *
 * With DIVERT=all every connection is sent there, for a terminator that passes
 * on what it gets: the control, without the shim.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>
#include "divert.h"

#define NEXT(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

/* ---- whose peers are other than the kernel says ---- */

#define KNOWN_MAX 4096

static struct {
	uint64_t cookie;
	union divert_addr to;
} known[KNOWN_MAX];
static unsigned n_known;

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	NEXT(getsockopt)(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len);
	return cookie;
}

static void remember(int fd, const union divert_addr *to)
{
	unsigned i = __atomic_fetch_add(&n_known, 1, __ATOMIC_RELAXED);

	known[i % KNOWN_MAX].to = *to;
	known[i % KNOWN_MAX].cookie = cookie_of(fd);
}

int getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	socklen_t room = len ? *len : 0;
	int r = NEXT(getpeername)(fd, addr, len);
	uint64_t cookie = r == 0 ? cookie_of(fd) : 0;

	for (int i = 0; cookie && i < KNOWN_MAX; i++)
		if (known[i].cookie == cookie)
			memcpy(addr, &known[i].to, room < *len ? room : *len);
	return r;
}

/* ---- which ---- */

static char which[8]; /* DIVERT */

/* Once and early: nginx wipes its workers' environment. */
__attribute__((constructor)) static void read_environment(void)
{
	const char *value = getenv("DIVERT");

	if (value && strlen(value) < sizeof(which))
		strcpy(which, value);
}

/* The shim's own sockets have numbers out of the program's way (highfd.c).
 * What it is calling us for it does not hide from us. */
static bool is_of_shim(int fd)
{
	struct rlimit limit;

	return fd >= 768 || (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
				    (rlim_t)fd >= limit.rlim_cur / 2);
}

static bool is_stream(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return NEXT(getsockopt)(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_STREAM;
}

static bool is_to_divert(int fd, const struct sockaddr *addr, socklen_t len)
{
	if (!addr || !which[0] || len < sizeof(struct sockaddr_in) ||
		(addr->sa_family != AF_INET && addr->sa_family != AF_INET6))
		return false;
	if (addr->sa_family == AF_INET6 && len < sizeof(struct sockaddr_in6))
		return false;
	return is_stream(fd) && (!strcmp(which, "all") || is_of_shim(fd));
}

/* ---- the question ---- */

static int open_terminator(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + 1 +
			strlen(DIVERT_NAME);
	int fd = NEXT(socket)(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	memcpy(un.sun_path + 1, DIVERT_NAME, strlen(DIVERT_NAME));
	if (fd >= 0 && NEXT(connect)(fd, (struct sockaddr *)&un, len) == 0)
		return fd;
	NEXT(close)(fd);
	return -1;
}

/* What to keep open until the client has called, or -1. */
static int ask(
	const struct divert_question *question, struct divert_answer *answer)
{
	int fd;
	sigset_t all, kept;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &kept);
	fd = open_terminator();
	answer->error = EIO;
	if (fd >= 0 &&
		NEXT(send)(fd, question, sizeof(*question), MSG_NOSIGNAL) > 0)
		NEXT(recv)(fd, answer, sizeof(*answer), 0);
	if (answer->error) {
		NEXT(close)(fd);
		fd = -1;
	}
	pthread_sigmask(SIG_SETMASK, &kept, NULL);
	return fd;
}

static int divert(int fd, const union divert_addr *to, socklen_t len)
{
	struct divert_question question = {.to = *to, .len = len};
	struct divert_answer answer;
	socklen_t from_len = sizeof(question.from), int_len = sizeof(int);
	int was = 0, on = 1, asker, r, err;

	NEXT(getsockname)(fd, &question.from.any, &from_len);
	NEXT(getsockopt)(fd, SOL_SOCKET, SO_REUSEADDR, &was, &int_len);
	/* Two sockets of one address: both must say so. */
	NEXT(setsockopt)(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	asker = ask(&question, &answer);
	if (asker >= 0) {
		if (!question.from.in.sin_port)
			NEXT(bind)(fd, &answer.from.any, len);
		r = NEXT(connect)(fd, &answer.at.any, len);
		err = errno;
		remember(fd, to);
		NEXT(close)(asker);
	} else {
		r = NEXT(connect)(fd, &to->any, len);
		err = errno;
	}
	NEXT(setsockopt)(fd, SOL_SOCKET, SO_REUSEADDR, &was, sizeof(was));
	errno = err;
	return r;
}

int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	union divert_addr to = {.any = {.sa_family = AF_UNSPEC}};

	if (!is_to_divert(fd, addr, len))
		return NEXT(connect)(fd, addr, len);
	if (len > sizeof(to))
		len = sizeof(to);
	memcpy(&to, addr, len);
	return divert(fd, &to, len);
}
