/* SPDX-License-Identifier: MIT */
/*
 * A connection's life.  Knows its states, who may touch it and how it ends;
 * knows no address, no setting and no libc call's contract.
 */
#include "conn.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include "config.h"
#include "epollset.h"
#include "fdtab.h"
#include "keeper.h"
#include "log.h"
#include "names.h"
#include "real.h"
#include "watch.h"

#define NS_PER_S 1000000000LL
#define CONNS_PER_SLAB 32

/* How long the end of a connection waits for a kernel that takes nothing. */
#define LINGER_MS 2000
/* How long a reader lets sleepers come out before it pulls their bytes. */
#define YIELDS_MAX 1000
/* The program's own numbers stay below, where the limit allows. */
#define HIDDEN_BASE 1024

atomic_uint conn_count;

atomic_uint conn_left_open;

static atomic_uint hidden_waiters;
struct conn conn_hidden = { .refs = 1, .waiters = &hidden_waiters };

static struct conn *free_list;
static atomic_flag pool_busy = ATOMIC_FLAG_INIT;

int64_t conn_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

int conn_move_up(int fd)
{
	struct rlimit limit;
	int base = HIDDEN_BASE, moved;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
		limit.rlim_cur / 2 < HIDDEN_BASE)
		base = (int)(limit.rlim_cur / 2);
	moved = real(fcntl)(fd, F_DUPFD_CLOEXEC, base);
	if (moved < 0)
		return fd;
	real(close)(fd);
	return moved;
}

/* ---- the pool ---- */

