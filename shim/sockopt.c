/* SPDX-License-Identifier: MIT */
/*
 * Options of sockets.  Knows which are carried over, which go to the real
 * socket, which to both, and which the shim answers itself.
 */
#include "sockopt.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/in6.h>
#include "fail.h"
#include "log.h"
#include "real.h"

/* Newer than the libc headers of some supported systems. */
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif
#ifndef SO_DETACH_REUSEPORT_BPF
#define SO_DETACH_REUSEPORT_BPF 68
#endif

#define OPTION_MAX 64

enum carry { CARRY_FLAG, CARRY_DATA, CARRY_SIZE };

struct option {
	int level;
	int name;
	enum carry how;
	char text[24];
};

static const struct option carried[] = {
#define FLAG(level, name) {level, name, CARRY_FLAG, #name},
#define DATA(level, name) {level, name, CARRY_DATA, #name},
#define SIZE(level, name) {level, name, CARRY_SIZE, #name},
#include "sockopts.def"
#undef FLAG
#undef DATA
#undef SIZE
};

/* err: an errno value or 0. */
static int result(int err)
{
	return err ? fail(err) : 0;
}

int sockopt_int(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return real(getsockopt)(fd, level, name, &value, &len) == 0 ? value
								    : -1;
}

uint64_t sockopt_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	real(getsockopt)(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len);
	return cookie;
}

/* ---- carrying over ---- */

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

