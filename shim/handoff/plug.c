/* SPDX-License-Identifier: MIT */
/*
 * The hand-over.  Knows placeholders, loopback listeners, and the order in
 * which a connection changes its keeper; what the keeper does is relay.c's.
 */
#include "handoff/plug.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include "base/clock.h"
#include "base/fdtab.h"
#include "base/highfd.h"
#include "base/keeper.h"
#include "base/map.h"
#include "base/mutex.h"
#include "base/quiet.h"
#include "base/real.h"
#include "base/sock.h"
#include "conn/conn.h"
#include "conn/descriptors.h"
#include "conn/wait.h"
#include "event/epollset.h"
#include "handoff/goodbye.h"
#include "handoff/quiesce.h"
#include "handoff/sender.h"
#include "log/log.h"
#include "relay/relay.h"

/* How long a placeholder may take to reach the loopback. */
#define LOOPBACK_NS 2000000000LL

/* One connection that is being handed over. */
struct leaving {
	struct conn *c; /* with a reference */
	int fd;		/* a number of our own for its placeholder */
	bool told;	/* a connect() has answered 0 */
	int inner;	/* the other end of the plugged placeholder */
};

/* One hand-over at a time: two would plug the same placeholder. */
static struct mutex plugging;

/* In a copy of the process it may be held by a thread that is not there.
 * false: this very thread plugs, and is in a signal handler. */
static bool lock_plugging(sigset_t *signals)
{
	static _Atomic(uint64_t) keeper;
	uint64_t now = keeper_token(), before;

	quiet_begin(signals);
	before = atomic_exchange(&keeper, now);
	if (before && before != now)
		plugging = (struct mutex){0, 0};
	if (mutex_lock(&plugging))
		return true;
	quiet_end(signals);
	return false;
}

static void unlock_plugging(const sigset_t *signals)
{
	mutex_unlock(&plugging);
	quiet_end(signals);
}

struct plan {
	struct leaving *all;
	struct relay_leg *legs;
	unsigned n, room;
	size_t mapped;
	sigset_t signals; /* that were blocked before */
};

/* ---- the placeholder's other end ---- */

