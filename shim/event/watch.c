/* SPDX-License-Identifier: MIT */
/*
 * Watches: what the kernel is told of them and what the program is.  Knows
 * epoll_ctl; epoll_wait is epollset.c's, the lists of a set are watch_set.c's,
 * and where they lie watch_place.c's.
 */
#include "event/watch.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include "base/fdtab.h"
#include "base/highfd.h"
#include "base/real.h"
#include "conn/conn.h"

/* ---- what the kernel is told ---- */

#define READ_EVENTS ((uint32_t)EPOLLIN | (uint32_t)EPOLLRDNORM)
#define WRITE_EVENTS ((uint32_t)EPOLLOUT | (uint32_t)EPOLLWRNORM)

static short events_of(uint32_t asked)
{
	return (short)(asked & ~WATCH_FLAGS & 0xffff);
}

/*
 * Level-triggered: what ready_ask() says, and EPOLLIN stays although bytes
 * are waiting here already, for taking it out and in again costs more; but
 * not for a program that does not ask to read, which would turn in circles.
 * Edge-triggered: always everything, for edges are sorted out here.  A used
 * up one-shot: only what brings pending output on its way.
 */
static uint32_t kernel_events(const struct watch *w, struct ready_state st)
{
	uint32_t events;

	if (w->asked & READ_EVENTS)
		st.readable = false;
	events = (uint32_t)(uint16_t)ready_ask(&st, events_of(w->asked));
	if (w->asked & (uint32_t)EPOLLET && st.phase == READY_OPEN)
		events = EPOLLIN | EPOLLOUT | EPOLLRDHUP;
	if (!w->armed)
		events = st.wants_write ? EPOLLOUT : 0;
	if (w->asked & (uint32_t)EPOLLET && st.phase == READY_OPEN)
		events |= (uint32_t)EPOLLET;
	return events | (w->asked & (uint32_t)EPOLLONESHOT);
}

/*
 * Level-triggered, and only seen by epoll_wait(): what the kernel is told may
 * differ from what is asked, since what comes out is looked at anyway.
 * Programs that turn interest on and off for each message (redis-benchmark and
 * wrk: five epoll_ctl() each time) then need no system call for it.
 */
static bool is_lax(const struct watch *w)
{
	return !(w->asked & ((uint32_t)EPOLLET | (uint32_t)EPOLLONESHOT |
				    (uint32_t)EPOLLEXCLUSIVE)) &&
	       !w->unwanted && w->c->state == CONN_OPEN &&
	       !atomic_load(&w->set->polled) && !atomic_load(&watch_strangers);
}

/*
 * The events to register, given those that are.  Where it may be lax:
 *   EPOLLIN    stays when it is not asked for any more, until it comes
 *              unwanted
 *   EPOLLOUT   is not registered: while no output waits here a write takes
 *              something, up to a record, whatever the kernel has; see
 *              knows_writable().  Not where somebody sleeps on the set, whom
 *              the kernel wakes more cheaply than the bell.
 */
static uint32_t lax_events(const struct watch *w, struct ready_state st)
{
	uint32_t events = kernel_events(w, st), have = w->kernel_events;

	if (!is_lax(w))
		return events;
	if (!st.wants_write && !(have & WRITE_EVENTS) &&
		!atomic_load(&w->set->sleepers))
		events &= ~WRITE_EVENTS;
	if (!(have & ~events & ~(READ_EVENTS | (uint32_t)EPOLLRDHUP)))
		events |= have;
	return events;
}

/* Does the program wait to write, and only we can say that it may? */
static bool knows_writable(const struct watch *w)
{
	return w->asked & WRITE_EVENTS && !(w->kernel_events & WRITE_EVENTS) &&
	       is_lax(w) && !w->c->tls->pending_out(w->c->session);
}

/* The kernel's set that it stands in. */
static int home(const struct watch *w)
{
	return w->in_annex ? w->set->annex : w->set->epfd;
}

static int say(struct watch *w, int op, uint32_t events)
{
	struct epoll_event event = {.events = events};

	event.data.u64 = watch_cookie(w);
	w->kernel_events = events;
	return real(epoll_ctl)(home(w), op, w->kernel_fd, &event) == 0 ? 0
								       : errno;
}

