/* SPDX-License-Identifier: MIT */
/*
 * Event loops.  Knows sets, waiting and repetition; what a single
 * registration asks and tells is watch.c's.
 */
#include "event/epollset.h"

#include <errno.h>
#include <limits.h>
#include "base/clock.h"
#include "base/fdtab.h"
#include "base/idle.h"
#include "base/real.h"
#include "config/config.h"
#include "conn/conn.h"
#include "conn/descriptors.h"
#include "conn/wait.h"
#include "event/early.h"
#include "event/nest.h"
#include "event/watch.h"

static atomic_bool used IDLE_DATA;
static atomic_bool sets_exist IDLE_DATA;
static bool is_shared;	   /* sets, perhaps, with another process */
static atomic_ulong calls; /* numbers the calls of epollset_wait() */

static int fail(int err)
{
	errno = err;
	return -1;
}

static bool forget_watches(int fd, uintptr_t cell, void *arg)
{
	(void)fd;
	(void)arg;
	if (cell & FDTAB_EPOLL)
		watch_set_forget_all((struct watch_set *)(cell & ~FDTAB_EPOLL));
	return true;
}

/* Either process may register connections in a set that both have, and the
 * other is not to take our cookies for its own data. */
void epollset_fork_prepare(void)
{
	if (!atomic_load(&sets_exist))
		return;
	watch_fork_prepare();
	is_shared = true;
	atomic_store(&used, true);
}

/* The sets are the parent's own, shared with it, and what was registered
 * before connect() is still there. */
void epollset_fork_child(void)
{
	early_fork_child();
	watch_fork_child();
	watch_set_fork_child();
	nest_fork_child();
	fdtab_each(0, FDTAB_MAX - 1, forget_watches, NULL);
}

bool epollset_is_used(void)
{
	return atomic_load_explicit(&used, memory_order_acquire);
}

/* ---- sets by number ---- */

int epollset_made(int epfd)
{
	if (epfd >= 0 && config_active()) {
		fdtab_note(epfd, FDTAB_SET);
		atomic_store(&sets_exist, true);
	}
	return epfd;
}

bool epollset_exist(void)
{
	return atomic_load_explicit(&sets_exist, memory_order_acquire);
}

struct copies {
	int epfd;
	struct watch_set *set;
};

static bool is_same_set(int fd, uintptr_t cell, void *arg)
{
	struct copies *copies = arg;
	struct watch_set *set = (struct watch_set *)(cell & ~FDTAB_EPOLL);

	(void)fd;
	if (!(cell & FDTAB_EPOLL) || !watch_set_is(set, copies->epfd))
		return true;
	copies->set = set;
	return false;
}

/* The set behind a number, made if need be: sets are not known before they
 * matter, and a number may be a copy of one that does already. */
static struct watch_set *set_of(int epfd)
{
	struct copies copies = {epfd, fdtab_epoll(epfd)};

	if (copies.set || !fdtab_reserve(epfd))
		return copies.set;
	if (fdtab_has_note(epfd, FDTAB_MARKED))
		fdtab_each(0, FDTAB_MAX - 1, is_same_set, &copies);
	if (copies.set)
		atomic_fetch_add(&copies.set->refs, 1);
	else
		copies.set = watch_set_new(epfd);
	if (!copies.set)
		return NULL;
	fdtab_set_epoll(epfd, copies.set);
	atomic_store(&sets_exist, true);
	atomic_store(&used, true);
	return copies.set;
}

struct search {
	const struct watch_set *set;
	int epfd;
};

static bool is_other_number(int fd, uintptr_t cell, void *arg)
{
	struct search *search = arg;

	if (cell != ((uintptr_t)search->set | FDTAB_EPOLL))
		return true;
	search->epfd = fd;
	return false;
}

void epollset_closed(int epfd)
{
	struct watch_set *set = fdtab_epoll(epfd);
	struct search search = {set, -1};

	if (!set)
		return;
	fdtab_set_epoll(epfd, NULL);
	/* Another number of it, or none: then the kernel's set is gone, and
	 * the struct stays until the last watch in it has ended. */
	fdtab_each(0, FDTAB_MAX - 1, is_other_number, &search);
	set->epfd = search.epfd;
	if (search.epfd < 0) {
		early_forget_all(set);
		nest_closed(set);
		watch_set_closed(set);
	}
	watch_set_put(set);
}

