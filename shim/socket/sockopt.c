/* SPDX-License-Identifier: MIT */
/*
 * Options of sockets.  Knows which go to the real socket, which to both, and
 * which the shim answers itself.
 */
#include "socket/sockopt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include "base/fail.h"
#include "base/real.h"
#include "base/sock.h"
#include "base/user_memory.h"
#include "event/watch.h"
#include "handoff/plug.h"

/* err: an errno value or 0. */
static int result(int err)
{
	return err ? fail(err) : 0;
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

/* The kernel takes value and len of an int's option, or refuses them. */
static bool can_be_told(struct conn *c, void *value, socklen_t *len)
{
	return real(getsockopt)(c->real, SOL_SOCKET, SO_TYPE, value, len) == 0;
}

static int get_error(struct conn *c, void *value, socklen_t *len)
{
	int error;

	if (!can_be_told(c, value, len))
		return -1;
	/* Asking is how a program looks after a handshake. */
	conn_advance(c);
	error = conn_take_error(c);
	if (!error && c->state == CONN_OPEN)
		error = take_real_error(c);
	memcpy(value, &error, *len);
	return 0;
}

static int get_low_water(struct conn *c, void *value, socklen_t *len)
{
	int low = (int)c->low_water;

	if (!can_be_told(c, value, len))
		return -1;
	memcpy(value, &low, *len);
	return 0;
}

int sockopt_get(struct conn *c, int fd, int level, int name, void *value,
	socklen_t *len)
{
	int err = conn_lock(c), r;

	if (err)
		return fail(err);
	if (c->state == CONN_PLUGGED)
		r = real(getsockopt)(fd, level, name, value, len);
	else if (level == SOL_SOCKET && name == SO_ERROR)
		r = get_error(c, value, len);
	else if (level == SOL_SOCKET && name == SO_RCVLOWAT)
		r = get_low_water(c, value, len);
	else if (level == IPPROTO_TCP && name == TCP_NODELAY && c->nodelay_lent)
		r = real(getsockopt)(fd, level, name, value, len);
	else if (level == IPPROTO_TCP && name == TCP_ZEROCOPY_RECEIVE)
		r = fail(EOPNOTSUPP); /* it takes bytes, and ciphertext */
	else
		r = real(getsockopt)(c->real, level, name, value, len);
	conn_unlock(c);
	return r;
}

/*
 * Options by where they go:
 *   - the shim itself: SO_RCVLOWAT (it would count ciphertext);
 *   - refused: SO_ZEROCOPY (completions would never come), TCP_INQ (counts
 *     ciphertext), SO_PEEK_OFF (our own looks would move it), TCP_ULP and
 *     filters (they would see ciphertext), and TCP_MD5SIG;
 *   - the real socket and the placeholder: what is harmless there and keeps
 *     other processes' view of the socket true;
 *   - the real socket alone: all others.
 */
static bool is_refused(int level, int name)
{
	if (level == IPPROTO_TCP)
		return name == TCP_INQ || name == TCP_ULP || name == TCP_MD5SIG;
	return level == SOL_SOCKET &&
	       (name == SO_ZEROCOPY || name == SO_PEEK_OFF ||
		       name == SO_ATTACH_FILTER || name == SO_ATTACH_BPF);
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

static bool is_nodelay(int level, int name)
{
	return level == IPPROTO_TCP && name == TCP_NODELAY;
}

/* TCP_NODELAY while it is lent: the placeholder has what the program wants. */
static int set_lent(struct conn *c, int fd, const void *value, socklen_t len)
{
	if (real(setsockopt)(fd, IPPROTO_TCP, TCP_NODELAY, value, len) < 0)
		return -1;
	if (sock_int(fd, IPPROTO_TCP, TCP_NODELAY) > 0)
		c->nodelay_lent = false;
	return 0;
}

static int set_locked(struct conn *c, int fd, int level, int name,
	const void *value, socklen_t len)
{
	if (is_refused(level, name))
		return fail(EOPNOTSUPP);
	if (level == SOL_SOCKET && name == SO_RCVLOWAT) {
		if (real(setsockopt)(fd, level, name, value, len) < 0)
			return -1;
		conn_learn_options(c, fd);
		/* What was too little may now be enough. */
		c->maybe_readable = true;
		return 0;
	}
	if (is_nodelay(level, name) && c->nodelay_lent)
		return set_lent(c, fd, value, len);
	if (real(setsockopt)(c->real, level, name, value, len) < 0)
		return -1;
	if (is_for_both(level, name))
		real(setsockopt)(fd, level, name, value, len);
	conn_learn_timeouts(c, c->real);
	return 0;
}

/* The program's socket has it first: what it refuses does not follow. */
int sockopt_set_plugged(struct conn *c, int fd, int level, int name,
	const void *value, socklen_t len)
{
	int r = real(setsockopt)(fd, level, name, value, len);

	/* Some calls that reuse numbers are seen by no hook. */
	if (r == 0 && sock_cookie(fd) == c->cookie)
		follow_tell(&c->relay, c->cookie, level, name, value, len);
	return r;
}

int sockopt_set(struct conn *c, int fd, int level, int name, const void *value,
	socklen_t len)
{
	int err = conn_lock(c), r;

	if (err)
		return fail(err);
	if (c->state == CONN_PLUGGED)
		r = sockopt_set_plugged(c, fd, level, name, value, len);
	else
		r = set_locked(c, fd, level, name, value, len);
	conn_unlock(c);
	return r;
}

/* ---- signals of readiness ---- */

/*
 * Before O_ASYNC is set: the kernel sends the signals, so the program needs a
 * socket of which the kernel knows what it does.  Of a connection that is still
 * being opened the program waits for the signal that it is open: the flag comes
 * first then.  Returns 0, or an errno value: it stays here, and there would be
 * no signals.
 */
static int leave_for_signals(struct conn *c, int fd)
{
	int err = conn_lock(c);
	bool opening;

	if (err)
		return err;
	opening = conn_is_opening(c);
	conn_unlock(c);
	if (opening)
		real(fcntl)(fd, F_SETFL, real(fcntl)(fd, F_GETFL) | O_ASYNC);
	plug_fd(fd);
	err = conn_lock(c);
	if (err)
		return err;
	/* One that failed has no more to tell. */
	if (c->state == CONN_OPEN || conn_is_opening(c))
		err = ENOMEM;
	conn_unlock(c);
	if (err && opening)
		real(fcntl)(fd, F_SETFL, real(fcntl)(fd, F_GETFL) & ~O_ASYNC);
	return err;
}

int sockopt_set_flags(struct conn *c, int fd, long flags)
{
	int err = flags & O_ASYNC ? leave_for_signals(c, fd) : 0;
	int r;

	if (err)
		return fail(err);
	r = real(fcntl)(fd, F_SETFL, flags);
	if (r < 0 || conn_lock(c) != 0)
		return r;
	c->nonblocking = (flags & O_NONBLOCK) != 0;
	conn_unlock(c);
	return r;
}

static int set_async(struct conn *c, int fd, void *arg)
{
	int err = 0;

	if (user_memory_is_readable(arg, sizeof(int)) && *(int *)arg)
		err = leave_for_signals(c, fd);
	return err ? fail(err) : real(ioctl)(fd, FIOASYNC, arg);
}

/* ---- ioctl ---- */

static int bytes_available(struct conn *c, int *answer)
{
	size_t available = 0;

	/* The kernel's own answer counts ciphertext, but it knows memory. */
	if (real(ioctl)(c->real, FIONREAD, answer) < 0)
		return -1;
	conn_advance(c);
	/* As many as are ever held: programs take it for all there is. */
	if (c->state == CONN_OPEN && !c->read_end &&
		c->tls->fill(c->session, SIZE_MAX, &available) == TLS_OK)
		watch_untell(c);
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
	int err, r;

	if (request == FIOASYNC)
		return set_async(c, fd, arg);
	err = conn_lock(c);
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
	case FIOSETOWN: /* the placeholder has the owner, as F_SETOWN does it */
	case SIOCSPGRP:
	case FIOGETOWN:
	case SIOCGPGRP:
		r = real(ioctl)(fd, request, arg);
		break;
	case SIOCATMARK:
		r = real(ioctl)(c->real, SIOCATMARK, arg);
		if (r == 0)
			*(int *)arg = 0;
		break;
	default: /* SIOCOUTQ, interface requests */
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

	if (!user_memory_is_readable(len, sizeof(*len)))
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
	socklen_t room;

	if (!user_memory_is_readable(len, sizeof(*len)))
		return EFAULT;
	room = *len;
	if (get(fd, addr, len) < 0)
		return errno;
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

int sockopt_bind(
	struct conn *c, int fd, const struct sockaddr *addr, socklen_t len)
{
	int err = conn_lock(c), r;

	if (err)
		return fail(err);
	if (c->state == CONN_PLUGGED)
		r = real(bind)(fd, addr, len);
	else if (c->state == CONN_FAILED)
		r = fail(EINVAL); /* it has its address until that is told */
	else
		r = real(bind)(c->real, addr, len);
	conn_unlock(c);
	return r;
}
