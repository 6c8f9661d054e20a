/* SPDX-License-Identifier: MIT */
/*
 * Connections as objects: their memory, references, locks, and who waits on
 * them.  States are conn/state.c's, the end is conn/end.c's, and what becomes
 * of them when the process is copied is conn/copy.c's.
 */
#include "conn/conn.h"

#include <errno.h>
#include <string.h>
#include <sys/single_threaded.h>
#include <time.h>
#include "base/clock.h"
#include "base/fdtab.h"
#include "base/idle.h"
#include "base/keeper.h"
#include "base/map.h"
#include "base/quiet.h"
#include "base/real.h"
#include "base/spin.h"

#define CONNS_PER_SLAB 32
#define LIST_SIZE ((size_t)4096)

atomic_uint conn_count IDLE_DATA;

static atomic_uint hidden_waiters;
struct conn conn_hidden = {.refs = 1, .waiters = &hidden_waiters};

static struct conn *free_list;
static atomic_flag pool_busy = ATOMIC_FLAG_INIT;

/* ---- the pool ---- */

void conn_init_lock(struct conn *c)
{
	c->lock = (struct mutex){0, 0};
}

/* What a relay shares. */
struct shared {
	atomic_uint waiters;
	_Atomic(uint64_t) unsaid;
	atomic_int outcome;
};

