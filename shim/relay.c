/* SPDX-License-Identifier: MIT */
/*
 * The relay process: how it is started without a trace in the program, and
 * how it pumps.  Knows sessions and sockets; who is handed over and when,
 * plug.c knows.
 *
 * It runs in a raw copy of the program in which other threads may have held
 * any lock of the C library: nothing here allocates from it, uses stdio, or
 * needs the dynamic linker (this file is compiled without a PLT).
 */
#include "relay.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "conn.h"
#include "log.h"
#include "lighten.h"
#include "real.h"

#define STACK_SIZE (256 << 10)
#define BUFFER_SIZE (64 << 10)
#define NS_PER_S 1000000000LL
/* After the program's FIN, for a peer that says nothing: as tcp_fin_timeout. */
#define LINGER_NS (60 * NS_PER_S)
/* For threads of the program that must see their wake-up first. */
#define SLEEPERS_NS NS_PER_S

/* ---- what it looks like ---- */

static char *title;
static size_t title_size;

/* argv and what follows it is what ps shows.  The C library gives constructors
 * the arguments of main(). */
__attribute__((constructor)) static void note_title(
	int argc, char **argv, char **envp)
{
	(void)envp;
	if (argc < 1 || !argv || !argv[0])
		return;
	title = argv[0];
	title_size = (size_t)(argv[argc - 1] - argv[0]) +
		     strlen(argv[argc - 1]) + 1;
}

static void set_title(const struct conn *c)
{
	real(prctl)(PR_SET_NAME, "tlsshim-relay", 0, 0, 0);
	if (!title)
		return;
	memset(title, 0, title_size);
	log_format(title, (unsigned)title_size, "tlsshim-relay %s",
		c->destination);
}

/* ---- one leg ---- */

static bool has(const struct relay_buffer *b)
{
	return b->off < b->len;
}

static void end_leg(struct relay_leg *leg)
{
	const struct conn *c = leg->c;

	/* The program may still hold copies: close() alone sends no FIN. */
	real(shutdown)(c->real, SHUT_RDWR);
	real(close)(c->real);
	if (leg->inner >= 0)
		real(close)(leg->inner);
	munmap(leg->to_program.bytes, BUFFER_SIZE);
	munmap(leg->to_peer.bytes, BUFFER_SIZE);
	leg->over = true;
}

/* The peer failed: the program is to see ECONNRESET, not an end. */
static void reset_program(struct relay_leg *leg)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };
	const struct conn *c = leg->c;
	const struct tls_failure *why = c->tls->failure(c->session);

	log_line(why->kind == TLS_FAIL_TRANSPORT ? LOG_LEVEL_INFO :
						   LOG_LEVEL_ERROR,
		"%s: connection broken: %s", c->destination, why->text);
	if (leg->inner >= 0)
		real(setsockopt)(leg->inner, SOL_SOCKET, SO_LINGER, &now,
			sizeof(now));
	end_leg(leg);
}

/* Plaintext that the program has not taken yet. */
static void push_to_program(struct relay_leg *leg)
{
	struct relay_buffer *b = &leg->to_program;

	while (has(b)) {
		ssize_t n = real(send)(leg->inner, b->bytes + b->off,
			b->len - b->off, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) { /* it has closed: nobody reads any more */
			leg->peer_done = leg->peer_told = true;
			leg->program_done = true;
			b->off = b->len;
			return;
		}
		b->off += (size_t)n;
	}
	if (leg->peer_done && !leg->peer_told) {
		leg->peer_told = true;
		real(shutdown)(leg->inner, SHUT_WR);
	}
}

/* Threads of the program that sleep on the real socket would never wake if
 * their bytes were gone when they look. */
static bool must_let_sleepers_out(struct relay_leg *leg)
{
	if (!atomic_load(leg->c->waiters))
		return false;
	if (!leg->sleepers)
		leg->sleepers = conn_now();
	return conn_now() - leg->sleepers < SLEEPERS_NS;
}

static void pump_to_program(struct relay_leg *leg)
{
	struct conn *c = leg->c;
	struct relay_buffer *b = &leg->to_program;

	while (!leg->peer_done && !has(b)) {
		struct iovec iov = { b->bytes, BUFFER_SIZE };
		size_t n = 0;

		switch (c->tls->readv(c->session, &iov, 1, &n)) {
		case TLS_OK:
			b->off = 0;
			b->len = n;
			leg->end = conn_now() + LINGER_NS;
			break;
		case TLS_EOF:
			leg->peer_done = true;
			break;
		case TLS_WANT_READ:
		case TLS_WANT_WRITE:
			return;
		case TLS_FAILED:
			reset_program(leg);
			return;
		}
		if (leg->inner < 0)
			b->off = b->len;
		push_to_program(leg);
	}
}

