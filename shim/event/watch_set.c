/* SPDX-License-Identifier: MIT */
/*
 * Epoll sets with connections in them: their memory, who sleeps on them, and
 * their lists of watches; the eventfd that wakes sleepers for what the kernel
 * does not know.  What a watch asks and tells is watch.c's.
 */
#include "event/watch.h"

#include <string.h>
#include "base/clock.h"
#include "base/fdtab.h"
#include "base/highfd.h"
#include "base/map.h"
#include "base/real.h"
#include "base/spin.h"
#include "conn/conn.h"

#define SETS_PER_SLAB 32

static struct watch_set *free_sets;
static atomic_flag pool_busy = ATOMIC_FLAG_INIT;
atomic_uint watch_strangers;
static atomic_int bell = -1; /* the eventfd that is always readable */

/* ---- memory ---- */

static void grow_sets(void)
{
	struct watch_set *slab = map_memory(SETS_PER_SLAB * sizeof(*slab));

	if (!slab)
		return;
	for (int i = 0; i < SETS_PER_SLAB; i++) {
		slab[i].next_free = free_sets;
		free_sets = &slab[i];
	}
}

struct watch_set *watch_set_new(int epfd)
{
	struct watch_set *set;

	spin_lock(&pool_busy);
	if (!free_sets)
		grow_sets();
	set = free_sets;
	if (set)
		free_sets = set->next_free;
	spin_unlock(&pool_busy);
	if (!set)
		return NULL;
	memset(set, 0, sizeof(*set));
	atomic_flag_clear(&set->busy);
	atomic_store(&set->refs, 1);
	set->epfd = epfd;
	set->annex = -1;
	return set;
}

void watch_set_put(struct watch_set *set)
{
	if (atomic_fetch_sub(&set->refs, 1) != 1)
		return;
	spin_lock(&pool_busy);
	set->next_free = free_sets;
	free_sets = set;
	spin_unlock(&pool_busy);
}

static void close_own(int fd)
{
	fdtab_unhide(fd);
	real(close)(fd);
}

/* The bell that hangs in a set that we share is the parent's. */
void watch_set_fork_child(void)
{
	atomic_store(&watch_strangers, 0);
	int fd = atomic_exchange(&bell, -1);

	atomic_flag_clear(&pool_busy);
	if (fd >= 0)
		close_own(fd);
}

void watch_set_forget_all(struct watch_set *set)
{
	atomic_flag_clear(&set->busy);
	atomic_store(&set->sleepers, 0);
	atomic_store(&set->n_hot, 0);
	set->has_bell = false;
	if (set->annex >= 0)
		close_own(set->annex);
	set->annex = -1;
	set->hot = set->handshakes = (struct watch_list){NULL, NULL};
}

void watch_set_lock(struct watch_set *set)
{
	spin_lock(&set->busy);
}

void watch_set_unlock(struct watch_set *set)
{
	spin_unlock(&set->busy);
}

/* ---- the bell ---- */