static int number_of(int fd, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	real(getsockopt)(fd, SOL_SOCKET, name, &value, &len);
	return value;
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
	int six = number_of(fresh, SO_DOMAIN) == AF_INET6, unknown = UNKNOWN;
	bool is_usual = number_of(fresh, SO_PROTOCOL) == IPPROTO_TCP;

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
static int carry_size(const struct option *opt, int from, int to, int doubled)
{
	int locks = 0, size = doubled / 2;
	socklen_t len = sizeof(locks);
	int bit = opt->name == SO_SNDBUF ? 1 : 2;
	int force = opt->name == SO_SNDBUF ? SO_SNDBUFFORCE : SO_RCVBUFFORCE;

	if (real(getsockopt)(from, SOL_SOCKET, SO_BUF_LOCK, &locks, &len) ==
			0 &&
		!(locks & bit))
		return 0;
	if (real(setsockopt)(to, SOL_SOCKET, force, &size, sizeof(size)) == 0)
		return 0;
	return real(setsockopt)(to, SOL_SOCKET, opt->name, &size, sizeof(size));
}

static int carry_option(
	const struct option *opt, int from, int to, const struct value *usual)
{
	struct value value;
	int number;

	read_value(from, opt, &value);
	/* What cannot be read on this kind of socket was not set on it. */
	if (!value.len || is_default(&value, usual))
		return 0;
	memcpy(&number, value.bytes, sizeof(number));
	if (opt->how == CARRY_SIZE)
		return carry_size(opt, from, to, number);
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
	if (bind(to, &self.any, len) < 0)
		return -1;
	real(setsockopt)(to, SOL_SOCKET, SO_REUSEADDR, &was, sizeof(was));
	return 0;
}

/* Signals of readiness (O_ASYNC) come from the socket that has the traffic. */
static void carry_owner(int from, int to)
{
	int flags = real(fcntl)(from, F_GETFL);

	if (flags < 0 || !(flags & O_ASYNC))
		return;
	real(fcntl)(to, F_SETOWN, real(fcntl)(from, F_GETOWN));
	real(fcntl)(to, F_SETSIG, real(fcntl)(from, F_GETSIG));
	real(fcntl)(to, F_SETFL, O_ASYNC);
}

int sockopt_carry(int from, int to, char *why, unsigned size)
{
	struct value room[CARRIED];
	const struct value *usual = defaults_of(to, room);

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
	carry_owner(from, to);
	return 0;
}

const char *sockopt_uncarried(int level, int name)
{
	if (level == SOL_SOCKET && name == SO_ATTACH_FILTER)
		return "SO_ATTACH_FILTER";
	if (level == SOL_SOCKET && name == SO_ATTACH_BPF)
		return "SO_ATTACH_BPF";
	if (level == IPPROTO_TCP && name == TCP_MD5SIG)
		return "TCP_MD5SIG";
	if (level == IPPROTO_TCP && name == TCP_ULP)
		return "TCP_ULP";
	return NULL;
}

/* ---- what the shim must know ---- */

static int64_t timeout_of(int fd, int name)
{
	struct timeval tv = {0};
	socklen_t len = sizeof(tv);

	if (real(getsockopt)(fd, SOL_SOCKET, name, &tv, &len) < 0)
		return 0;
	return tv.tv_sec * 1000000000LL + tv.tv_usec * 1000LL;
}

void sockopt_learn(struct conn *c, int fd)
{
	int low = 1, flags = real(fcntl)(fd, F_GETFL);
	socklen_t len = sizeof(low);

	c->nonblocking = flags >= 0 && (flags & O_NONBLOCK);
	c->receive_timeout = timeout_of(fd, SO_RCVTIMEO);
	c->send_timeout = timeout_of(fd, SO_SNDTIMEO);
	real(getsockopt)(fd, SOL_SOCKET, SO_RCVLOWAT, &low, &len);
	c->low_water = low > 0 ? (size_t)low : 1;
}

/* ---- getsockopt, setsockopt ---- */

/* What no call has met yet. */
static int take_real_error(struct conn *c)
{
	int error = atomic_exchange(&c->kernel_error, 0);
	socklen_t len = sizeof(error);

	if (!error)
		real(getsockopt)(c->real, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error)
		c->break_told = true;
	return error;
}

static int get_error(struct conn *c, void *value, socklen_t *len)
{
	int error;

	/* Asking is how a program looks after a handshake. */
	conn_advance(c);
	error = conn_take_error(c);
	if (!error && c->state == CONN_OPEN)
		error = take_real_error(c);
	if (*len > sizeof(error))
		*len = sizeof(error);
	memcpy(value, &error, *len);
	return 0;
}

static int get_low_water(const struct conn *c, void *value, socklen_t *len)
{
	int low = (int)c->low_water;

	if (*len > sizeof(low))
		*len = sizeof(low);
	memcpy(value, &low, *len);
	return 0;
}

int sockopt_get(struct conn *c, int fd, int level, int name, void *value,
	socklen_t *len)
{
	/* What the kernel refuses, it refuses. */
	bool sound = value && len && (int)*len >= 0;
	int err = conn_lock(c), r;

	if (err)
		return fail(err);
	if (c->state == CONN_PLUGGED)
		r = real(getsockopt)(fd, level, name, value, len);
	else if (level == SOL_SOCKET && name == SO_ERROR && sound)
		r = get_error(c, value, len);
	else if (level == SOL_SOCKET && name == SO_RCVLOWAT && sound)
		r = get_low_water(c, value, len);
	else
		r = real(getsockopt)(c->real, level, name, value, len);
	conn_unlock(c);
	return r;
}

/*
 * Options by where they go:
 *   - the shim itself: SO_RCVLOWAT (it would count ciphertext);
 *   - refused: SO_ZEROCOPY (completions would never come), TCP_INQ (counts
 *     ciphertext), TCP_ULP and filters (they would see ciphertext);
 *   - the real socket and the placeholder: what is harmless there and keeps
 *     other processes' view of the socket true;
 *   - the real socket alone: all others.
 */
static bool is_refused(int level, int name)
{
	return (level == SOL_SOCKET && name == SO_ZEROCOPY) ||
	       (level == IPPROTO_TCP && name == TCP_INQ) ||
	       sockopt_uncarried(level, name);
}

static bool is_for_both(int level, int name)
{
	if (level == IPPROTO_TCP)
		return name == TCP_NODELAY || name == TCP_KEEPIDLE ||
		       name == TCP_KEEPINTVL || name == TCP_KEEPCNT;
	return level == SOL_SOCKET &&
	       (name == SO_KEEPALIVE || name == SO_RCVTIMEO ||
		       name == SO_SNDTIMEO || name == SO_LINGER ||
		       name == SO_SNDBUF || name == SO_RCVBUF);
}

static int set_locked(struct conn *c, int fd, int level, int name,
	const void *value, socklen_t len)
{
	if (is_refused(level, name))
		return fail(EOPNOTSUPP);
	if (level == SOL_SOCKET && name == SO_RCVLOWAT) {
		if (real(setsockopt)(fd, level, name, value, len) < 0)
			return -1;
		sockopt_learn(c, fd);
		/* What was too little may now be enough. */
		c->maybe_readable = true;
		return 0;
	}
	if (real(setsockopt)(c->real, level, name, value, len) < 0)
		return -1;
	if (is_for_both(level, name))
		real(setsockopt)(fd, level, name, value, len);
	c->receive_timeout = timeout_of(c->real, SO_RCVTIMEO);
	c->send_timeout = timeout_of(c->real, SO_SNDTIMEO);
	return 0;
}

int sockopt_set(struct conn *c, int fd, int level, int name, const void *value,
	socklen_t len)
{
	int err = conn_lock(c), r;

	if (err)
		return fail(err);
	if (c->state == CONN_PLUGGED)
		r = real(setsockopt)(fd, level, name, value, len);
	else
		r = set_locked(c, fd, level, name, value, len);
	conn_unlock(c);
	return r;
}

/* ---- ioctl ---- */

static int bytes_available(struct conn *c, int *answer)
{
	size_t available = 0;

	conn_advance(c);
	if (c->state == CONN_OPEN && !c->read_end)
		c->tls->fill(c->session, SIZE_MAX, &available);
	c->maybe_readable = true;
	*answer = available > INT_MAX ? INT_MAX : (int)available;
	return 0;
}

static int set_nonblocking(struct conn *c, int fd, void *arg)
{
	if (real(ioctl)(fd, FIONBIO, arg) < 0)
		return -1;
	c->nonblocking = *(int *)arg != 0;
	return 0;
}

int sockopt_ioctl(struct conn *c, int fd, unsigned long request, void *arg)
{
	int err = conn_lock(c), r;

	if (err)
		return fail(err);
	if (c->state == CONN_PLUGGED) {
		conn_unlock(c);
		return real(ioctl)(fd, request, arg);
	}
	switch (request) {
	case FIONREAD: /* SIOCINQ is the same number */
		r = bytes_available(c, arg);
		break;
	case FIONBIO:
		r = set_nonblocking(c, fd, arg);
		break;
	case FIOCLEX: /* the number's affair */
	case FIONCLEX:
		r = real(ioctl)(fd, request, arg);
		break;
	case SIOCATMARK:
		*(int *)arg = 0;
		r = 0;
		break;
	default: /* SIOCOUTQ, FIOASYNC, interface requests */
		r = real(ioctl)(c->real, request, arg);
		break;
	}
	conn_unlock(c);
	return r;
}

/* ---- addresses ---- */

static int give_address(
	const union policy_addr *from, struct sockaddr *addr, socklen_t *len)
{
	socklen_t size = from->any.sa_family == AF_INET ? sizeof(from->in)
							: sizeof(from->in6);

	memcpy(addr, from, *len < size ? *len : size);
	*len = size;
	return 0;
}

/* The kernel knows bad arguments and a connection that is over; the address
 * that it gives is not the one that was dialled. */
static int give_peer(
	const struct conn *c, struct sockaddr *addr, socklen_t *len)
{
	socklen_t room;

	if (!len)
		return EFAULT;
	room = *len;
	if (real(getpeername)(c->real, addr, len) < 0)
		return errno;
	*len = room;
	give_address(&c->dialled, addr, len);
	return 0;
}

/* The same of the program's own socket, which the number may not be any more:
 * some calls that reuse numbers are seen by no hook (freopen). */
static int give_plugged(const union policy_addr *known,
	int (*get)(int, struct sockaddr *, socklen_t *), int fd,
	struct sockaddr *addr, socklen_t *len)
{
	socklen_t room = len ? *len : 0;

	if (get(fd, addr, len) < 0)
		return errno;
	if (!len)
		return EFAULT;
	*len = room;
	return give_address(known, addr, len);
}

int sockopt_peer(struct conn *c, int fd, struct sockaddr *addr, socklen_t *len)
{
	int err = conn_lock(c);

	if (err)
		return fail(err);
	conn_advance(c);
	if (c->state == CONN_PLUGGED)
		err = give_plugged(
			&c->dialled, real(getpeername), fd, addr, len);
	else if (c->state == CONN_OPEN)
		err = give_peer(c, addr, len);
	else
		err = ENOTCONN;
	conn_unlock(c);
	return result(err);
}

int sockopt_self(struct conn *c, int fd, struct sockaddr *addr, socklen_t *len)
{
	int err = conn_lock(c);

	if (err)
		return fail(err);
	if (c->state == CONN_PLUGGED)
		err = give_plugged(&c->self, real(getsockname), fd, addr, len);
	else if (real(getsockname)(c->real, addr, len) < 0)
		err = errno;
	conn_unlock(c);
	return result(err);
}
