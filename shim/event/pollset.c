/* SPDX-License-Identifier: MIT */
/*
 * poll and select over mixed sets.  Knows sets, timeouts and repetition; what
 * a connection asks for and tells is ready.h's rule.
 */
#include "event/pollset.h"

#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/single_threaded.h>
#include "base/clock.h"
#include "base/fail.h"
#include "base/fdtab.h"
#include "base/map.h"
#include "base/real.h"
#include "base/user_memory.h"
#include "conn/conn.h"
#include "conn/descriptors.h"
#include "conn/wait.h"
#include "event/epollset.h"
#include "event/nest.h"

#define ENTRIES_ON_STACK 32

/*
 * The program's array and the kernel's.  No reference to a connection is held
 * while the kernel is asked; only with several threads are sleepers counted,
 * and those must be held, in a list that is found again where a signal handler
 * jumps out.
 */
struct set {
	struct pollfd *fds;	    /* the program's */
	struct pollfd *kernel;	    /* what the kernel is asked */
	struct conn_list *sleeping; /* NULL in a lone thread */
	nfds_t n;
	int64_t handshakes_end; /* the earliest deadline of a handshake */
	void *mapping;
	size_t mapped;
};

/* One that was handed over is an ordinary socket. */
static bool is_interesting(int fd)
{
	uintptr_t cell = fdtab_peek(fd);

	return cell <= FDTAB_NOTES ? cell & FDTAB_SET : !(cell & FDTAB_PLUGGED);
}

/* Without a connection there may be an epoll set, and another thread that
 * puts the first one into it while this one sleeps. */
static bool may_be_interesting(void)
{
	return atomic_load_explicit(&conn_count, memory_order_acquire) > 0 ||
	       (epollset_exist() && !__libc_single_threaded);
}

bool pollset_has_conns(struct pollfd *fds, nfds_t n)
{
	if (!may_be_interesting() || user_memory_is_absurd(fds))
		return false;
	for (nfds_t i = 0; i < n; i++)
		if (is_interesting(fds[i].fd))
			return true;
	return false;
}

static bool make_room(struct set *set)
{
	size_t size = set->n * sizeof(struct pollfd);

	if (set->n > INT_MAX / sizeof(struct pollfd))
		return false;
	set->kernel = set->mapping = map_memory(size);
	set->mapped = size;
	return set->mapping != NULL;
}