static bool make_bell(void)
{
	int fd, none = -1;

	if (atomic_load(&bell) >= 0)
		return true;
	fd = real(eventfd)(1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return false;
	fd = highfd_move(fd);
	if (!fdtab_hide(fd, NULL)) {
		real(close)(fd);
		return false;
	}
	/* Each set has a lock of its own: another may have been faster. */
	if (!atomic_compare_exchange_strong(&bell, &none, fd))
		close_own(fd);
	return true;
}

static bool needs_bell(struct watch_set *set)
{
	return atomic_load(&set->n_hot) &&
	       (atomic_load(&set->sleepers) || atomic_load(&set->polled));
}

/* Under the set's lock. */
static void hang_bell(struct watch_set *set)
{
	struct epoll_event event = {.events = EPOLLIN};
	bool wanted = needs_bell(set);

	if (wanted == set->has_bell || (wanted && !make_bell()))
		return;
	event.data.u64 = watch_bell_cookie();
	real(epoll_ctl)(set->epfd, wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, bell,
		&event);
	set->has_bell = wanted;
}

/* The kernel takes the bell twice in two sets only. */
bool watch_set_is(struct watch_set *set, int epfd)
{
	struct epoll_event event = {.events = 0};
	bool same = false;

	watch_set_lock(set);
	event.data.u64 = watch_bell_cookie();
	if (make_bell() &&
		(set->has_bell || real(epoll_ctl)(set->epfd, EPOLL_CTL_ADD,
					  bell, &event) == 0)) {
		same = real(epoll_ctl)(epfd, EPOLL_CTL_ADD, bell, &event) < 0;
		if (!same)
			real(epoll_ctl)(epfd, EPOLL_CTL_DEL, bell, NULL);
		if (!set->has_bell)
			real(epoll_ctl)(set->epfd, EPOLL_CTL_DEL, bell, NULL);
	}
	watch_set_unlock(set);
	return same;
}

void watch_set_polled(struct watch_set *set)
{
	watch_set_lock(set);
	atomic_store(&set->polled, true);
	hang_bell(set);
	watch_set_unlock(set);
}

/* ---- the annex ---- */

/* Under the set's lock.  Sets in sets in sets may be as many as the kernel
 * has of them: then there is none. */
static void make_annex(struct watch_set *set)
{
	struct epoll_event event = {.events = EPOLLIN};
	int fd = real(epoll_create1)(EPOLL_CLOEXEC);

	if (fd < 0)
		return;
	fd = highfd_move(fd);
	event.data.u64 = watch_annex_cookie();
	if (fdtab_hide(fd, NULL) &&
		real(epoll_ctl)(set->epfd, EPOLL_CTL_ADD, fd, &event) == 0)
		set->annex = fd;
	else
		close_own(fd);
}

bool watch_set_has_annex(struct watch_set *set)
{
	bool has;

	watch_set_lock(set);
	if (set->annex < 0)
		make_annex(set);
	has = set->annex >= 0;
	watch_set_unlock(set);
	return has;
}

void watch_set_closed(struct watch_set *set)
{
	int fd;

	watch_set_lock(set);
	fd = set->annex;
	set->annex = -1;
	watch_set_unlock(set);
	if (fd >= 0)
		close_own(fd);
}

/* ---- who waits ---- */

void watch_set_sleep(struct watch_set *set)
{
	atomic_fetch_add(&set->sleepers, 1);
	/* Somebody may have heated a watch just before. */
	if (!atomic_load(&set->n_hot))
		return;
	watch_set_lock(set);
	hang_bell(set);
	watch_set_unlock(set);
}

void watch_set_wake(struct watch_set *set)
{
	atomic_fetch_sub(&set->sleepers, 1);
	if (!set->has_bell)
		return;
	watch_set_lock(set);
	hang_bell(set);
	watch_set_unlock(set);
}

/* ---- lists of a set; under its lock ---- */

static void unlink_hot(struct watch *w)
{
	struct watch_list *list = &w->set->hot;

	*(w->list_prev ? &w->list_prev->list_next : &list->first) =
		w->list_next;
	*(w->list_next ? &w->list_next->list_prev : &list->last) = w->list_prev;
	w->is_hot = false;
	atomic_fetch_sub(&w->set->n_hot, 1);
}

static void link_shaking(struct watch *w)
{
	struct watch_list *list = &w->set->handshakes;

	w->shake_next = NULL;
	w->shake_prev = list->last;
	*(list->last ? &list->last->shake_next : &list->first) = w;
	list->last = w;
	w->is_shaking = true;
}

static void unlink_shaking(struct watch *w)
{
	struct watch_list *list = &w->set->handshakes;

	*(w->shake_prev ? &w->shake_prev->shake_next : &list->first) =
		w->shake_next;
	*(w->shake_next ? &w->shake_next->shake_prev : &list->last) =
		w->shake_prev;
	w->is_shaking = false;
}

void watch_heat(struct watch *w)
{
	struct watch_list *list = &w->set->hot;

	if (atomic_load(&w->is_hot))
		return;
	watch_set_lock(w->set);
	w->list_next = NULL;
	w->list_prev = list->last;
	*(list->last ? &list->last->list_next : &list->first) = w;
	list->last = w;
	w->is_hot = true;
	atomic_fetch_add(&w->set->n_hot, 1);
	hang_bell(w->set);
	watch_set_unlock(w->set);
}

void watch_cool(struct watch *w)
{
	watch_set_lock(w->set);
	if (w->is_hot)
		unlink_hot(w);
	hang_bell(w->set);
	watch_set_unlock(w->set);
}

void watch_set_forget(struct watch *w)
{
	watch_set_lock(w->set);
	if (w->is_hot)
		unlink_hot(w);
	if (w->is_shaking)
		unlink_shaking(w);
	hang_bell(w->set);
	__atomic_store_n(&w->c, NULL, __ATOMIC_RELEASE);
	watch_set_unlock(w->set);
}

void watch_set_note_handshake(struct watch *w, bool shaking)
{
	if (shaking == w->is_shaking)
		return;
	watch_set_lock(w->set);
	if (shaking)
		link_shaking(w);
	else
		unlink_shaking(w);
	watch_set_unlock(w->set);
}

struct conn *watch_set_pop(
	struct watch_set *set, struct watch **w, uint16_t *generation)
{
	struct conn *c = NULL;

	watch_set_lock(set);
	while (!c && set->hot.first) {
		*w = set->hot.first;
		*generation = (*w)->generation;
		c = (*w)->c;
		unlink_hot(*w);
		if (!conn_ref_try(c))
			c = NULL;
	}
	hang_bell(set);
	watch_set_unlock(set);
	return c;
}

int64_t watch_set_deadline(struct watch_set *set)
{
	int64_t end = INT64_MAX;

	if (!set->handshakes.first)
		return end;
	watch_set_lock(set);
	if (set->handshakes.first)
		end = set->handshakes.first->c->handshake_end;
	watch_set_unlock(set);
	return end;
}

/* One whose deadline is over, with a reference; or NULL. */
static struct conn *overdue(struct watch_set *set, int64_t now)
{
	struct conn *c = NULL;

	watch_set_lock(set);
	if (set->handshakes.first &&
		set->handshakes.first->c->handshake_end <= now)
		c = set->handshakes.first->c;
	if (c && !conn_ref_try(c))
		c = NULL;
	watch_set_unlock(set);
	return c;
}

void watch_set_end_handshakes(struct watch_set *set)
{
	struct conn *c;

	if (!set->handshakes.first)
		return;
	while ((c = overdue(set, clock_now()))) {
		if (conn_lock(c) == 0) {
			conn_advance(c);
			conn_unlock(c);
		}
		conn_put(c);
	}
}