void epollset_copied(int from, int to)
{
	struct watch_set *set = fdtab_epoll(from);

	epollset_closed(to);
	if (fdtab_has_note(from, FDTAB_SET))
		fdtab_note(to, FDTAB_SET);
	if (!set || !fdtab_reserve(to))
		return;
	atomic_fetch_add(&set->refs, 1);
	fdtab_set_epoll(to, set);
}

/* Only in a set can something be missing. */
static bool is_set(int fd, int other)
{
	return real(epoll_ctl)(fd, EPOLL_CTL_DEL, other, NULL) < 0 &&
	       errno == ENOENT;
}

static bool tighten(int fd, uintptr_t cell, void *arg)
{
	conn_ref struct conn *c =
		fdtab_is_number(cell) ? descriptor_get(fd) : NULL;

	if (c && conn_lock(c) == 0) {
		if (c->watches)
			watch_tighten(c, arg);
		conn_unlock(c);
	}
	return true;
}

static void note_polled(struct watch_set *set)
{
	if (atomic_load(&set->polled))
		return;
	watch_set_polled(set);
	fdtab_each(0, FDTAB_MAX - 1, tighten, set);
}

struct watch_set *epollset_polled(int fd)
{
	struct watch_set *set = fdtab_epoll(fd);

	if (!set && fdtab_has_note(fd, FDTAB_SET))
		set = set_of(fd);
	if (set)
		note_polled(set);
	return set;
}

struct watch_set *epollset_know(int epfd)
{
	return set_of(epfd);
}

/* One set now stands in another. */
static void note_nested(int outer, int inner)
{
	struct watch_set *in = set_of(inner), *out = set_of(outer);

	if (!in || !out)
		return;
	note_polled(in);
	nest_add(out, in);
}

static void note_change(
	int epfd, int op, int fd, const struct epoll_event *event)
{
	enum early_kind kind;
	struct watch_set *set;

	if (op == EPOLL_CTL_DEL) {
		early_forget(fdtab_epoll(epfd), fd);
		if (fdtab_epoll(fd))
			nest_remove(fdtab_epoll(epfd), fdtab_epoll(fd));
		return;
	}
	kind = early_kind(fd);
	if (kind == EARLY_FRESH && (set = set_of(epfd)))
		early_remember(set, fd, event);
	else if (kind == EARLY_SETTLED ||
		 (kind == EARLY_NO_SOCKET && !is_set(fd, epfd)))
		fdtab_note(fd, FDTAB_SETTLED);
	else if (kind == EARLY_NO_SOCKET && op == EPOLL_CTL_ADD)
		note_nested(epfd, fd);
}

void epollset_note(int epfd, int op, int fd, const struct epoll_event *event)
{
	int saved_errno = errno;

	note_change(epfd, op, fd, event);
	errno = saved_errno;
}

/* The registrations become the program's sockets' again. */
static void give_back(struct conn *c)
{
	watch_tighten(c, NULL);
	while (c->watches) {
		struct watch_set *set = c->watches->set;
		struct epoll_event event = {
			.events = c->watches->asked, .data = c->watches->data};
		int fd = c->watches->fd;

		watch_remove(c->watches);
		real(epoll_ctl)(set->epfd, EPOLL_CTL_ADD, fd, &event);
		early_remember(set, fd, &event);
	}
}

static const struct conn_observer observer = {
	.changed = watch_note,
	.closed = watch_remove_all,
	.reverted = give_back,
};

static int register_conn(struct conn *c, struct watch_set *set, int fd,
	const struct epoll_event *event)
{
	c->observer = &observer;
	return watch_add(c, set, fd, event);
}

void epollset_adopt(struct conn *c, int fd)
{
	struct early e;

	while (early_take(fd, &e))
		/* Not there any more: the number was closed meanwhile. */
		if (real(epoll_ctl)(e.set->epfd, EPOLL_CTL_DEL, fd, NULL) == 0)
			register_conn(c, e.set, fd, &e.event);
}

void epollset_set_aside(struct conn *c)
{
	watch_tighten(c, NULL);
	for (struct watch *w = c->watches; w; w = w->next)
		watch_suspend(w);
}

static void put_placeholder(struct watch *w)
{
	struct epoll_event event = {.events = w->asked, .data = w->data};
	struct watch_set *set = w->set;
	int fd = w->fd;

	if (!w->armed)
		event.events = (uint32_t)EPOLLONESHOT;
	watch_remove(w);
	real(epoll_ctl)(set->epfd, EPOLL_CTL_ADD, fd, &event);
}