static void sync_kernel(struct watch *w, struct ready_state st)
{
	uint32_t events = lax_events(w, st);

	/* A disarmed one-shot says nothing: 0 is as good. */
	if (!w->armed && events == (uint32_t)EPOLLONESHOT &&
		w->kernel_events == 0)
		return;
	if (events != w->kernel_events)
		say(w, EPOLL_CTL_MOD, events);
}

/* Would a read say something that the kernel may not know of? */
static bool has_news(const struct conn *c)
{
	return c->state == CONN_OPEN &&
	       (c->maybe_readable || c->read_end || c->read_shut);
}

/* Bytes or an end wait here that the kernel does not know of.
 * Level-triggered: told until they are read.  Edge-triggered: told once for
 * what came since the watch was told last. */
static bool is_due(const struct conn *c, const struct watch *w)
{
	if (w->asked & (uint32_t)EPOLLET && c->pulled <= w->seen)
		return false;
	return w->asked & READ_EVENTS || (w->asked & (uint32_t)EPOLLRDHUP &&
						 (c->read_end || c->read_shut));
}

/* Where a set is itself being polled, a guess would wake its poller.  Who
 * sleeps on the socket comes first: conn_before_pull(). */
static bool waits_for_program(struct conn *c)
{
	if (!has_news(c))
		return false;
	for (const struct watch *w = c->watches; w; w = w->next)
		if (atomic_load(&w->set->polled) && !atomic_load(c->waiters))
			return conn_ready(c, true).readable;
	return true;
}

/* Hot or not: is there something that the kernel does not know of? */
static void heat_or_cool(struct watch *w, bool waits)
{
	if (w->armed && ((waits && is_due(w->c, w)) || knows_writable(w)))
		watch_heat(w);
	else if (atomic_load(&w->is_hot))
		watch_cool(w);
}

/* ---- the program's calls ---- */

static bool uses_real(const struct conn *c, const struct watch_set *set)
{
	for (const struct watch *w = c->watches; w; w = w->next)
		if (w->set == set && w->kernel_fd == c->real)
			return true;
	return false;
}

/* The kernel knows a registration by set and number: a second one in the same
 * set needs a number of its own. */
static int number_for(struct conn *c, const struct watch_set *set)
{
	int fd;

	if (!uses_real(c, set))
		return c->real;
	fd = highfd_move(real(dup)(c->real));
	if (fd >= 0 && !fdtab_hide(fd, NULL)) {
		real(close)(fd);
		errno = ENOSPC;
		return -1;
	}
	return fd;
}

static void forget_number(const struct watch *w)
{
	if (w->kernel_fd < 0 || w->kernel_fd == w->c->real)
		return;
	fdtab_unhide(w->kernel_fd);
	real(close)(w->kernel_fd);
}

static void take_program(struct watch *w, const struct epoll_event *event)
{
	w->asked = event->events;
	w->data = event->data;
	w->armed = true;
	w->unwanted = false;
	w->write_due = true;
	w->ends = 0;
	w->seen = 0;
}

struct watch *watch_find(struct conn *c, const struct watch_set *set, int fd)
{
	for (struct watch *w = c->watches; w; w = w->next)
		if (w->set == set && w->fd == fd && !w->gone)
			return w;
	return NULL;
}

static struct watch *find_gone(struct conn *c, const struct watch_set *set)
{
	for (struct watch *w = c->watches; w; w = w->next)
		if (w->set == set && w->gone)
			return w;
	return NULL;
}

/* What the program asks has changed. */
static int note_asked(struct watch *w)
{
	struct ready_state st = conn_ready(w->c, false);
	int err = 0;

	if (is_lax(w))
		sync_kernel(w, st);
	else
		err = say(w, EPOLL_CTL_MOD, lax_events(w, st));
	if (err)
		return err;
	heat_or_cool(w, waits_for_program(w->c));
	return 0;
}

