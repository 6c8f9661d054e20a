/* SPDX-License-Identifier: MIT */
/*
 * Where watches lie: a region that is never unmapped, so that a cookie that
 * the kernel gives back can be looked at, whatever became of the watch.
 */
#include "event/watch.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/spin.h"
#include "conn/conn.h"

/* Room for this many at once; memory is used as they are. */
#define WATCHES_MAX (1 << 18)
#define GENERATION_SHIFT 48
#define ADDRESS_MASK (((uint64_t)1 << GENERATION_SHIFT) - 1)

static _Atomic(struct watch *) region;
static size_t region_used;
static struct watch *free_watches;
static atomic_flag pool_busy = ATOMIC_FLAG_INIT;
/* Between two generations of a place; another one in each process, so that
 * the cookies of those that share a set differ. */
static uint16_t stride = 1;

/* ---- memory ---- */

static struct watch *map_region(void)
{
	struct watch *base = atomic_load(&region);

	if (base)
		return base;
	base = mmap(NULL, WATCHES_MAX * sizeof(*base), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return NULL;
	atomic_store(&region, base);
	return base;
}

/* As it was, or zeros. */
static struct watch *take_place(void)
{
	struct watch *w = NULL;

	spin_lock(&pool_busy);
	if (free_watches) {
		w = free_watches;
		free_watches = w->next;
	} else if (map_region() && region_used < WATCHES_MAX) {
		w = &atomic_load(&region)[region_used++];
	}
	spin_unlock(&pool_busy);
	return w;
}

struct watch *watch_take(void)
{
	struct watch *w = take_place();
	uint16_t generation;

	if (!w)
		return NULL;
	generation = (uint16_t)(w->generation + stride);
	memset(w, 0, sizeof(*w));
	w->generation = generation ? generation : stride;
	return w;
}

void watch_give(struct watch *w)
{
	spin_lock(&pool_busy);
	w->next = free_watches;
	free_watches = w;
	spin_unlock(&pool_busy);
}

void watch_fork_prepare(void)
{
	spin_lock(&pool_busy);
	map_region();
	spin_unlock(&pool_busy);
}

void watch_fork_child(void)
{
	atomic_flag_clear(&pool_busy);
	stride = (uint16_t)(2 * getpid() + 1);
}

/* ---- cookies ---- */

uint64_t watch_cookie(const struct watch *w)
{
	return (uint64_t)(uintptr_t)w | (uint64_t)w->generation
						<< GENERATION_SHIFT;
}

uint64_t watch_bell_cookie(void)
{
	return (uint64_t)(uintptr_t)atomic_load(&region);
}

uint64_t watch_annex_cookie(void)
{
	return watch_bell_cookie() + sizeof(struct watch);
}

int watch_decode(
	uint64_t data, struct watch **w, uint16_t *generation, struct conn **c)
{
	uint64_t base = (uint64_t)(uintptr_t)atomic_load(&region);
	uint64_t at = (data & ADDRESS_MASK) - base;
	struct watch *found;

	if (!base || at >= WATCHES_MAX * sizeof(*found) ||
		at % sizeof(*found) != 0)
		return WATCH_NOT_OURS;
	if (data == base)
		return WATCH_BELL;
	if (data == watch_annex_cookie())
		return WATCH_ANNEX;
	found = (struct watch *)(uintptr_t)(data & ADDRESS_MASK);
	*generation = (uint16_t)(data >> GENERATION_SHIFT);
	*w = found;
	*c = __atomic_load_n(&found->c, __ATOMIC_ACQUIRE);
	if (!*c || !conn_is_ours(*c) || !conn_ref_try(*c))
		return WATCH_STALE;
	return WATCH_OURS;
}

bool watch_is(const struct watch *w, uint16_t generation, const struct conn *c)
{
	return w->c == c && w->generation == generation;
}