void epollset_put_back(struct conn *c)
{
	if (c->state == CONN_PLUGGED) {
		while (c->watches)
			put_placeholder(c->watches);
		return;
	}
	for (struct watch *w = c->watches; w; w = w->next)
		watch_resume(w);
}

/* ---- epoll_ctl ---- */

static int change(struct conn *c, struct watch_set *set, int op, int fd,
	const struct epoll_event *event)
{
	struct watch *w = watch_find(c, set, fd);

	switch (op) {
	case EPOLL_CTL_ADD:
		if (w)
			return EEXIST;
		conn_advance(c);
		return register_conn(c, set, fd, event);
	case EPOLL_CTL_MOD:
		if (!w)
			return ENOENT;
		conn_advance(c);
		return watch_modify(w, event);
	case EPOLL_CTL_DEL:
		if (!w)
			return ENOENT;
		watch_leave(w);
		return 0;
	}
	return EINVAL;
}

/* Is it an epoll set at all?  Deleting what is not there says so. */
static int check_set(int epfd, int fd)
{
	if (fdtab_epoll(epfd) ||
		real(epoll_ctl)(epfd, EPOLL_CTL_DEL, fd, NULL) == 0 ||
		errno == ENOENT)
		return 0;
	return errno;
}

/* epoll_ctl(2), EINVAL. */
static bool is_bad_exclusive(uint32_t events)
{
	const uint32_t allowed = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP |
				 (uint32_t)EPOLLWAKEUP | (uint32_t)EPOLLET |
				 (uint32_t)EPOLLEXCLUSIVE;

	return events & (uint32_t)EPOLLEXCLUSIVE && events & ~allowed;
}

int epollset_control(
	struct conn *c, int epfd, int op, int fd, struct epoll_event *event)
{
	struct watch_set *set = NULL;
	int err = conn_lock(c);

	if (err)
		return fail(err);
	if (op != EPOLL_CTL_DEL && !event)
		err = EFAULT;
	if (!err)
		err = check_set(epfd, fd);
	if (!err && op == EPOLL_CTL_ADD && is_bad_exclusive(event->events))
		err = EINVAL;
	if (!err && !(set = set_of(epfd)))
		err = ENOMEM;
	if (!err)
		err = change(c, set, op, fd, event);
	conn_unlock(c);
	return err ? fail(err) : 0;
}

/* ---- epoll_wait ---- */

/* One round of a wait: where it writes, and what it has. */
struct round {
	struct epoll_event *events;
	int n;
	uint64_t call; /* this wait's number; 0: watches are not numbered */
	bool annex;    /* there is something in the set's annex */
	bool strange;  /* something is for another process */
};

/* Tells one watch's news, in the place that this round has for it already
 * (the kernel and the hot list may both have something). */
static void tell(struct round *round, struct watch *w, uint16_t generation,
	struct conn *c, uint32_t kernel, bool from_kernel)
{
	uint32_t told = 0;

	if (conn_lock(c) == 0) {
		if (!atomic_load(c->waiters) || conn_before_pull(c) == 0) {
			if (watch_is(w, generation, c))
				told = watch_tell(w, kernel, from_kernel);
			if (told && round->call && w->call == round->call) {
				round->events[w->slot].events |= told;
			} else if (told) {
				w->call = round->call;
				w->slot = round->n;
				round->events[round->n].events = told;
				round->events[round->n++].data = w->data;
			}
			conn_unlock(c);
		}
	}
	conn_put(c);
}

/* n events of the kernel's lie at `from`; what is told goes to the round,
 * which never overtakes them. */
static void translate(
	struct round *round, const struct epoll_event *from, int n)
{
	for (int i = 0; i < n; i++) {
		struct epoll_event event = from[i];
		uint16_t generation;
		struct watch *w;
		struct conn *c;

		switch (watch_decode(event.data.u64, &w, &generation, &c)) {
		case WATCH_NOT_OURS:
			round->events[round->n++] = event;
			break;
		case WATCH_OURS:
			tell(round, w, generation, c, event.events, true);
			break;
		case WATCH_ANNEX:
			round->annex = true;
			break;
		case WATCH_STALE:
			round->strange = is_shared;
			break;
		case WATCH_BELL:
			break;
		}
	}
}

int epollset_translate(struct epoll_event *events, int n)
{
	struct round round = {.events = events};

	translate(&round, events, n);
	return round.n;
}

/* Those that have something that the kernel does not know of.  Each is looked
 * at once; who still has something is hot again, behind the others. */