static void finish_to_peer(struct relay_leg *leg)
{
	struct conn *c = leg->c;

	if (!leg->program_done || leg->fin_sent || has(&leg->to_peer))
		return;
	if (c->tls->shutdown(c->session) == TLS_WANT_WRITE)
		return;
	leg->fin_sent = true;
	real(shutdown)(c->real, SHUT_WR);
}

/* What the program said goes into records; false: no more for now. */
static bool push_to_peer(struct relay_leg *leg)
{
	struct conn *c = leg->c;
	struct relay_buffer *b = &leg->to_peer;

	while (has(b)) {
		struct iovec iov = { b->bytes + b->off, b->len - b->off };
		size_t n = 0;

		switch (c->tls->writev(c->session, &iov, 1, &n)) {
		case TLS_OK:
			b->off += n;
			break;
		case TLS_WANT_READ:
		case TLS_WANT_WRITE:
			return false;
		case TLS_EOF:
		case TLS_FAILED:
			reset_program(leg);
			return false;
		}
	}
	return true;
}

static void pump_to_peer(struct relay_leg *leg)
{
	struct relay_buffer *b = &leg->to_peer;

	while (push_to_peer(leg) && !leg->program_done &&
		!leg->c->tls->pending_out(leg->c->session)) {
		ssize_t n = real(recv)(
			leg->inner, b->bytes, BUFFER_SIZE, MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return;
		b->off = 0;
		b->len = n > 0 ? (size_t)n : 0;
		if (n < 0) /* closed with unread bytes: it is gone */
			leg->peer_done = leg->peer_told = true;
		if (n <= 0) {
			leg->program_done = true;
			leg->end = conn_now() + LINGER_NS;
		}
	}
}

static bool is_finished(const struct relay_leg *leg)
{
	return leg->fin_sent && leg->peer_done && leg->peer_told;
}

/* ---- all legs ---- */

static short asks_of_real(const struct relay_leg *leg)
{
	const struct conn *c = leg->c;

	return (short)((!leg->peer_done && !has(&leg->to_program) ? POLLIN :
								    0) |
		       (c->tls->pending_out(c->session) ? POLLOUT : 0));
}

static short asks_of_inner(const struct relay_leg *leg)
{
	bool room = !has(&leg->to_peer) &&
		    !leg->c->tls->pending_out(leg->c->session);

	return (short)((!leg->program_done && room ? POLLIN : 0) |
		       (has(&leg->to_program) ? POLLOUT : 0));
}

static void step(struct relay_leg *leg, short real_events, int64_t now)
{
	struct conn *c = leg->c;

	if (c->tls->pending_out(c->session))
		c->tls->flush(c->session);
	if (!leg->over)
		pump_to_peer(leg);
	if (!leg->over && has(&leg->to_program))
		push_to_program(leg);
	if (!leg->over && !has(&leg->to_program) &&
		(real_events || c->tls->pending_in(c->session)) &&
		!must_let_sleepers_out(leg))
		pump_to_program(leg);
	if (!leg->over)
		push_to_program(leg); /* the end, if there is one to tell */
	if (!leg->over)
		finish_to_peer(leg);
	if (!leg->over &&
		(is_finished(leg) || (leg->program_done && now >= leg->end)))
		end_leg(leg);
}

struct pump {
	struct relay_leg *legs;
	unsigned n;
	struct pollfd *fds; /* two a leg: real, inner */
};

/* Milliseconds until something must be looked at without an event. */
static int next_timeout(const struct pump *pump, int64_t now)
{
	int64_t end = INT64_MAX;

	for (unsigned i = 0; i < pump->n; i++) {
		const struct relay_leg *leg = &pump->legs[i];

		if (leg->over)
			continue;
		if (leg->program_done && leg->end < end)
			end = leg->end;
		if (leg->sleepers && atomic_load(leg->c->waiters))
			end = now + 1000000;
	}
	if (end == INT64_MAX)
		return -1;
	return end <= now ? 0 : (int)((end - now) / 1000000) + 1;
}

static unsigned prepare_poll(struct pump *pump)
{
	unsigned alive = 0;

	for (unsigned i = 0; i < pump->n; i++) {
		const struct relay_leg *leg = &pump->legs[i];
		struct pollfd *p = &pump->fds[2 * i];

		p[0] = (struct pollfd){ .fd = -1 };
		p[1] = (struct pollfd){ .fd = -1 };
		if (leg->over)
			continue;
		alive++;
		p[0].events = asks_of_real(leg);
		p[1].events = asks_of_inner(leg);
		/* HUP and ERR come unasked: do not turn in circles on them. */
		if (p[0].events)
			p[0].fd = leg->c->real;
		if (p[1].events)
			p[1].fd = leg->inner;
	}
	return alive;
}

static void pump_all(struct pump *pump)
{
	int64_t now = conn_now();

	for (unsigned i = 0; i < pump->n; i++)
		step(&pump->legs[i], 0, now);
	while (prepare_poll(pump)) {
		real(poll)(pump->fds, 2 * pump->n, next_timeout(pump, now));
		now = conn_now();
		for (unsigned i = 0; i < pump->n; i++)
			if (!pump->legs[i].over)
				step(&pump->legs[i],
					pump->fds[2 * i].revents, now);
	}
}

/* ---- becoming a relay ---- */

static void reset_signals(void)
{
	struct sigaction deflt = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &deflt, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool is_kept(const struct pump *pump, int fd)
{
	for (unsigned i = 0; i < pump->n; i++)
		if (fd == pump->legs[i].c->real || fd == pump->legs[i].inner)
			return true;
	return false;
}

/* Closes all but the legs' sockets, and the log if it is a file. */
static void close_others(const struct pump *pump)
{
	unsigned first = 0;
	int log = log_descriptor(), last = log;

	for (unsigned i = 0; i < pump->n; i++) {
		if (pump->legs[i].c->real > last)
			last = pump->legs[i].c->real;
		if (pump->legs[i].inner > last)
			last = pump->legs[i].inner;
	}
	for (int fd = 0; fd <= last; fd++)
		if (is_kept(pump, fd) || fd == log) {
			if ((unsigned)fd > first)
				real(close_range)(
					first, (unsigned)fd - 1, 0);
			first = (unsigned)fd + 1;
		}
	real(close_range)(first, UINT_MAX, 0);
}

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Its own memory, after the program's is gone. */
static bool make_buffers(struct pump *pump)
{
	pump->fds = map(2 * pump->n * sizeof(*pump->fds));
	for (unsigned i = 0; i < pump->n; i++) {
		pump->legs[i].to_program.bytes = map(BUFFER_SIZE);
		pump->legs[i].to_peer.bytes = map(BUFFER_SIZE);
		if (!pump->legs[i].to_program.bytes ||
			!pump->legs[i].to_peer.bytes)
			return false;
	}
	return pump->fds != NULL;
}

struct start {
	struct relay_leg *legs;
	unsigned n;
	void *stack;
	int result;
};

static void relay_main(const struct start *start)
{
	struct pump pump = { start->legs, start->n, NULL };

	real(syscall)(SYS_setsid);
	reset_signals();
	real(prctl)(PR_SET_DUMPABLE, 0, 0, 0, 0);
	set_title(pump.legs[0].c);
	close_others(&pump);
	if (chdir("/") < 0)
		log_line(LOG_LEVEL_DEBUG, "relay: cannot chdir to /");
	lighten(start->legs, start->n, start->stack, STACK_SIZE);
	if (make_buffers(&pump))
		pump_all(&pump);
	real(_exit)(0);
}

/*
 * In the program's memory, on a stack of its own, while the thread that wants
 * the relay is suspended (CLONE_VFORK): makes the copy that becomes the relay
 * and ends, so that the relay is nobody's child.  Not fork(): its handlers
 * are the program's affair, and a child of fork() is seen by wait().
 */
static int make_copy(void *arg)
{
	struct start *start = arg;
	long pid = real(syscall)(SYS_clone, 0, NULL, NULL, NULL, NULL);

	if (pid == 0)
		relay_main(start);
	start->result = pid < 0 ? errno : 0;
	real(syscall)(SYS_exit, 0);
	return 0;
}

static int run_copy(struct start *start)
{
	int pid = real(clone)(make_copy, (char *)start->stack + STACK_SIZE,
		CLONE_VM | CLONE_VFORK, start);

	if (pid < 0)
		return errno;
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	return start->result;
}

int relay_start(struct relay_leg *legs, unsigned n)
{
	struct start start = { legs, n, map(STACK_SIZE), 0 };
	uint64_t all = ~UINT64_C(0), old = 0;
	int err;

	if (!start.stack)
		return ENOMEM;
	/* By number: libc's own would leave out the signals it uses. */
	real(syscall)(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof(all));
	err = run_copy(&start);
	real(syscall)(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(old));
	munmap(start.stack, STACK_SIZE);
	return err;
}
