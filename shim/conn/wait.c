/* SPDX-License-Identifier: MIT */
/*
 * Blocking waits.  Knows signals, deadlines and the real socket; what is done
 * when a wait is over, its callers know.
 */
#include "conn/wait.h"

#include <errno.h>
#include <signal.h>
#include <sys/single_threaded.h>
#include "base/clock.h"
#include "base/faults.h"
#include "base/fdtab.h"
#include "base/real.h"

int64_t wait_deadline(int64_t timeout)
{
	return timeout ? clock_now() + timeout : WAIT_FOREVER;
}

int64_t wait_until_ms(int timeout)
{
	return timeout < 0 ? WAIT_FOREVER : clock_now() + timeout * 1000000LL;
}

bool wait_is_valid(const struct timespec *timeout)
{
	return !timeout || (timeout->tv_sec >= 0 && timeout->tv_nsec >= 0 &&
				   timeout->tv_nsec < 1000000000);
}

int64_t wait_until(const struct timespec *timeout)
{
	return timeout ? clock_now() + timeout->tv_sec * 1000000000LL +
				 timeout->tv_nsec
		       : WAIT_FOREVER;
}

/* Handled without SA_RESTART by many programs, and never amid a wait. */
static bool is_a_fault(int sig)
{
	for (unsigned i = 0; i < N_FAULTS; i++)
		if (sig == faults[i])
			return true;
	return false;
}

/*
 * A call that we had to wait for by ppoll(), which ends with EINTR for every
 * handler: would the kernel have restarted the call it stands for?  Which
 * handler ran is not known, so: if all that are installed say SA_RESTART.
 */
static bool signals_restart(void)
{
	for (int sig = 1; sig < NSIG; sig++) {
		struct sigaction act;

		if (is_a_fault(sig))
			continue;
		if (sigaction(sig, NULL, &act) == 0 &&
			act.sa_handler != SIG_DFL &&
			act.sa_handler != SIG_IGN &&
			!(act.sa_flags & SA_RESTART))
			return false;
	}
	return true;
}

/* 0: some event; EINTR; EAGAIN: the deadline. */
static int wait_events(int fd, short events, int64_t deadline)
{
	struct pollfd p = {.fd = fd, .events = events};
	int64_t left = deadline == WAIT_FOREVER ? 0 : deadline - clock_now();
	struct timespec ts = {
		.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};

	if (left < 0)
		return EAGAIN;
	switch (real(ppoll)(
		&p, 1, deadline == WAIT_FOREVER ? NULL : &ts, NULL)) {
	case 0:
		return EAGAIN;
	case -1:
		return errno;
	default:
		return 0;
	}
}

static void conn_hold_done(struct conn_hold *outer)
{
	conn_hold_end(outer);
}

static int wait_held(struct conn *c, int fd, short events, int64_t deadline)
{
	__attribute__((cleanup(conn_hold_done),
		unused)) struct conn_hold outer = conn_hold_begin(c, false);

	return wait_events(fd, events, deadline);
}

/*
 * Another thread may have finished the handshake, by poll() or because it
 * forks: then the kernel has nothing to wake us for.  Look again so often.
 */
#define LOOK_AGAIN_NS 20000000

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* With a timeout set the kernel never restarts: signal(7). */
static bool is_interrupted(int err, int64_t deadline)
{
	return err == EINTR && (deadline != WAIT_FOREVER || !signals_restart());
}

/* A relay does the handshake, and has it in shared memory how that went; when
 * it is killed the placeholder hangs up. */
static int wait_relay(struct conn *c, int fd, int64_t deadline)
{
	for (;;) {
		int outcome = atomic_load(c->outcome), err;

		if (outcome != EINPROGRESS)
			return outcome;
		err = wait_held(c, fd, 0,
			earlier(deadline, clock_now() + LOOK_AGAIN_NS));
		if (!err && atomic_load(c->outcome) == EINPROGRESS)
			return ECONNRESET;
		if (err == EAGAIN && clock_now() >= deadline)
			return EAGAIN;
		if (is_interrupted(err, deadline))
			return EINTR;
	}
}

int wait_open(struct conn *c, int fd, int64_t deadline)
{
	for (;;) {
		short events = POLLOUT;
		int64_t end = deadline;
		int err = conn_lock(c);

		if (err)
			return err;
		conn_advance(c);
		if (c->state == CONN_FAILED) {
			err = conn_take_error(c);
			conn_unlock(c);
			return err ? err : ECONNABORTED;
		}
		if (c->state == CONN_HANDSHAKING) {
			struct ready_state st = conn_ready(c, false);

			events = ready_ask(&st, 0);
			end = earlier(end, c->handshake_end);
		}
		if (!conn_is_opening(c)) {
			bool plugged = c->state == CONN_PLUGGED;

			conn_unlock(c);
			return plugged ? wait_relay(c, fd, deadline) : 0;
		}
		conn_unlock(c);
		if (!__libc_single_threaded)
			end = earlier(end, clock_now() + LOOK_AGAIN_NS);
		err = wait_held(c, c->real, events, end);
		if (err == EAGAIN && clock_now() >= deadline)
			return EAGAIN;
		if (is_interrupted(err, deadline))
			return EINTR;
	}
}

static void connect_done(struct conn_hold *outer)
{
	fdtab_shown = 0;
	conn_hold_end(outer);
}

int wait_connect(struct conn *c, const struct sockaddr *addr, socklen_t len)
{
	__attribute__((cleanup(connect_done), unused)) struct conn_hold outer =
		conn_hold_begin(c, false);

	fdtab_shown = c->real + 1;
	return real(connect)(c->real, addr, len);
}

int wait_readable(struct conn *c, int64_t deadline)
{
	int fd = c->real, err = 0;
	bool output = c->tls->pending_out(c->session) > 0;
	/* Counted under the lock: see conn_before_pull(). */
	__attribute__((cleanup(conn_hold_done),
		unused)) struct conn_hold outer = conn_hold_begin(c, true);

	conn_unlock(c);
	if (deadline == WAIT_FOREVER && !output)
		return conn_peek_kernel(c, fd, 0) < 0 ? errno : 0;
	err = wait_events(fd, output ? POLLIN | POLLOUT : POLLIN, deadline);
	if (err == EINTR && deadline == WAIT_FOREVER && signals_restart())
		return 0;
	return err;
}

int wait_writable(struct conn *c, int64_t deadline)
{
	int fd = c->real, err;
	__attribute__((cleanup(conn_hold_done),
		unused)) struct conn_hold outer = conn_hold_begin(c, false);

	conn_unlock(c);
	err = wait_events(fd, POLLOUT, deadline);
	if (err == EINTR && deadline == WAIT_FOREVER && signals_restart())
		return 0;
	return err;
}