static void tell_hot(struct round *round, struct watch_set *set, int max)
{
	unsigned hot = atomic_load(&set->n_hot);

	while (hot-- && round->n < max) {
		uint16_t generation;
		struct watch *w;
		struct conn *c = watch_set_pop(set, &w, &generation);

		if (!c)
			return;
		tell(round, w, generation, c, 0, false);
	}
}

#define ANNEX_AT_ONCE 16

/* What stands in the set's annex; more than fits is there the next time. */
static void tell_annex(struct round *round, struct watch_set *set, int max)
{
	struct epoll_event events[ANNEX_AT_ONCE];
	int n, before;

	do {
		int room = max - round->n;

		before = round->n;
		n = real(epoll_wait)(set->annex, events,
			room < ANNEX_AT_ONCE ? room : ANNEX_AT_ONCE, 0);
		translate(round, events, n);
	} while (n == ANNEX_AT_ONCE && round->n > before && round->n < max);
}

/* -1: no end; otherwise what is left until the deadline. */
static int64_t time_left(int64_t deadline)
{
	int64_t left;

	if (deadline == WAIT_FOREVER)
		return -1;
	left = deadline - clock_now();
	return left > 0 ? left : 0;
}

static int in_ms(int64_t ns)
{
	if (ns < 0)
		return -1;
	ns = (ns + 999999) / 1000000;
	return ns > INT_MAX ? INT_MAX : (int)ns;
}

struct sleeper {
	struct watch_set *set;
};

static void wake(struct sleeper *sleeper)
{
	if (sleeper->set)
		watch_set_wake(sleeper->set);
}

/* The sets in this one are looked into before it says that they are
 * readable. */
static int wait_for_inner(struct watch_set *set, int epfd, int64_t left,
	const struct epollset_until *until)
{
	struct pollfd p = {.fd = epfd, .events = POLLIN};
	struct timespec ts = {
		.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
	int r = real(ppoll)(&p, 1, left < 0 ? NULL : &ts, until->mask);

	if (r >= 0)
		nest_look(set);
	return r;
}

/* The program's own call, so that what it may not use is not used. */
static int wait_for_kernel(struct watch_set *set, int epfd,
	struct epoll_event *events, int max, int64_t left,
	const struct epollset_until *until)
{
	struct timespec ts = {
		.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};

	if (nest_has_inner(set)) {
		int r = wait_for_inner(set, epfd, left, until);

		if (r <= 0)
			return r;
		left = 0;
		ts = (struct timespec){0};
	}
	if (!until->in_ns)
		return real(epoll_pwait)(
			epfd, events, max, in_ms(left), until->mask);
	return real(epoll_pwait2)(
		epfd, events, max, left < 0 ? NULL : &ts, until->mask);
}

static int ask_kernel(struct watch_set *set, int epfd,
	struct epoll_event *events, int max, bool now,
	const struct epollset_until *until)
{
	int64_t shaking = nest_deadline(set);
	int64_t left =
		now ? 0
		    : time_left(shaking < until->deadline ? shaking
							  : until->deadline);
	__attribute__((cleanup(wake), unused)) struct sleeper sleeper = {
		left ? set : NULL};

	if (left)
		watch_set_sleep(set);
	return wait_for_kernel(set, epfd, events, max, left, until);
}

/* How many places the hot ones may take: the kernel's must not starve. */
static int share_of_hot(struct watch_set *set, int max)
{
	if (!atomic_load(&set->n_hot))
		return 0;
	if (max > 1)
		return max - max / 4;
	return atomic_fetch_add(&set->single_places, 1) & 1;
}

/* Another process's events come again and again, until it takes them. */
static void let_others_run(void)
{
	real(poll)(NULL, 0, 1);
}

int epollset_wait(int epfd, struct epoll_event *events, int max,
	const struct epollset_until *until)
{
	struct watch_set *set = fdtab_epoll(epfd);

	for (;;) {
		struct round round = {.events = events,
			.call = atomic_fetch_add(&calls, 1) + 1};
		int r;

		tell_hot(&round, set, share_of_hot(set, max));
		if (round.n == max)
			return max;
		r = ask_kernel(set, epfd, events + round.n, max - round.n,
			round.n > 0, until);
		if (r < 0)
			return round.n ? round.n : -1;
		translate(&round, events + round.n, r);
		if (round.annex)
			tell_annex(&round, set, max);
		if (!round.n)
			tell_hot(&round, set, max);
		watch_set_end_handshakes(set);
		if (round.n || (r == 0 && time_left(until->deadline) == 0))
			return round.n;
		if (round.strange)
			let_others_run();
	}
}