int watch_add(struct conn *c, struct watch_set *set, int fd,
	const struct epoll_event *event)
{
	struct watch *w = find_gone(c, set);
	int err;

	if (w) {
		w->gone = false;
		w->fd = fd;
		take_program(w, event);
		return note_asked(w);
	}
	w = watch_take();
	if (!w)
		return ENOMEM;
	w->set = set;
	w->in_annex = atomic_load(&set->polled) && watch_set_has_annex(set);
	w->fd = fd;
	__atomic_store_n(&w->c, c, __ATOMIC_RELEASE);
	take_program(w, event);
	w->kernel_fd = number_for(c, set);
	err = w->kernel_fd < 0 ? errno
			       : say(w, EPOLL_CTL_ADD,
					 lax_events(w, conn_ready(c, false)));
	if (err) {
		forget_number(w);
		w->c = NULL;
		watch_give(w);
		return err;
	}
	atomic_fetch_add(&set->refs, 1);
	w->next = c->watches;
	c->watches = w;
	c->noted = 0;
	heat_or_cool(w, waits_for_program(c));
	return 0;
}

int watch_modify(struct watch *w, const struct epoll_event *event)
{
	if ((w->asked | event->events) & (uint32_t)EPOLLEXCLUSIVE)
		return EINVAL;
	take_program(w, event);
	return note_asked(w);
}

void watch_leave(struct watch *w)
{
	if (!is_lax(w)) {
		watch_remove(w);
		return;
	}
	w->gone = true;
	w->asked = 0;
	if (atomic_load(&w->is_hot))
		watch_cool(w);
}

/* To the annex, if there is one with room. */
static void move_in(struct watch *w)
{
	if (w->in_annex || !watch_set_has_annex(w->set))
		return;
	watch_suspend(w);
	w->in_annex = true;
	watch_resume(w);
	if (w->kernel_events)
		return;
	w->in_annex = false;
	watch_resume(w);
}

void watch_tighten(struct conn *c, const struct watch_set *set)
{
	struct watch *next;

	for (struct watch *w = c->watches; w; w = next) {
		next = w->next;
		if (set && w->set != set)
			continue;
		if (w->gone)
			watch_remove(w);
		else if (set)
			move_in(w);
	}
	/* The rest is watch_note()'s. */
	c->noted = 0;
}

void watch_remove(struct watch *w)
{
	struct conn *c = w->c;
	struct watch **at = &c->watches;

	watch_suspend(w);
	forget_number(w);
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	watch_set_forget(w);
	watch_set_put(w->set);
	watch_give(w);
}

void watch_suspend(struct watch *w)
{
	real(epoll_ctl)(home(w), EPOLL_CTL_DEL, w->kernel_fd, NULL);
}

void watch_resume(struct watch *w)
{
	if (say(w, EPOLL_CTL_ADD, kernel_events(w, conn_ready(w->c, false))))
		w->kernel_events = 0;
}

void watch_remove_all(struct conn *c)
{
	while (c->watches)
		watch_remove(c->watches);
}

/* ---- changes of the connection ---- */

/*
 * All that watch_note() goes by, in a word that is never 0: most critical
 * sections change nothing of it.
 */
static uint64_t digest(const struct conn *c)
{
	bool wants_write = c->session && c->tls->pending_out(c->session) > 0;

	return 1u | (unsigned)c->state << 1 | (unsigned)wants_write << 4 |
	       (unsigned)has_news(c) << 5 | (unsigned)c->read_end << 6 |
	       (unsigned)c->read_shut << 7 | (unsigned)c->write_end << 8 |
	       (unsigned)(c->error != 0) << 9 | c->pulled << 10;
}

void watch_note(struct conn *c)
{
	uint64_t now = digest(c);
	bool waits;
	struct ready_state st;

	if (now == c->noted && !c->changed)
		return;
	waits = waits_for_program(c);
	st = conn_ready(c, false);
	for (struct watch *w = c->watches; w; w = w->next) {
		bool edge = (w->asked & (uint32_t)EPOLLET) != 0;

		if (st.wants_write || c->changed)
			w->write_due = true;
		/* Saying it again makes the kernel look again: an edge. */
		if (c->changed && edge && w->armed)
			w->kernel_events = 0;
		st.readable = waits;
		sync_kernel(w, st);
		watch_set_note_handshake(w, c->state == CONN_HANDSHAKING);
		heat_or_cool(w, waits);
		/* What its poller would be told is for a probe to say. */
		if (atomic_load(&w->set->polled))
			now = 0;
	}
	c->noted = now;
	c->changed = false;
}

void watch_untell(struct conn *c)
{
	for (struct watch *w = c->watches; w; w = w->next)
		w->seen = 0;
	c->noted = 0;
}