static bool grow_pool(void)
{
	struct conn *slab = mmap(NULL, CONNS_PER_SLAB * sizeof(*slab),
		PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	atomic_uint *waiters = mmap(NULL, CONNS_PER_SLAB * sizeof(*waiters),
		PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (slab == MAP_FAILED || waiters == MAP_FAILED)
		return false;
	for (int i = 0; i < CONNS_PER_SLAB; i++) {
		slab[i].waiters = &waiters[i];
		slab[i].next_free = free_list;
		free_list = &slab[i];
	}
	return true;
}

static void pool_lock(void)
{
	while (atomic_flag_test_and_set(&pool_busy))
		sched_yield();
}

static void init_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;

	/* EDEADLK tells a signal handler that its own thread holds it. */
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(lock, &attr);
	pthread_mutexattr_destroy(&attr);
}

static struct conn *take_free(void)
{
	struct conn *c = NULL;

	pool_lock();
	if (free_list || grow_pool()) {
		c = free_list;
		free_list = c->next_free;
	}
	atomic_flag_clear(&pool_busy);
	return c;
}

static void give_back(struct conn *c)
{
	pool_lock();
	c->next_free = free_list;
	free_list = c;
	atomic_flag_clear(&pool_busy);
}

struct conn *conn_new(void)
{
	uint64_t token = keeper_claim();
	struct conn *c = token ? take_free() : NULL;
	const size_t guarded = offsetof(struct conn, cancel_state);

	if (!c) {
		errno = ENOMEM;
		return NULL;
	}
	memset((char *)c + guarded, 0, sizeof(*c) - guarded);
	init_lock(&c->lock);
	atomic_store(&c->numbers, 0);
	atomic_store(c->waiters, 0);
	atomic_store(&c->kernel_error, 0);
	c->keeper = token;
	c->real = -1;
	c->low_water = 1;
	atomic_store(&c->refs, 1);
	atomic_fetch_add(&conn_count, 1);
	return c;
}

/* ---- references ---- */

bool conn_ref_try(struct conn *c)
{
	unsigned refs = atomic_load(&c->refs);

	while (refs)
		if (atomic_compare_exchange_weak(&c->refs, &refs, refs + 1))
			return true;
	return false;
}

bool conn_is_ours(const struct conn *c)
{
	return c->keeper == keeper_token();
}

int conn_lock(struct conn *c)
{
	int state;

	if (c == &conn_hidden)
		return EBADF;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	if (pthread_mutex_lock(&c->lock) == 0) {
		c->cancel_state = state;
		return 0;
	}
	pthread_setcancelstate(state, NULL);
	return EAGAIN;
}

void conn_unlock(struct conn *c)
{
	int state = c->cancel_state;

	if (c->watches)
		watch_note(c);
	pthread_mutex_unlock(&c->lock);
	pthread_setcancelstate(state, NULL);
}

void conn_number_get(struct conn *c)
{
	atomic_fetch_add(&c->refs, 1);
	atomic_fetch_add(&c->numbers, 1);
}

void conn_number_put(struct conn *c)
{
	/* A closed file leaves the epoll sets it is in: epoll(7). */
	if (atomic_fetch_sub(&c->numbers, 1) == 1 && c->watches &&
		conn_lock(c) == 0) {
		watch_remove_all(c);
		conn_unlock(c);
	}
	conn_put(c);
}

/* ---- waits that are jumped out of ---- */

static __thread struct conn_hold held
	__attribute__((tls_model("initial-exec")));

struct conn_hold conn_hold_begin(struct conn *c, bool counted)
{
	struct conn_hold outer = held;

	if (counted)
		atomic_fetch_add(c->waiters, 1);
	held = (struct conn_hold){ c, __builtin_frame_address(0), counted };
	return outer;
}

void conn_hold_end(const struct conn_hold *outer)
{
	if (held.counted)
		atomic_fetch_sub(held.c->waiters, 1);
	held = *outer;
}

static bool is_on_signal_stack(void)
{
	stack_t ss;

	return sigaltstack(NULL, &ss) == 0 && (ss.ss_flags & SS_ONSTACK);
}

void conn_recover(void)
{
	struct conn_hold lost = held;

	/* A frame below ours is gone; one above is a wait that we, a signal
	 * handler, interrupted. */
	if (!lost.c || (const void *)__builtin_frame_address(0) <= lost.frame ||
		is_on_signal_stack())
		return;
	held.c = NULL;
	if (lost.counted)
		atomic_fetch_sub(lost.c->waiters, 1);
	conn_put(lost.c);
}

/* ---- the end ---- */

/* SO_LINGER with a time of 0: the program asks for a reset. */
static bool wants_reset(const struct conn *c)
{
	struct linger linger = { 0 };
	socklen_t len = sizeof(linger);

	return real(getsockopt)(c->real, SOL_SOCKET, SO_LINGER, &linger,
		       &len) == 0 &&
	       linger.l_onoff && linger.l_linger == 0;
}

/* Lets the kernel take all that is left, where it allows that much. */
static void grow_send_buffer(const struct conn *c)
{
	int have = 0, queued = 0, want;
	socklen_t len = sizeof(have);

	real(getsockopt)(c->real, SOL_SOCKET, SO_SNDBUF, &have, &len);
	real(ioctl)(c->real, SIOCOUTQ, &queued);
	want = queued + 2 * (int)c->tls->pending_out(c->session);
	if (want * 2 <= have)
		return;
	if (real(setsockopt)(c->real, SOL_SOCKET, SO_SNDBUFFORCE, &want,
		    sizeof(want)) < 0)
		real(setsockopt)(c->real, SOL_SOCKET, SO_SNDBUF, &want,
			sizeof(want));
}

/* Unread bytes (session tickets) would turn close() into a reset, and a reset
 * may destroy at the peer what we sent. */
static void drain(const struct conn *c)
{
	char scratch[4096];

	for (int i = 0; i < 64; i++)
		if (real(recv)(c->real, scratch, sizeof(scratch),
			    MSG_DONTWAIT) <= 0)
			return;
}

static void wait_until_taken(struct conn *c)
{
	int64_t end = conn_now() + LINGER_MS * 1000000LL;
	struct pollfd p = { .fd = c->real, .events = POLLOUT };

	while (c->tls->flush(c->session) == TLS_WANT_WRITE) {
		int64_t left = (end - conn_now()) / 1000000;

		if (left <= 0 || (p.revents & (POLLERR | POLLHUP)))
			return;
		real(poll)(&p, 1, (int)left);
	}
}

/*
 * Sends what was accepted, close_notify, and the FIN.  What the kernel does
 * not take at once, even with a bigger buffer, is waited for, up to LINGER_MS.
 */
static void say_goodbye(struct conn *c)
{
	if (c->state != CONN_OPEN || !c->session || wants_reset(c))
		return;
	if (c->tls->shutdown(c->session) == TLS_WANT_WRITE) {
		grow_send_buffer(c);
		wait_until_taken(c);
	}
	c->write_end = true;
	real(shutdown)(c->real, SHUT_WR);
	drain(c);
}

static void conn_finish(struct conn *c)
{
	say_goodbye(c);
	if (c->session)
		c->tls->session_free(c->session);
	c->session = NULL;
	if (c->real >= 0) {
		fdtab_unhide(c->real);
		real(close)(c->real);
	}
	c->real = -1;
}

void conn_put(struct conn *c)
{
	int saved_errno = errno;

	if (c == &conn_hidden || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	/* Nobody else can have it now; no lock is needed, but the sanitizers
	 * want to see one. */
	conn_lock(c);
	conn_finish(c);
	conn_unlock(c);
	if (c->state != CONN_PLUGGED)
		atomic_fetch_sub(&conn_count, 1);
	/* One that is inherited is not ours to use again. */
	if (conn_is_ours(c))
		give_back(c);
	errno = saved_errno;
}

static bool finish_one(int fd, uintptr_t cell, void *arg)
{
	struct conn *c;

	(void)arg;
	if (!fdtab_is_number(cell))
		return true;
	c = fdtab_get(fd);
	if (c && conn_lock(c) == 0) {
		say_goodbye(c);
		conn_unlock(c);
	}
	if (c)
		conn_put(c);
	return true;
}

void conn_finish_all(void)
{
	if (atomic_load(&conn_count) && !keeper_is_borrowed())
		fdtab_each(0, FDTAB_MAX - 1, finish_one, NULL);
}

/* ---- copies of the process ---- */

static bool disown_one(int fd, uintptr_t cell, void *arg)
{
	(void)arg;
	if (cell == FDTAB_MARKED || cell == FDTAB_HIDDEN ||
		(cell & FDTAB_PLUGGED))
		return true;
	fdtab_unhide(fd);
	if (cell & FDTAB_HIDDEN)
		real(close)(fd);
	return true;
}

void conn_disown_all(void)
{
	int saved_errno = errno;

	if (atomic_load(&conn_count) == 0)
		return;
	atomic_flag_clear(&pool_busy);
	atomic_store(&conn_count, 0);
	free_list = NULL; /* its waiters are the parent's, too */
	fdtab_each(0, FDTAB_MAX - 1, disown_one, NULL);
	epollset_fork_child();
	names_fork_child();
	if (tls_loaded())
		tls_loaded()->fork_child();
	errno = saved_errno;
}

/* Locks (arg true) or unlocks every connection, by its real socket, which
 * each has once. */
static bool lock_one(int fd, uintptr_t cell, void *arg)
{
	struct conn *c = (struct conn *)(cell & ~FDTAB_HIDDEN);

	(void)fd;
	if (!(cell & FDTAB_HIDDEN) || !c)
		return true;
	if (!arg)
		pthread_mutex_unlock(&c->lock);
	else if (pthread_mutex_lock(&c->lock) != 0)
		return true; /* our own thread's: it forks in a handler */
	return true;
}

void conn_fork_prepare(void)
{
	fdtab_each(0, FDTAB_MAX - 1, lock_one, &conn_hidden);
	pool_lock();
}

void conn_fork_parent(void)
{
	atomic_flag_clear(&pool_busy);
	fdtab_each(0, FDTAB_MAX - 1, lock_one, NULL);
}

static bool forget_one(int fd, uintptr_t cell, void *arg)
{
	if (cell == (uintptr_t)arg && fdtab_take(fd))
		conn_number_put(arg);
	return true;
}

void conn_forget_numbers(struct conn *c)
{
	if (c->watches && conn_lock(c) == 0) {
		epollset_give_back(c);
		conn_unlock(c);
	}
	fdtab_each(0, FDTAB_MAX - 1, forget_one, c);
}

/* ---- handed over ---- */

static bool plug_one(int fd, uintptr_t cell, void *arg)
{
	if (cell == (uintptr_t)arg)
		fdtab_plug(fd, arg);
	return true;
}

void conn_plugged(struct conn *c)
{
	socklen_t len = sizeof(c->self);

	real(getsockname)(c->real, &c->self.any, &len);
	c->tls->session_free(c->session);
	c->session = NULL;
	c->state = CONN_PLUGGED;
	atomic_fetch_sub(&conn_count, 1);
	fdtab_each(0, FDTAB_MAX - 1, plug_one, c);
}

static void close_real(struct conn *c)
{
	fdtab_unhide(c->real);
	real(close)(c->real);
	c->real = -1;
}

void conn_plugged_done(struct conn *c)
{
	if (c->state != CONN_PLUGGED || c->real < 0)
		return;
	if (keeper_is_borrowed())
		atomic_fetch_add(&conn_left_open, 1);
	/* Another thread may be about to sleep on it: then it stays until the
	 * last has gone (conn_finish).  The relay does not rely on close(). */
	else if (atomic_load(&c->refs) <= atomic_load(&c->numbers) + 1)
		close_real(c);
}

static bool close_left(int fd, uintptr_t cell, void *arg)
{
	struct conn *c = (struct conn *)(cell & ~FDTAB_TAGS);

	(void)fd;
	(void)arg;
	if ((cell & FDTAB_HIDDEN) && c && c->state == CONN_PLUGGED)
		close_real(c);
	return true;
}

void conn_close_left(void)
{
	if (keeper_is_borrowed())
		return;
	atomic_store(&conn_left_open, 0);
	fdtab_each(0, FDTAB_MAX - 1, close_left, NULL);
}

bool conn_move_real(int fd)
{
	uintptr_t cell = fdtab_peek(fd);
	struct conn *c = (struct conn *)(cell & ~FDTAB_HIDDEN);
	int moved;

	if (!(cell & FDTAB_HIDDEN) || !c || conn_lock(c) != 0)
		return false;
	moved = real(fcntl)(fd, F_DUPFD_CLOEXEC, fd + 1);
	if (moved >= 0 && fdtab_hide(moved, c)) {
		c->real = moved;
		fdtab_unhide(fd);
	}
	conn_unlock(c);
	return moved >= 0;
}

/* ---- states ---- */

int conn_errno(const struct tls_failure *failure)
{
	switch (failure->kind) {
	case TLS_FAIL_TRUST:
	case TLS_FAIL_SETUP:
		return EACCES;
	case TLS_FAIL_PROTOCOL:
		return EPROTO;
	case TLS_FAIL_MEMORY:
		return ENOMEM;
	case TLS_FAIL_TRANSPORT:
		/* A peer that went away while we were writing. */
		if (failure->transport_errno == EPIPE)
			return ECONNRESET;
		return failure->transport_errno;
	case TLS_FAIL_NONE:
	case TLS_FAIL_TRUNCATED:
	case TLS_FAIL_RECORD:
		break;
	}
	return ECONNRESET;
}

int conn_take_error(struct conn *c)
{
	int error = c->error;

	c->error = 0;
	if (error && c->state == CONN_FAILED)
		c->error_spent = true;
	return error;
}

void conn_fail(struct conn *c, int error, const char *why)
{
	c->state = CONN_FAILED;
	c->changed = true;
	c->error = error;
	c->read_end = true;
	c->write_end = true;
	if (why)
		log_line(LOG_LEVEL_ERROR, "%s: refused: %s", c->destination,
			why);
	/* Wakes whoever sleeps on the real socket. */
	real(shutdown)(c->real, SHUT_RDWR);
	if (c->session)
		c->tls->session_free(c->session);
	c->session = NULL;
}

void conn_break(struct conn *c)
{
	const struct tls_failure *failure = c->tls->failure(c->session);

	c->error = c->write_told ? 0 : conn_errno(failure);
	c->read_end = true;
	c->write_end = true;
	c->maybe_readable = false;
	/* A reset is the peer's affair, and the program is told by errno. */
	log_line(failure->kind == TLS_FAIL_TRANSPORT ? LOG_LEVEL_INFO :
						       LOG_LEVEL_ERROR,
		"%s: connection broken: %s", c->destination, failure->text);
	real(shutdown)(c->real, SHUT_RDWR);
}

static void log_opened(const struct conn *c)
{
	struct tls_info info;
	int64_t us = (conn_now() - c->started) / 1000;

	if (!log_wants(LOG_LEVEL_INFO))
		return;
	c->tls->info(c->session, &info);
	log_line(LOG_LEVEL_INFO,
		"%s: connected: %s%s%s%s%s%s, verified for %s (%s): %s, issuer "
		"%s; handshake %ld.%c%c ms",
		c->destination, info.version, *info.cipher ? " " : "",
		info.cipher, info.resumed ? " resumed" : "",
		*info.alpn ? " alpn " : "", info.alpn, c->name,
		c->name_source, info.subject, info.issuer, (long)(us / 1000),
		(char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10));
}

/* The TCP connection of a socket that is being connected: 0 established,
 * EINPROGRESS, or why it failed. */
static int tcp_status(const struct conn *c)
{
	struct pollfd p = { .fd = c->real, .events = POLLOUT };
	int error = 0;
	socklen_t len = sizeof(error);

	if (real(poll)(&p, 1, 0) == 0)
		return EINPROGRESS;
	real(getsockopt)(c->real, SOL_SOCKET, SO_ERROR, &error, &len);
	return error;
}

static void advance_tcp(struct conn *c)
{
	int error = tcp_status(c);

	if (error == EINPROGRESS)
		return;
	if (error) {
		conn_fail(c, error, NULL);
		return;
	}
	c->state = CONN_HANDSHAKING;
	c->started = conn_now();
	c->handshake_end = c->started +
			   config_get()->base.handshake_timeout_ms * 1000000LL;
}

static void fail_late(struct conn *c)
{
	char why[128];
	unsigned ms = config_get()->base.handshake_timeout_ms;

	log_format(why, sizeof(why),
		"the TLS handshake was not finished within %u.%u s "
		"(TLSSHIM_HANDSHAKE_TIMEOUT)",
		ms / 1000, ms / 100 % 10);
	conn_fail(c, ETIMEDOUT, why);
}

static void fail_handshake(struct conn *c)
{
	const struct tls_failure *failure = c->tls->failure(c->session);
	char why[sizeof(failure->text) + 128];

	log_format(why, sizeof(why), "%s%s", failure->text,
		c->several_names && failure->kind == TLS_FAIL_TRUST ?
			"; several names were looked up for this address and "
			"must all be in it: TLSSHIM_SERVER_NAME can settle it" :
			"");
	conn_fail(c, conn_errno(failure), why);
}

static void advance_handshake(struct conn *c)
{
	switch (c->tls->handshake(c->session)) {
	case TLS_OK:
		c->state = CONN_OPEN;
		c->changed = true;
		/* The server's first words may have come with its last. */
		c->maybe_readable = true;
		log_opened(c);
		return;
	case TLS_WANT_READ:
	case TLS_WANT_WRITE:
		if (conn_now() >= c->handshake_end)
			fail_late(c);
		return;
	case TLS_EOF:
	case TLS_FAILED:
		break;
	}
	fail_handshake(c);
}

static void advance_output(struct conn *c)
{
	if (c->tls->pending_out(c->session) &&
		c->tls->flush(c->session) != TLS_OK)
		return;
	if (c->fin_pending) {
		c->fin_pending = false;
		real(shutdown)(c->real, SHUT_WR);
	}
}

void conn_advance(struct conn *c)
{
	if (c->state == CONN_CONNECTING)
		advance_tcp(c);
	if (c->state == CONN_HANDSHAKING)
		advance_handshake(c);
	if (c->state == CONN_OPEN)
		advance_output(c);
}

void conn_end_writing(struct conn *c)
{
	if (c->write_end)
		return;
	c->write_end = true;
	c->fin_pending = true;
	if (c->tls->shutdown(c->session) == TLS_OK)
		advance_output(c);
}

static bool probe_readable(struct conn *c)
{
	size_t available;
	enum tls_result r;

	if (c->read_end)
		return true;
	if (!c->maybe_readable)
		return false;
	if (c->low_water > 1)
		r = c->tls->fill(c->session, c->low_water, &available);
	else
		r = c->tls->probe(c->session);
	switch (r) {
	case TLS_WANT_READ:
	case TLS_WANT_WRITE:
		c->maybe_readable = false;
		return c->read_shut;
	case TLS_FAILED:
		/* With bytes before it, the failure is told after them. */
		if (c->tls->probe(c->session) == TLS_FAILED)
			conn_break(c);
		break;
	case TLS_OK:
	case TLS_EOF:
		break;
	}
	return true;
}

struct ready_state conn_ready(struct conn *c, bool probe)
{
	static const enum ready_phase phases[] = {
		[CONN_CONNECTING] = READY_CONNECTING,
		[CONN_HANDSHAKING] = READY_HANDSHAKING,
		[CONN_OPEN] = READY_OPEN,
		[CONN_FAILED] = READY_FAILED,
		[CONN_PLUGGED] = READY_OPEN,
	};
	struct ready_state st = { .phase = phases[c->state] };

	if (c->session)
		st.wants_write = c->tls->pending_out(c->session) > 0;
	if (probe && c->state == CONN_OPEN)
		st.readable = probe_readable(c);
	st.read_end = c->read_end || c->read_shut;
	st.write_end = c->write_end;
	st.has_error = c->error != 0;
	return st;
}

bool conn_is_nonblocking(struct conn *c, int fd)
{
	int flags;

	if (c->nonblocking)
		return true;
	/* About to block: another process may have changed the mode. */
	flags = real(fcntl)(fd, F_GETFL);
	c->nonblocking = flags >= 0 && (flags & O_NONBLOCK);
	return c->nonblocking;
}

int conn_peek_kernel(struct conn *c, int real_fd, int flags)
{
	char byte;
	ssize_t got = real(recv)(real_fd, &byte, 1, MSG_PEEK | flags);

	if (got >= 0)
		return (int)got;
	if (errno == EAGAIN || errno == EINTR)
		return -1;
	/* The kernel tells an error once: keep it for the next receive. */
	atomic_store(&c->kernel_error, errno);
	return 0;
}

int conn_before_pull(struct conn *c)
{
	for (int i = 0; i < YIELDS_MAX && atomic_load(c->waiters); i++) {
		int err;

		/* They sleep on if the kernel has nothing for them. */
		if (conn_peek_kernel(c, c->real, MSG_DONTWAIT) < 0)
			return 0;
		conn_unlock(c);
		sched_yield();
		err = conn_lock(c);
		if (err)
			return err;
	}
	return 0;
}