static bool grow_pool(void)
{
	struct conn *slab = mmap(NULL, CONNS_PER_SLAB * sizeof(*slab),
		PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	struct shared *shared = mmap(NULL, CONNS_PER_SLAB * sizeof(*shared),
		PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (slab == MAP_FAILED || shared == MAP_FAILED)
		return false;
	for (int i = 0; i < CONNS_PER_SLAB; i++) {
		conn_init_lock(&slab[i]);
		slab[i].waiters = &shared[i].waiters;
		slab[i].unsaid = &shared[i].unsaid;
		slab[i].outcome = &shared[i].outcome;
		slab[i].next_free = free_list;
		free_list = &slab[i];
	}
	return true;
}

/* Of the thread that has the pool. */
static sigset_t pool_signals;

void conn_pool_lock(void)
{
	sigset_t signals;

	quiet_begin(&signals);
	spin_lock(&pool_busy);
	pool_signals = signals;
}

void conn_pool_unlock(void)
{
	sigset_t signals = pool_signals;

	spin_unlock(&pool_busy);
	quiet_end(&signals);
}

void conn_pool_abandon(void)
{
	atomic_flag_clear(&pool_busy);
	free_list = NULL;
}

static struct conn *take_free(uint64_t token)
{
	static uint64_t pool_of;
	struct conn *c = NULL;

	conn_pool_lock();
	/* What a copy of the process inherits shares memory with the
	 * parent. */
	if (pool_of != token)
		free_list = NULL;
	pool_of = token;
	if (free_list || grow_pool()) {
		c = free_list;
		free_list = c->next_free;
	}
	conn_pool_unlock();
	return c;
}

void conn_free(struct conn *c)
{
	conn_pool_lock();
	c->next_free = free_list;
	free_list = c;
	conn_pool_unlock();
}

struct conn *conn_new(const struct conn_ops *ops)
{
	uint64_t token = keeper_claim();
	struct conn *c = token ? take_free(token) : NULL;
	const size_t guarded = offsetof(struct conn, cancel_state);

	if (!c) {
		errno = ENOMEM;
		return NULL;
	}
	memset((char *)c + guarded, 0, sizeof(*c) - guarded);
	atomic_store(&c->numbers, 0);
	atomic_store(c->waiters, 0);
	atomic_store(&c->kernel_error, 0);
	c->keeper = token;
	c->ops = ops;
	c->real = -1;
	c->low_water = 1;
	atomic_store(&c->refs, 1);
	atomic_fetch_add(&conn_count, 1);
	return c;
}

/* ---- locks ---- */

/* Nobody cancels a lone thread but itself, in a signal handler: then the lock
 * stays with a process that ends. */
static int disable_cancel(void)
{
	int state = -1;

	if (!__libc_single_threaded)
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	return state;
}

static void restore_cancel(int state)
{
	if (state >= 0)
		pthread_setcancelstate(state, NULL);
}

int conn_lock(struct conn *c)
{
	int state;

	if (c == &conn_hidden)
		return EBADF;
	state = disable_cancel();
	if (mutex_lock(&c->lock)) {
		c->cancel_state = state;
		return 0;
	}
	restore_cancel(state);
	return EAGAIN;
}

void conn_unlock(struct conn *c)
{
	int state = c->cancel_state;

	if (c->watches)
		c->observer->changed(c);
	mutex_unlock(&c->lock);
	restore_cancel(state);
}

void conn_number_get(struct conn *c)
{
	atomic_fetch_add(&c->refs, 1);
	atomic_fetch_add(&c->numbers, 1);
}

void conn_number_put(struct conn *c)
{
	if (atomic_fetch_sub(&c->numbers, 1) == 1 && c->watches &&
		conn_lock(c) == 0) {
		c->observer->closed(c);
		conn_unlock(c);
	}
	conn_put(c);
}

/* ---- waits that are jumped out of ---- */

__thread struct conn_hold conn_held;

struct conn_hold conn_hold_begin(struct conn *c, bool counted)
{
	struct conn_hold outer = conn_held;

	if (counted)
		atomic_fetch_add(c->waiters, 1);
	conn_held = (struct conn_hold){
		.frame = __builtin_frame_address(0),
		.c = c,
		.counted = counted,
	};
	return outer;
}

struct conn_hold conn_hold_list(struct conn_list *list)
{
	struct conn_hold outer = conn_held;

	conn_held = (struct conn_hold){
		.frame = __builtin_frame_address(0),
		.list = list,
	};
	return outer;
}

void conn_hold_end(const struct conn_hold *outer)
{
	if (conn_held.counted)
		atomic_fetch_sub(conn_held.c->waiters, 1);
	conn_held = *outer;
}

/* One that nobody uses, of the ordinary size. */
static _Atomic(struct conn_list *) spare_list;

struct conn_list *conn_list_take(size_t n)
{
	size_t size = sizeof(struct conn_list) + n * sizeof(struct conn *);
	struct conn_list *list = NULL;

	if (size <= LIST_SIZE) {
		size = LIST_SIZE;
		list = atomic_exchange(&spare_list, NULL);
	}
	if (!list)
		list = map_memory(size);
	if (list)
		list->mapped = size;
	return list;
}

void conn_list_give(struct conn_list *list)
{
	if (list && list->mapped == LIST_SIZE)
		list = atomic_exchange(&spare_list, list);
	if (list)
		munmap(list, list->mapped);
}

void conn_list_add(struct conn_list *list, struct conn *c)
{
	if (!conn_ref_try(c))
		return;
	atomic_fetch_add(c->waiters, 1);
	list->all[list->n++] = c;
}

void conn_list_wake(struct conn_list *list)
{
	while (list && list->n) {
		struct conn *c = list->all[--list->n];

		atomic_fetch_sub(c->waiters, 1);
		conn_put(c);
	}
}

static bool is_on_signal_stack(void)
{
	stack_t ss;

	return sigaltstack(NULL, &ss) == 0 && (ss.ss_flags & SS_ONSTACK);
}

void conn_recover_hold(void)
{
	struct conn_hold lost = conn_held;

	/* A frame below ours is gone; one above is a wait that we, a signal
	 * handler, interrupted. */
	if (!lost.frame ||
		(const void *)__builtin_frame_address(0) <= lost.frame ||
		is_on_signal_stack())
		return;
	conn_held.frame = NULL;
	fdtab_shown = 0;
	if (lost.list) {
		conn_list_wake(lost.list);
		conn_list_give(lost.list);
		return;
	}
	if (lost.counted)
		atomic_fetch_sub(lost.c->waiters, 1);
	conn_put(lost.c);
}