/* What an edge-triggered watch has not been told of. */
struct news {
	uint64_t came; /* bytes by now, read or not */
	uint32_t ends;
	bool any;
};

/* Bytes that the kernel has for us: none, if a receive of this moment brought
 * fewer than there was room for. */
static size_t still_there(const struct conn *c, uint64_t pulled_before)
{
	int there = 0;

	if (c->pulled == pulled_before || !c->pulled_all)
		real(ioctl)(c->real, FIONREAD, &there);
	return there > 0 ? (size_t)there : 0;
}

/*
 * An edge is what came since the last: bytes, wherever they wait by now, for a
 * partial read pulls in what was told already; an end, once, though it comes
 * as close_notify and as FIN.
 * EPOLLOUT: the kernel says it with every other edge.
 */
static struct news news_of(const struct watch *w, uint32_t told,
	uint32_t kernel, uint64_t pulled_before)
{
	const uint32_t ends = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
	struct news news = {.ends = (told | kernel) & ends};

	if (w->c->read_end || w->c->read_shut || w->c->state != CONN_OPEN)
		news.ends |= EPOLLRDHUP;
	news.came = w->c->pulled + still_there(w->c, pulled_before);
	news.any = news.ends & ~w->ends ||
		   (told & READ_EVENTS && news.came > w->seen) ||
		   (told & WRITE_EVENTS && w->write_due);
	return news;
}

/* Brings the watch up to date.  What the program is to be told, as a
 * level-triggered watch has it; 0: nothing, or there is no watch any more. */
static uint32_t bring_up(struct watch *w, uint32_t kernel)
{
	struct conn *c = w->c;
	bool reads = w->asked & (READ_EVENTS | (uint32_t)EPOLLRDHUP);
	struct ready_state st;

	c->noted = 0;
	if (kernel & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->maybe_readable = true;
	conn_advance(c);
	if (w->gone) {
		if (kernel & ~WRITE_EVENTS)
			watch_remove(w);
		return 0;
	}
	if (!w->armed)
		return 0;
	st = conn_ready(c, reads);
	if (kernel & ~kernel_events(w, st) & (READ_EVENTS | EPOLLRDHUP))
		w->unwanted = true;
	if (knows_writable(w))
		kernel |= EPOLLOUT;
	return (uint32_t)(uint16_t)ready_tell(
		&st, events_of(w->asked), (short)kernel);
}

/* What is told once is told whole: whether it may write as well. */
static uint32_t writable_now(const struct watch *w)
{
	struct pollfd p = {.fd = w->c->real, .events = POLLOUT};

	if (!(w->asked & ((uint32_t)EPOLLET | (uint32_t)EPOLLONESHOT)) ||
		!(w->asked & WRITE_EVENTS))
		return 0;
	return real(poll)(&p, 1, 0) > 0 ? (uint32_t)p.revents & EPOLLOUT : 0;
}

uint32_t watch_tell(struct watch *w, uint32_t kernel, bool from_kernel)
{
	uint64_t pulled = w->c->pulled;
	uint32_t told;

	if (!from_kernel)
		kernel |= writable_now(w);
	else if (w->asked & (uint32_t)EPOLLONESHOT)
		w->kernel_events = 0;
	told = bring_up(w, kernel);
	if (told && w->asked & (uint32_t)EPOLLET) {
		struct news news = news_of(w, told, kernel, pulled);

		/* What came since we looked is told by its own edge. */
		w->seen = told & READ_EVENTS ? news.came : w->c->pulled;
		w->ends |= news.ends;
		if (!news.any)
			return 0;
		if (told & WRITE_EVENTS)
			w->write_due = false;
	}
	if (told && (w->asked & (uint32_t)EPOLLONESHOT))
		w->armed = false;
	return told;
}

bool watch_look(struct watch *w, uint32_t kernel)
{
	bool edge = w->asked & (uint32_t)EPOLLET;
	bool oneshot = w->asked & (uint32_t)EPOLLONESHOT;
	uint64_t pulled = w->c->pulled;
	uint32_t told = bring_up(w, kernel);

	if (told && edge && !news_of(w, told, kernel, pulled).any)
		told = 0;
	/* Saying it again makes the kernel look again: what it says once is
	 * there for who takes it, and a one-shot is armed. */
	if (oneshot || (edge && told))
		w->kernel_events = 0;
	return told != 0;
}
