/* SPDX-License-Identifier: MIT */
/*
 * Sets in sets, and what the kernel says of them.  Knows which set stands in
 * which, and annexes; what a single watch has to tell is watch.c's.
 */
#include "event/nest.h"

#include <poll.h>
#include "base/map.h"
#include "base/real.h"
#include "base/spin.h"
#include "conn/conn.h"

#define NESTINGS_PER_SLAB 128
/* Sets in sets in sets: the kernel allows for no more (EP_MAX_NESTS). */
#define DEPTH_MAX 5
#define AT_ONCE 16
/* What cannot be looked into (we are in a signal handler) counts. */
#define LOOKS_MAX 16

/* One set stands in another, by so many numbers. */
struct nesting {
	struct nesting *next;
	struct watch_set *inner; /* a reference is held */
	unsigned numbers;
};

static struct nesting *free_nestings;
static atomic_flag busy = ATOMIC_FLAG_INIT; /* the lock of all lists */

void nest_fork_child(void)
{
	atomic_flag_clear(&busy);
}

/* ---- which set stands in which ---- */

static struct nesting *new_nesting(void)
{
	struct nesting *slab, *n;

	if (!free_nestings) {
		slab = map_memory(NESTINGS_PER_SLAB * sizeof(*slab));
		if (!slab)
			return NULL;
		for (int i = 0; i < NESTINGS_PER_SLAB; i++) {
			slab[i].next = free_nestings;
			free_nestings = &slab[i];
		}
	}
	n = free_nestings;
	free_nestings = n->next;
	return n;
}

static struct nesting *find(
	struct watch_set *outer, const struct watch_set *inner)
{
	struct nesting *n = atomic_load(&outer->inner);

	while (n && n->inner != inner)
		n = n->next;
	return n;
}

static void drop(struct watch_set *outer, struct nesting *gone)
{
	struct nesting *n = atomic_load(&outer->inner);

	if (n == gone) {
		atomic_store(&outer->inner, gone->next);
	} else {
		while (n->next != gone)
			n = n->next;
		n->next = gone->next;
	}
	watch_set_put(gone->inner);
	gone->next = free_nestings;
	free_nestings = gone;
}

void nest_add(struct watch_set *outer, struct watch_set *inner)
{
	struct nesting *n;

	spin_lock(&busy);
	n = find(outer, inner);
	if (n) {
		n->numbers++;
	} else if ((n = new_nesting())) {
		atomic_fetch_add(&inner->refs, 1);
		*n = (struct nesting){atomic_load(&outer->inner), inner, 1};
		atomic_store(&outer->inner, n);
	}
	spin_unlock(&busy);
}

void nest_remove(struct watch_set *outer, const struct watch_set *inner)
{
	struct nesting *n;

	spin_lock(&busy);
	n = find(outer, inner);
	if (n && --n->numbers == 0)
		drop(outer, n);
	spin_unlock(&busy);
}

void nest_closed(struct watch_set *outer)
{
	if (!nest_has_inner(outer))
		return;
	spin_lock(&busy);
	while (nest_has_inner(outer))
		drop(outer, atomic_load(&outer->inner));
	spin_unlock(&busy);
}

/* Up to AT_ONCE of the sets in this one, after the first `from`, each with a
 * reference; those that were closed are forgotten. */
static int inner_sets(
	struct watch_set *set, struct watch_set *inner[], int from)
{
	struct nesting *n, *next;
	int i = 0, found = 0;

	spin_lock(&busy);
	for (n = atomic_load(&set->inner); n && found < AT_ONCE; n = next) {
		next = n->next;
		if (n->inner->epfd < 0) {
			drop(set, n);
		} else if (i++ >= from) {
			inner[found++] = n->inner;
			atomic_fetch_add(&n->inner->refs, 1);
		}
	}
	spin_unlock(&busy);
	return found;
}

/* ---- what the kernel says ---- */

static bool look_at(const struct epoll_event *event)
{
	uint16_t generation;
	struct watch *w;
	struct conn *c;
	bool found = false;

	if (watch_decode(event->data.u64, &w, &generation, &c) != WATCH_OURS)
		return false;
	if (conn_lock(c) == 0) {
		if (!atomic_load(c->waiters) || conn_before_pull(c) == 0) {
			if (watch_is(w, generation, c))
				found = watch_look(w, event->events);
			conn_unlock(c);
		}
	}
	conn_put(c);
	return found;
}

/* Has one of the set's own connections something to tell?  What the kernel
 * says of them is looked into until one has. */
static bool look_into(struct watch_set *set)
{
	struct epoll_event events[AT_ONCE];
	bool found = false;
	int n;

	watch_set_end_handshakes(set);
	do {
		n = set->annex < 0
			    ? 0
			    : real(epoll_wait)(set->annex, events, AT_ONCE, 0);
		for (int i = 0; i < n; i++)
			found |= look_at(&events[i]);
	} while (n == AT_ONCE && !found);
	return found || atomic_load(&set->n_hot);
}

/* Calls visit for all sets that stand in this one, the innermost first, until
 * it returns false. */
static bool each_inner(struct watch_set *set, int depth,
	bool (*visit)(struct watch_set *inner, void *arg), void *arg)
{
	struct watch_set *inner[AT_ONCE];
	bool go_on = true;
	int n, from = 0;

	if (!nest_has_inner(set) || depth == DEPTH_MAX)
		return true;
	do {
		n = inner_sets(set, inner, from);
		for (int i = 0; i < n; i++) {
			go_on = go_on &&
				each_inner(inner[i], depth + 1, visit, arg) &&
				visit(inner[i], arg);
			watch_set_put(inner[i]);
		}
		from += n;
	} while (n == AT_ONCE && go_on);
	return go_on;
}

static bool look_into_inner(struct watch_set *inner, void *arg)
{
	(void)arg;
	look_into(inner);
	return true;
}

void nest_look(struct watch_set *set)
{
	each_inner(set, 0, look_into_inner, NULL);
}

/* Has nothing come since we looked? */
static bool is_quiet(struct watch_set *set, void *arg)
{
	struct pollfd p = {.fd = set->annex, .events = POLLIN};

	(void)arg;
	return p.fd < 0 || real(poll)(&p, 1, 0) == 0;
}

bool nest_is_readable(struct watch_set *set)
{
	struct pollfd p = {.fd = set->epfd, .events = POLLIN};

	for (int i = 0; i < LOOKS_MAX; i++) {
		if (look_into(set))
			return true;
		nest_look(set);
		if (real(poll)(&p, 1, 0) <= 0)
			return false;
		/* A descriptor of the program's, or half a record that came
		 * just now? */
		if (is_quiet(set, NULL) && each_inner(set, 0, is_quiet, NULL))
			return true;
	}
	return true;
}

static bool find_first(struct watch_set *inner, void *arg)
{
	int64_t *first = arg, end = watch_set_deadline(inner);

	*first = end < *first ? end : *first;
	return true;
}

int64_t nest_deadline(struct watch_set *set)
{
	int64_t end = watch_set_deadline(set);

	each_inner(set, 0, find_first, &end);
	return end;
}
