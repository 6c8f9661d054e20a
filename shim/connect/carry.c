/* SPDX-License-Identifier: MIT */
/*
 * What the program's socket was told before connect(), for the real one.
 * Knows options and addresses; of connections nothing.
 */
#include "connect/carry.h"

#include <errno.h>
#include <linux/in6.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include "base/real.h"
#include "base/sock.h"
#include "config/policy.h"
#include "log/log.h"

/* Newer than the libc headers of some supported systems. */
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif
#ifndef SO_DETACH_REUSEPORT_BPF
#define SO_DETACH_REUSEPORT_BPF 68
#endif

#define OPTION_MAX 64

struct option {
	int level;
	int name;
	bool is_size;
	char text[32];
};

static const struct option carried[] = {
#define OPTION(level, name) {level, name, false, #name},
#define FOLLOWS(level, name) {level, name, false, #name},
#define FOLLOWS_ONLY(level, name)
#define SIZE(level, name) {level, name, true, #name},
#include "base/sockopts.def"
#undef OPTION
#undef FOLLOWS
#undef FOLLOWS_ONLY
#undef SIZE
};

struct value {
	char bytes[OPTION_MAX];
	socklen_t len; /* 0: it cannot be read */
};

#define CARRIED (sizeof(carried) / sizeof(carried[0]))

static void read_value(int fd, const struct option *opt, struct value *value)
{
	value->len = sizeof(value->bytes);
	if (real(getsockopt)(
		    fd, opt->level, opt->name, value->bytes, &value->len) < 0)
		value->len = 0;
}

/*
 * What a socket of this kind has by itself: asked of the first one of ours,
 * before anything is set on it, and kept for AF_INET and AF_INET6.
 */
static const struct value *defaults_of(int fresh, struct value *room)
{
	enum { UNKNOWN, BEING_WRITTEN, KNOWN };
	static struct value kept[2][CARRIED];
	static atomic_int state[2];
	int six = sock_int(fresh, SOL_SOCKET, SO_DOMAIN) == AF_INET6;
	int unknown = UNKNOWN;
	bool is_usual = sock_int(fresh, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP;

	if (is_usual && atomic_load(&state[six]) == KNOWN)
		return kept[six];
	for (size_t i = 0; i < CARRIED; i++)
		read_value(fresh, &carried[i], &room[i]);
	if (is_usual && atomic_compare_exchange_strong(
				&state[six], &unknown, BEING_WRITTEN)) {
		memcpy(kept[six], room, sizeof(kept[six]));
		atomic_store(&state[six], KNOWN);
	}
	return room;
}

static bool is_default(const struct value *value, const struct value *usual)
{
	return value->len == usual->len &&
	       memcmp(value->bytes, usual->bytes, value->len) == 0;
}

/* Buffer sizes are read doubled, and differ by themselves: socket(7). */
static int carry_size(
	const struct option *opt, int from, int to, const struct value *value)
{
	int locks = 0, size;
	socklen_t len = sizeof(locks);
	int bit = opt->name == SO_SNDBUF ? 1 : 2;
	int force = opt->name == SO_SNDBUF ? SO_SNDBUFFORCE : SO_RCVBUFFORCE;

	if (real(getsockopt)(from, SOL_SOCKET, SO_BUF_LOCK, &locks, &len) ==
			0 &&
		!(locks & bit))
		return 0;
	memcpy(&size, value->bytes, sizeof(size));
	size /= 2;
	if (real(setsockopt)(to, SOL_SOCKET, force, &size, sizeof(size)) == 0)
		return 0;
	return real(setsockopt)(to, SOL_SOCKET, opt->name, &size, sizeof(size));
}

static int carry_option(
	const struct option *opt, int from, int to, const struct value *usual)
{
	struct value value;

	read_value(from, opt, &value);
	/* What cannot be read on this kind of socket was not set on it. */
	if (!value.len || is_default(&value, usual))
		return 0;
	if (opt->is_size)
		return carry_size(opt, from, to, &value);
	return real(setsockopt)(
		to, opt->level, opt->name, value.bytes, value.len);
}

static bool is_bound(const union policy_addr *self)
{
	static const struct in6_addr any6 = IN6ADDR_ANY_INIT;

	if (self->any.sa_family == AF_INET)
		return self->in.sin_port ||
		       self->in.sin_addr.s_addr != htonl(INADDR_ANY);
	return self->in6.sin6_port ||
	       memcmp(&self->in6.sin6_addr, &any6, sizeof(any6)) != 0;
}

/* Both sockets are bound to one address: SO_REUSEADDR on both allows it. */
static int carry_bind(int from, int to)
{
	union policy_addr self = {.any = {.sa_family = AF_UNSPEC}};
	socklen_t len = sizeof(self);
	int on = 1, was = 0;
	socklen_t was_len = sizeof(was);

	if (real(getsockname)(from, &self.any, &len) < 0 || !is_bound(&self))
		return 0;
	real(getsockopt)(from, SOL_SOCKET, SO_REUSEADDR, &was, &was_len);
	real(setsockopt)(from, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	real(setsockopt)(to, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (real(bind)(to, &self.any, len) < 0)
		return -1;
	real(setsockopt)(to, SOL_SOCKET, SO_REUSEADDR, &was, sizeof(was));
	return 0;
}

/* One that is not of the classic kind cannot be read. */
static bool has_filter(int fd)
{
	socklen_t n = 0; /* asks for the number of instructions: socket(7) */

	if (real(getsockopt)(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &n) < 0)
		return errno == EACCES;
	return n > 0;
}

int carry_over(int from, int to, char *why, unsigned size)
{
	struct value room[CARRIED];
	const struct value *usual = defaults_of(to, room);

	/* Ours cannot be made there, and elsewhere it would take another way
	 * than was meant. */
	if (!sock_same_network(from, to)) {
		log_format(why, size,
			"the socket is from another network namespace than the "
			"program is in");
		return EACCES;
	}
	/* It is for plaintext. */
	if (has_filter(from)) {
		log_format(why, size,
			"the program has a packet filter on the socket, which "
			"would see TLS records");
		return EACCES;
	}
	for (size_t i = 0; i < CARRIED; i++) {
		int err;

		if (carry_option(&carried[i], from, to, &usual[i]) == 0)
			continue;
		err = errno;
		log_format(why, size,
			"the socket option %s cannot be set on the TLS "
			"connection (%s)",
			carried[i].text, strerrordesc_np(err));
		return EACCES;
	}
	if (carry_bind(from, to) < 0) {
		int err = errno;

		log_format(why, size,
			"the address that the program bound cannot be bound "
			"for the TLS connection (%s)",
			strerrordesc_np(err));
		return err;
	}
	return 0;
}
