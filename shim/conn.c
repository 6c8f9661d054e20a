/* SPDX-License-Identifier: MIT */
/*
 * Connections as objects: their memory, references, locks, and who waits on
 * them.  States are conn_state.c's, the end is conn_end.c's, and what becomes
 * of them when the process is copied is conn_copy.c's.
 */
#include "conn.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include "idle.h"
#include "keeper.h"
#include "real.h"
#include "watch.h"

#define NS_PER_S 1000000000LL
#define CONNS_PER_SLAB 32

atomic_uint conn_count IDLE_DATA;

static atomic_uint hidden_waiters;
struct conn conn_hidden = {.refs = 1, .waiters = &hidden_waiters};

static struct conn *free_list;
static atomic_flag pool_busy = ATOMIC_FLAG_INIT;

int64_t conn_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* ---- the pool ---- */

void conn_init_lock(struct conn *c)
{
	pthread_mutexattr_t attr;

	/* EDEADLK tells a signal handler that its own thread holds it. */
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&c->lock, &attr);
	pthread_mutexattr_destroy(&attr);
}

static bool grow_pool(void)
{
	struct conn *slab = mmap(NULL, CONNS_PER_SLAB * sizeof(*slab),
		PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	atomic_uint *waiters = mmap(NULL, CONNS_PER_SLAB * sizeof(*waiters),
		PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (slab == MAP_FAILED || waiters == MAP_FAILED)
		return false;
	for (int i = 0; i < CONNS_PER_SLAB; i++) {
		conn_init_lock(&slab[i]);
		slab[i].waiters = &waiters[i];
		slab[i].next_free = free_list;
		free_list = &slab[i];
	}
	return true;
}

void conn_pool_lock(void)
{
	while (atomic_flag_test_and_set(&pool_busy))
		sched_yield();
}

void conn_pool_unlock(void)
{
	atomic_flag_clear(&pool_busy);
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
	/* What a copy of the process inherits has its waiters in memory that
	 * the parent shares. */
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

struct conn *conn_new(void)
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
	held = (struct conn_hold){c, __builtin_frame_address(0), counted};
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