/* Also runs when the thread is cancelled. */
static void release(struct set *set)
{
	conn_list_wake(set->sleeping);
	conn_list_give(set->sleeping);
	if (set->mapping)
		munmap(set->mapping, set->mapped);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Counts us among those who sleep on it: see conn_before_pull().  Under the
 * lock, with no need to look between this and the sleep. */
static void fall_asleep(struct set *set, struct conn *c)
{
	if (set->sleeping)
		conn_list_add(set->sleeping, c);
}

/*
 * Brings one connection up to date, knowing what the kernel said (0: nothing
 * yet): sets the program's revents and the next question.  Under the lock.
 */
static void update(struct set *set, nfds_t i, struct conn *c, short kernel)
{
	struct pollfd *p = &set->fds[i];
	bool reads = (p->events & (POLLIN | POLLRDNORM | POLLRDHUP)) != 0;
	struct ready_state st;

	if (kernel & (POLLIN | POLLRDHUP | POLLHUP | POLLERR))
		c->maybe_readable = true;
	conn_advance(c);
	st = conn_ready(c, reads);
	p->revents = ready_tell(&st, p->events, kernel);
	if (c->state != CONN_FAILED)
		set->kernel[i].fd = c->real;
	set->kernel[i].events = ready_ask(&st, p->events);
	if (c->state == CONN_HANDSHAKING)
		set->handshakes_end =
			earlier(set->handshakes_end, c->handshake_end);
	if (!p->revents && (set->kernel[i].events & POLLIN))
		fall_asleep(set, c);
}

static void look_at_conn(struct set *set, nfds_t i, struct conn *c, bool asked)
{
	struct pollfd said = set->kernel[i];
	int err = conn_lock(c);

	set->fds[i].revents = 0;
	set->kernel[i] = (struct pollfd){.fd = -1};
	if (err == EBADF)
		set->fds[i].revents = POLLNVAL;
	if (!err && atomic_load(c->waiters))
		err = conn_before_pull(c);
	if (err)
		return;
	if (c->state == CONN_PLUGGED) {
		conn_unlock(c);
		set->kernel[i] = set->fds[i];
		return;
	}
	update(set, i, c, asked && said.fd == c->real ? said.revents : 0);
	conn_unlock(c);
}

/* An epoll set, or a number that is none of ours: what the kernel says, if
 * that is true. */
static void look_at_other(struct set *set, nfds_t i, bool asked)
{
	struct pollfd *p = &set->fds[i];
	struct watch_set *epoll =
		asked ? fdtab_epoll(p->fd) : epollset_polled(p->fd);
	const short readable = POLLIN | POLLRDNORM;
	int64_t end;

	p->revents = asked && set->kernel[i].fd == p->fd
			     ? set->kernel[i].revents
			     : 0;
	set->kernel[i] = *p;
	if (!epoll || !nest_may_deceive(epoll))
		return;
	end = nest_deadline(epoll);
	if (p->revents & readable || (end != WAIT_FOREVER && end < clock_now()))
		p->revents = nest_is_readable(epoll)
				     ? p->revents | (p->events & readable)
				     : p->revents & ~readable;
	set->handshakes_end =
		earlier(set->handshakes_end, nest_deadline(epoll));
}

/*
 * One look at the whole set; `asked`: the kernel's answers stand in
 * set->kernel.  What each number names is looked up anew each time, because
 * it may have changed while we slept.  Returns how many have something to
 * tell.
 */
static int look(struct set *set, bool asked)
{
	int ready = 0;

	set->handshakes_end = WAIT_FOREVER;
	for (nfds_t i = 0; i < set->n; i++) {
		struct pollfd *p = &set->fds[i];
		/* The analyzer fears that mmap() gives NULL for select().
		 * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
		struct conn *c = descriptor_get(p->fd);

		if (c) {
			look_at_conn(set, i, c, asked);
			conn_put(c);
		} else {
			look_at_other(set, i, asked);
		}
		ready += p->revents != 0;
	}
	return ready;
}

static void hold_done(struct conn_hold *outer)
{
	conn_hold_end(outer);
}

/* What is slept on is given back also when a handler jumps out of this. */
static int ask_held(
	struct set *set, const struct timespec *timeout, const sigset_t *mask)
{
	__attribute__((cleanup(hold_done), unused)) struct conn_hold outer =
		conn_hold_list(set->sleeping);

	return real(ppoll)(set->kernel, set->n, timeout, mask);
}

static int ask_kernel(
	struct set *set, bool now, int64_t deadline, const sigset_t *mask)
{
	int64_t left = 0;
	struct timespec ts, *timeout;
	int r;

	deadline = earlier(deadline, set->handshakes_end);
	if (!now && deadline != WAIT_FOREVER)
		left = deadline - clock_now();
	if (left < 0)
		left = 0;
	ts.tv_sec = left / 1000000000;
	ts.tv_nsec = left % 1000000000;
	timeout = !now && deadline == WAIT_FOREVER ? NULL : &ts;
	if (!set->sleeping || !set->sleeping->n)
		return real(ppoll)(set->kernel, set->n, timeout, mask);
	r = ask_held(set, timeout, mask);
	conn_list_wake(set->sleeping);
	return r;
}

static int poll_set(struct set *set, int64_t deadline, const sigset_t *mask)
{
	int ready = look(set, false);

	for (;;) {
		bool late = deadline != WAIT_FOREVER && clock_now() >= deadline;
		int r = ask_kernel(set, ready > 0, deadline, mask);

		if (r < 0 && !(ready && errno == EINTR))
			return -1;
		ready = look(set, true);
		if (ready || late)
			break;
	}
	conn_list_wake(set->sleeping);
	return ready;
}

int pollset_poll(
	struct pollfd *fds, nfds_t n, int64_t deadline, const sigset_t *mask)
{
	struct pollfd kernel[ENTRIES_ON_STACK];
	__attribute__((cleanup(release), unused)) struct set set = {
		.fds = fds,
		.kernel = kernel,
		.n = n,
	};

	if (n > ENTRIES_ON_STACK && !make_room(&set))
		return fail(ENOMEM);
	if (!__libc_single_threaded) {
		set.sleeping = conn_list_take(n);
		if (!set.sleeping)
			return fail(ENOMEM);
	}
	return poll_set(&set, deadline, mask);
}

/* ---- select ---- */

/* select(2), "Correspondence between select() and poll() notifications". */
#define TELLS_READ (POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR)
#define TELLS_WRITE (POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR)
#define TELLS_EXCEPT POLLPRI

static bool has(const fd_set *set, int fd)
{
	/* Not FD_ISSET: sets may be larger than FD_SETSIZE. */
	return set && (((const unsigned long *)set)[fd / (int)NFDBITS] >>
				      (fd % (int)NFDBITS) &
			      1);
}

static void put(fd_set *set, int fd)
{
	((unsigned long *)set)[fd / (int)NFDBITS] |= 1UL << (fd % (int)NFDBITS);
}

static void clear(fd_set *set, int n)
{
	if (set)
		memset(set, 0,
			((size_t)n + NFDBITS - 1) / NFDBITS * sizeof(long));
}

bool pollset_fdset_has_conns(int n, const fd_set *set)
{
	if (!set || n < 0 || n > FDTAB_MAX || !may_be_interesting())
		return false;
	for (int fd = 0; fd < n; fd++)
		if (has(set, fd) && is_interesting(fd))
			return true;
	return false;
}

int pollset_clip(int n)
{
	char status[1024], *line;
	int fd, size = FD_SETSIZE;
	ssize_t got;

	if (n <= FD_SETSIZE || !may_be_interesting())
		return n;
	fd = real(open)("/proc/self/status", O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : real(read)(fd, status, sizeof(status) - 1);
	if (fd >= 0)
		real(close)(fd);
	if (got > 0) {
		status[got] = 0;
		line = strstr(status, "\nFDSize:");
		if (line)
			size = (int)strtol(line + 8, NULL, 10);
	}
	return n < size ? n : size;
}

struct select_args {
	int n;
	fd_set *readable, *writable, *except;
};

static short asked_of(const struct select_args *args, int fd)
{
	return (short)((has(args->readable, fd) ? POLLIN | POLLRDNORM : 0) |
		       (has(args->writable, fd) ? POLLOUT | POLLWRNORM : 0) |
		       (has(args->except, fd) ? POLLPRI : 0));
}

static int from_sets(const struct select_args *args, struct pollfd *fds)
{
	int n = 0;

	for (int fd = 0; fd < args->n; fd++) {
		short asked = asked_of(args, fd);

		if (!asked)
			continue;
		if (fds)
			fds[n] = (struct pollfd){.fd = fd, .events = asked};
		n++;
	}
	return n;
}

static bool tell(fd_set *set, int fd, short asked, short told)
{
	if (!set || !asked || !told)
		return false;
	put(set, fd);
	return true;
}

/* The sets from the answers; returns how many bits, or -1 with EBADF. */
static int to_sets(
	const struct select_args *args, const struct pollfd *fds, int n)
{
	int bits = 0;

	for (int i = 0; i < n; i++)
		if (fds[i].revents & POLLNVAL)
			return fail(EBADF);
	clear(args->readable, args->n);
	clear(args->writable, args->n);
	clear(args->except, args->n);
	for (int i = 0; i < n; i++) {
		int fd = fds[i].fd;
		short asked = fds[i].events, told = fds[i].revents;

		bits += tell(
			args->readable, fd, asked & POLLIN, told & TELLS_READ);
		bits += tell(args->writable, fd, asked & POLLOUT,
			told & TELLS_WRITE);
		bits += tell(
			args->except, fd, asked & POLLPRI, told & TELLS_EXCEPT);
	}
	return bits;
}

/* Would select() return for this?  POLLHUP alone wakes no set but the
 * readable one, and poll() tells it unasked. */
static bool matters(const struct pollfd *fds, int n)
{
	for (int i = 0; i < n; i++) {
		short asked = fds[i].events, told = fds[i].revents;

		if ((told & POLLNVAL) ||
			((asked & POLLIN) && (told & TELLS_READ)) ||
			((asked & POLLOUT) && (told & TELLS_WRITE)) ||
			((asked & POLLPRI) && (told & TELLS_EXCEPT)))
			return true;
	}
	return false;
}

struct scratch {
	struct pollfd *fds;
	size_t size;
};

static void free_scratch(struct scratch *scratch)
{
	if (scratch->fds)
		munmap(scratch->fds, scratch->size);
}

int pollset_select(int n, fd_set *readable, fd_set *writable, fd_set *except,
	int64_t deadline, const sigset_t *mask)
{
	struct select_args args = {n, readable, writable, except};
	int count = from_sets(&args, NULL), r;
	__attribute__((
		cleanup(free_scratch), unused)) struct scratch scratch = {
		.size = (size_t)count * sizeof(struct pollfd) + 1,
	};

	scratch.fds = map_memory(scratch.size);
	if (!scratch.fds)
		return fail(ENOMEM);
	from_sets(&args, scratch.fds);
	for (;;) {
		r = pollset_poll(scratch.fds, (nfds_t)count, deadline, mask);
		if (r < 0)
			return -1;
		if (r == 0 || matters(scratch.fds, count))
			return to_sets(&args, scratch.fds, count);
		/* Hung up, and the program does not ask about reading: do not
		 * turn in circles. */
		for (int i = 0; i < count; i++)
			if (scratch.fds[i].revents)
				scratch.fds[i].fd = ~scratch.fds[i].fd;
	}
}