static int listen_on(const union policy_addr *addr, socklen_t len, bool accepts)
{
	int s = real(socket)(addr->any.sa_family,
		SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (s < 0)
		return -1;
	if (real(bind)(s, &addr->any, len) == 0 &&
		(!accepts || real(listen)(s, 8) == 0))
		return s;
	real(close)(s);
	return -1;
}

static bool wait_for(int fd, short events, int64_t end)
{
	struct pollfd p = {.fd = fd, .events = events};
	int64_t left;
	int r;

	do {
		left = (end - clock_now()) / 1000000;
		r = left > 0 ? real(poll)(&p, 1, (int)left) : 0;
	} while (r < 0 && errno == EINTR);
	return r > 0;
}

/* Accepts the placeholder, and nobody else: whoever comes first from
 * elsewhere is dropped. */
static int accept_placeholder(int listener, int fd, int64_t end)
{
	union policy_addr self, peer;
	socklen_t self_len = sizeof(self);

	if (real(getsockname)(fd, &self.any, &self_len) < 0)
		return -1;
	while (wait_for(listener, POLLIN, end)) {
		socklen_t len = sizeof(peer);
		int s = real(accept4)(listener, &peer.any, &len, SOCK_CLOEXEC);

		if (s < 0)
			continue;
		if (policy_same_address(&peer, &self))
			return s;
		real(close)(s);
	}
	return -1;
}

/* What an earlier life of the placeholder would keep from the loopback. */
static void clear_routing(int fd)
{
	int off = 0;

	real(setsockopt)(fd, SOL_SOCKET, SO_BINDTODEVICE, "", 0);
	real(setsockopt)(fd, SOL_SOCKET, SO_DONTROUTE, &off, sizeof(off));
	real(setsockopt)(
		fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &off, sizeof(off));
	real(setsockopt)(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
}

/* Its mode stays as it is, for other threads look at that: one that blocks is
 * bounded by SO_SNDTIMEO. */
static int connect_to(int fd, bool told, const union policy_addr *addr,
	socklen_t len, int64_t end)
{
	const struct timeval bound = {LOOPBACK_NS / 1000000000, 0};
	struct timeval kept = {0};
	socklen_t kept_len = sizeof(kept);
	int r;

	real(getsockopt)(fd, SOL_SOCKET, SO_SNDTIMEO, &kept, &kept_len);
	real(setsockopt)(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof(bound));
	r = real(connect)(fd, &addr->any, len);
	if (r < 0 && errno == EINPROGRESS && wait_for(fd, POLLOUT, end))
		/* Once more: the program's next connect() says EISCONN, and not
		 * 0 again. */
		r = told ? real(connect)(fd, &addr->any, len)
			 : sock_int(fd, SOL_SOCKET, SO_ERROR);
	if (r < 0 && errno == EISCONN)
		r = 0;
	real(setsockopt)(fd, SOL_SOCKET, SO_SNDTIMEO, &kept, sizeof(kept));
	return r;
}

/* Plugs the placeholder into a listener of its own at this address. */
static int plug_at(const struct leaving *one, union policy_addr *at,
	socklen_t len, int64_t end)
{
	int fd = one->fd;
	union policy_addr to;
	socklen_t to_len = sizeof(to);
	int listener = listen_on(at, len, true), inner = -1;

	if (listener < 0)
		return -1;
	/* Elsewhere that port is a stranger's. */
	if (sock_same_network(listener, fd) &&
		real(getsockname)(listener, &to.any, &to_len) == 0) {
		if (sock_int(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET6)
			policy_map_v4(&to, &to_len);
		if (connect_to(fd, one->told, &to, to_len, end) == 0)
			inner = accept_placeholder(listener, fd, end);
	}
	real(close)(listener);
	return inner;
}

/* A stream between the program's socket, in all its copies, and us. */
static int make_inner(const struct leaving *one)
{
	int fd = one->fd;
	union policy_addr v4 = {.in = {.sin_family = AF_INET,
					.sin_addr = {htonl(INADDR_LOOPBACK)}}};
	union policy_addr v6 = {.in6 = {.sin6_family = AF_INET6,
					.sin6_addr = IN6ADDR_LOOPBACK_INIT}};
	/* A relay that is killed must look like a broken connection, not like
	 * one that ended: until it says otherwise, closing is a reset. */
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	int64_t end = clock_now() + LOOPBACK_NS;
	int inner, on = 1;

	clear_routing(fd);
	inner = plug_at(one, &v4, sizeof(v4.in), end);
	/* A socket that is bound to ::1 cannot reach 127.0.0.1. */
	if (inner < 0 && sock_int(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET6)
		inner = plug_at(one, &v6, sizeof(v6.in6), end);
	if (inner < 0)
		return -1;
	real(setsockopt)(inner, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	real(setsockopt)(inner, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	/* MSG_OOB: its byte stays in its place in the stream, as in io.c. */
	real(setsockopt)(inner, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
	return highfd_move(inner);
}

/* ---- who leaves ---- */

static bool make_room(struct plan *plan)
{
	size_t one = sizeof(*plan->all) + sizeof(*plan->legs);
	void *room;

	plan->room = atomic_load(&conn_count) + 8;
	plan->mapped = plan->room * one;
	room = map_memory(plan->mapped);
	if (!room)
		return false;
	plan->legs = room;
	plan->all = (struct leaving *)(plan->legs + plan->room);
	return true;
}

static bool is_planned(const struct plan *plan, const struct conn *c)
{
	for (unsigned i = 0; i < plan->n; i++)
		if (plan->all[i].c == c)
			return true;
	return false;
}

/* Is this number, in this process, the connection's placeholder?  In a child
 * of vfork() it may be something else by now. */
static bool is_placeholder(const struct conn *c, int fd)
{
	return sock_cookie(fd) == c->cookie;
}

/* Another thread may close the number at any time, and its next socket have
 * it: hence a number of our own, and the look at what that is. */
static void plan_one(struct plan *plan, int fd)
{
	struct conn *c = descriptor_get(fd);
	int own = -1;

	if (!c)
		return;
	if (c != &conn_hidden && plan->n < plan->room && !is_planned(plan, c))
		own = real(fcntl)(fd, F_DUPFD_CLOEXEC, highfd_lowest());
	if (own >= 0 && is_placeholder(c, own)) {
		plan->all[plan->n++] =
			(struct leaving){.c = c, .fd = own, .inner = -1};
		return;
	}
	if (own >= 0)
		real(close)(own);
	conn_put(c);
}

static bool plan_any(int fd, uintptr_t cell, void *arg)
{
	if (fdtab_is_number(cell))
		plan_one(arg, fd);
	return true;
}

static bool plan_inheritable(int fd, uintptr_t cell, void *arg)
{
	int flags;

	if (!fdtab_is_number(cell))
		return true;
	flags = real(fcntl)(fd, F_GETFD);
	if (flags >= 0 && !(flags & FD_CLOEXEC))
		plan_one(arg, fd);
	return true;
}

/* ---- the hand-over ---- */

static void refuse(const struct leaving *one, const char *why)
{
	const struct sockaddr none = {.sa_family = AF_UNSPEC};

	/* A socket that is connected to nothing again, not one that ended:
	 * without the error that tells of this. */
	real(connect)(one->fd, &none, sizeof(none));
	sock_int(one->fd, SOL_SOCKET, SO_ERROR);
	log_line(LOG_LEVEL_ERROR,
		"%s: cannot hand the connection over to a relay: %s; whoever "
		"uses it outside this process gets EPIPE and ENOTCONN, and "
		"O_ASYNC gives no signals",
		one->c->destination, why);
}

/* Is there something to hand over?  A connection that is being opened is, with
 * its handshake; one that failed is not, and the program is to hear of that. */
static bool can_leave(const struct conn *c)
{
	return c->state == CONN_OPEN || conn_is_opening(c);
}

/* 0 where it can leave, EAGAIN where a signal handler has interrupted a call on
 * it, else ENOTCONN. */
static int look_at(struct leaving *one)
{
	struct conn *c = one->c;
	int err = conn_lock(c);

	if (err)
		return err;
	/* Why TCP failed the program hears from here alone. */
	if (c->state == CONN_CONNECTING)
		conn_advance(c);
	err = can_leave(c) ? 0 : ENOTCONN;
	one->told = c->told;
	conn_unlock(c);
	return err;
}

/* Its other end is made.  Those that cannot leave stay as they are. */
static void prepare(struct plan *plan)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < plan->n; i++) {
		struct leaving one = plan->all[i];
		int err = look_at(&one);

		if (err == EAGAIN)
			refuse(&one, "a signal handler has interrupted a call "
				     "on it");
		if (!err) {
			one.inner = make_inner(&one);
			if (one.inner < 0)
				refuse(&one, "the loopback cannot be reached");
		}
		if (one.inner >= 0) {
			plan->all[kept++] = one;
		} else {
			real(close)(one.fd);
			conn_put(one.c);
		}
	}
	plan->n = kept;
}

/* Under all locks: the legs of those that can still leave. */
static unsigned make_legs(struct plan *plan)
{
	unsigned n = 0;

	for (unsigned i = 0; i < plan->n; i++) {
		struct leaving *one = &plan->all[i];

		if (!can_leave(one->c))
			continue;
		atomic_store(one->c->unsaid, one->c->cookie);
		atomic_store(one->c->outcome,
			conn_is_opening(one->c) ? EINPROGRESS : 0);
		plan->legs[n++] = (struct relay_leg){
			.c = one->c,
			.inner = one->inner,
		};
	}
	return n;
}

/* The program's sockets are plaintext connections from now on. */
static void become_plain(struct leaving *one)
{
	struct conn *c = one->c;
	const char *how = conn_is_opening(c) ? ", which opens it" : "";

	conn_plugged(c);
	log_line(LOG_LEVEL_INFO, "%s: handed over to a relay%s", c->destination,
		how);
	if (c->write_end) {
		atomic_store(c->unsaid, 0);
		real(shutdown)(one->fd, SHUT_WR);
	}
	if (c->read_shut)
		real(shutdown)(one->fd, SHUT_RD);
}

static void hand_over(struct plan *plan)
{
	unsigned n;
	int err = 0;

	quiesce_begin();
	for (unsigned i = 0; i < plan->n; i++)
		epollset_set_aside(plan->all[i].c);
	n = make_legs(plan);
	if (n)
		err = relay_start(plan->legs, n);
	for (unsigned i = 0; i < plan->n; i++) {
		if (!err && can_leave(plan->all[i].c))
			become_plain(&plan->all[i]);
		epollset_put_back(plan->all[i].c);
		if (err)
			refuse(&plan->all[i], strerrordesc_np(err));
	}
	quiesce_end();
}

static void finish(struct plan *plan)
{
	for (unsigned i = 0; i < plan->n; i++) {
		real(close)(plan->all[i].inner);
		real(close)(plan->all[i].fd);
		conn_plugged_done(plan->all[i].c);
		conn_put(plan->all[i].c);
	}
	munmap(plan->legs, plan->mapped);
	unlock_plugging(&plan->signals);
}

static void run(struct plan *plan)
{
	prepare(plan);
	if (plan->n)
		hand_over(plan);
	finish(plan);
}

/*
 * No handler of the program's runs in this thread meanwhile.  With O_ASYNC the
 * placeholder signals that it is connected: whoever then read would find it
 * half handed over, and what interrupts connect() would pass for a loopback
 * that cannot be reached.
 */
static bool begin(struct plan *plan)
{
	memset(plan, 0, sizeof(*plan));
	if (!atomic_load(&conn_count) || !lock_plugging(&plan->signals))
		return false;
	if (make_room(plan))
		return true;
	unlock_plugging(&plan->signals);
	return false;
}

void plug_all(void)
{
	int saved_errno = errno;
	struct plan plan;

	if (begin(&plan)) {
		fdtab_each(0, FDTAB_MAX - 1, plan_any, &plan);
		run(&plan);
	}
	errno = saved_errno;
}

void plug_inheritable(void)
{
	int saved_errno = errno;
	struct plan plan;

	if (begin(&plan)) {
		fdtab_each(0, FDTAB_MAX - 1, plan_inheritable, &plan);
		run(&plan);
	}
	errno = saved_errno;
}

bool plug_fd(int fd)
{
	int saved_errno = errno;
	struct plan plan;

	if (fdtab_is_hidden(fd)) {
		errno = EBADF;
		return false;
	}
	if (fdtab_is_number(fdtab_peek(fd)) && begin(&plan)) {
		plan_one(&plan, fd);
		run(&plan);
	}
	errno = saved_errno;
	return true;
}

void plug_refused(int fd)
{
	union policy_addr to = {.in = {.sin_family = AF_INET,
					.sin_addr = {htonl(INADDR_LOOPBACK)}}};
	socklen_t len = sizeof(to.in);
	int saved_errno = errno, nobody;
	sigset_t signals;

	quiet_begin(&signals);
	nobody = listen_on(&to, len, false);
	if (nobody >= 0 && sock_same_network(nobody, fd) &&
		real(getsockname)(nobody, &to.any, &len) == 0) {
		if (sock_int(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET6)
			policy_map_v4(&to, &len);
		connect_to(fd, false, &to, len, clock_now() + LOOPBACK_NS);
		sock_int(fd, SOL_SOCKET, SO_ERROR);
	}
	if (nobody >= 0)
		real(close)(nobody);
	quiet_end(&signals);
	errno = saved_errno;
}

/* A relay of its own, with the session. */
static int relay_rest(struct conn *c)
{
	struct relay_leg *leg = map_memory(sizeof(*leg));
	int err;

	if (!leg)
		return ENOMEM;
	*leg = (struct relay_leg){.c = c, .inner = -1};
	quiesce_begin();
	err = relay_start(leg, 1);
	if (!err)
		conn_plugged(c);
	quiesce_end();
	munmap(leg, sizeof(*leg));
	return err;
}

bool plug_rest(struct conn *c)
{
	sigset_t signals;
	int err;

	if (keeper_is_borrowed() || !atomic_load(&conn_count) ||
		!lock_plugging(&signals))
		return false;
	err = sender_take(c) ? 0 : relay_rest(c);
	log_line(LOG_LEVEL_INFO, "%s: the rest is sent by a relay: %s",
		c->destination, err ? strerrordesc_np(err) : "started");
	unlock_plugging(&signals);
	return !err;
}

void plug_last(void)
{
	sigset_t signals;

	if (lock_plugging(&signals)) {
		sender_leave();
		unlock_plugging(&signals);
	}
}

static bool has_opened(int fd)
{
	conn_ref struct conn *c = descriptor_get(fd);
	bool open;

	if (!c || conn_lock(c) != 0)
		return false;
	conn_advance(c);
	open = c->state == CONN_OPEN;
	conn_unlock(c);
	return open;
}

int plug_standard_slow(int r)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (has_opened(fd))
			plug_fd(fd);
	return r;
}

bool plug_passed(const struct msghdr *msg)
{
	struct msghdr copy = *msg;

	for (struct cmsghdr *m = CMSG_FIRSTHDR(&copy); m;
		m = CMSG_NXTHDR(&copy, m)) {
		int fd;

		if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(fd) <= m->cmsg_len;
			at += sizeof(fd)) {
			memcpy(&fd, (char *)m + at, sizeof(fd));
			if (!plug_fd(fd))
				return false;
			goodbye_given(fd);
		}
	}
	return true;
}
