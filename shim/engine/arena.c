/* SPDX-License-Identifier: MIT */
/*
 * Size classes with free lists, cut from chunks that are never given back;
 * big blocks are mappings of their own.  Knows mmap(2) and one mutex, and
 * nothing of what the memory is for.
 *
 * Classes: multiples of 16 to 128, from there four steps a doubling, so that
 * at most a fifth of a block is wasted.  A block begins with a header of 16
 * bytes that says which class it is of: there is no look-up in free().
 */
#include "engine/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include "base/mutex.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_register_root_region(p, n) ((void)(p), (void)(n))
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#define CHUNK ((size_t)1 << 20)
#define MAPPINGS_MAX 4096
#define LINEAR 8	 /* classes of 16, 32 ... 128 */
#define LINEAR_SHIFT 7	 /* 128 */
#define LARGEST_SHIFT 17 /* 128 KiB; beyond that a mapping */
#define CLASSES (LINEAR + 4 * (LARGEST_SHIFT - LINEAR_SHIFT))
#define MAPPED UINT32_MAX /* stands where the class would */
#define PAGE                                                                   \
	((size_t)4096) /* mappings are rounded to this, or the kernel          \
			* rounds further: only the sum matters */

struct block {
	union {
		size_t size;	    /* in use: bytes asked for */
		struct block *next; /* free */
	};
	uint32_t class;
	uint32_t pages; /* of a mapping, header included */
};
_Static_assert(sizeof(struct block) == ARENA_OVERHEAD, "alignment");

/* A signal handler that interrupts its holder gets no memory. */
static struct mutex lock;
static struct block *free_list[CLASSES];
/* All that was mapped; more than this is not told to arena_each(). */
static struct mapping {
	void *start;
	size_t size;
} mappings[MAPPINGS_MAX];
static unsigned n_mappings;
static char *chunk;	  /* not cut yet */
static size_t chunk_left; /* bytes of it */

/* The smallest class whose blocks hold total bytes, header included. */
static uint32_t class_of(size_t total)
{
	unsigned shift;

	if (total <= (size_t)1 << LINEAR_SHIFT)
		return (uint32_t)((total - 1) / 16);
	shift = 63 - (unsigned)__builtin_clzl(total - 1);
	return (uint32_t)(LINEAR + (shift - LINEAR_SHIFT) * 4 +
			  (((total - 1) >> (shift - 2)) & 3));
}

static size_t class_size(uint32_t class)
{
	unsigned shift;

	if (class < LINEAR)
		return (class + 1) * (size_t)16;
	class -= LINEAR;
	shift = LINEAR_SHIFT + class / 4;
	return ((size_t)1 << shift) + ((size_t)(class % 4 + 1) << (shift - 2));
}

static void *block_user(struct block *b)
{
	return b + 1;
}

static struct block *block_of(void *user)
{
	return (struct block *)user - 1;
}

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Under the lock. */
static void note_mapping(void *start, size_t size)
{
	if (n_mappings < MAPPINGS_MAX)
		mappings[n_mappings] = (struct mapping){start, size};
	n_mappings++;
}

static void forget_mapping(const void *start)
{
	unsigned n = n_mappings < MAPPINGS_MAX ? n_mappings : MAPPINGS_MAX;

	for (unsigned i = 0; i < n; i++)
		if (mappings[i].start == start) {
			/* cppcheck-suppress negativeIndex */
			mappings[i] = mappings[n - 1];
			n_mappings--;
			return;
		}
}

bool arena_each(
	void (*visit)(void *arg, const void *start, size_t size), void *arg)
{
	if (n_mappings > MAPPINGS_MAX)
		return false;
	for (unsigned i = 0; i < n_mappings; i++)
		visit(arg, mappings[i].start, mappings[i].size);
	return true;
}

/* What is left of a chunk goes to the free lists, largest blocks first. */
static void chunk_spill(void)
{
	while (chunk_left >= 2 * sizeof(struct block)) {
		struct block *b = (struct block *)(void *)chunk;
		uint32_t class = class_of(chunk_left);

		if (class >= CLASSES)
			class = CLASSES - 1;
		while (class_size(class) > chunk_left)
			class --;
		b->class = class;
		b->next = free_list[class];
		free_list[class] = b;
		chunk += class_size(class);
		chunk_left -= class_size(class);
	}
}

/* A new block of the class.  Under the lock. */
static struct block *chunk_cut(uint32_t class)
{
	size_t size = class_size(class);
	struct block *b;
	char *fresh;

	if (chunk_left < size) {
		fresh = map(CHUNK);
		if (!fresh)
			return NULL;
		chunk_spill();
		note_mapping(fresh, CHUNK);
		__lsan_register_root_region(fresh, CHUNK);
		chunk = fresh;
		chunk_left = CHUNK;
	}
	b = (struct block *)(void *)chunk;
	chunk += size;
	chunk_left -= size;
	b->class = class;
	b->pages = 0;
	ASAN_POISON_MEMORY_REGION(b + 1, size - sizeof(*b));
	return b;
}

static void *alloc_mapped(size_t size)
{
	size_t pages = (size + sizeof(struct block) + PAGE - 1) / PAGE;
	struct block *b;

	if (pages > UINT32_MAX)
		return NULL;
	b = map(pages * PAGE);
	if (!b)
		return NULL;
	b->class = MAPPED;
	b->pages = (uint32_t)pages;
	b->size = size;
	if (!mutex_lock(&lock)) {
		munmap(b, pages * PAGE);
		return NULL;
	}
	note_mapping(b, pages * PAGE);
	mutex_unlock(&lock);
	return block_user(b);
}

static void *alloc_class(uint32_t class, size_t size)
{
	struct block *b;

	if (!mutex_lock(&lock))
		return NULL;
	b = free_list[class];
	if (b)
		free_list[class] = b->next;
	else
		b = chunk_cut(class);
	mutex_unlock(&lock);
	if (!b)
		return NULL;
	b->size = size;
	ASAN_UNPOISON_MEMORY_REGION(block_user(b), size);
	return block_user(b);
}

void *arena_alloc(size_t size)
{
	size_t total = size + sizeof(struct block);

	if (total < size)
		return NULL;
	if (total > class_size(CLASSES - 1))
		return alloc_mapped(size);
	return alloc_class(class_of(total), size);
}

void *arena_zalloc(size_t size)
{
	void *p = arena_alloc(size);

	if (p)
		memset(p, 0, size);
	return p;
}

void arena_free(void *user)
{
	struct block *b;

	if (!user)
		return;
	b = block_of(user);
	/* A signal handler that interrupted us leaves its block behind. */
	if (!mutex_lock(&lock))
		return;
	if (b->class == MAPPED) {
		forget_mapping(b);
		mutex_unlock(&lock);
		munmap(b, b->pages * PAGE);
		return;
	}
	ASAN_POISON_MEMORY_REGION(user, class_size(b->class) - sizeof(*b));
	b->next = free_list[b->class];
	free_list[b->class] = b;
	mutex_unlock(&lock);
}

/* A mapping that stays one moves its pages, not its bytes. */
static void *remap(struct block *b, size_t size)
{
	size_t pages = (size + sizeof(*b) + PAGE - 1) / PAGE;

	if (pages > UINT32_MAX)
		return NULL;
	b = mremap(b, b->pages * PAGE, pages * PAGE, MREMAP_MAYMOVE);
	if (b == MAP_FAILED)
		return NULL;
	b->pages = (uint32_t)pages;
	b->size = size;
	return block_user(b);
}

/* Does the block keep its place (and waste little) with the new size? */
static bool fits(const struct block *b, size_t size)
{
	return b->class != MAPPED && size <= SIZE_MAX - sizeof(*b) &&
	       size + sizeof(*b) <= class_size(b->class) &&
	       class_of(size + sizeof(*b)) == b->class;
}

void *arena_realloc(void *user, size_t size)
{
	struct block *b;
	void *fresh;

	if (!user)
		return arena_alloc(size);
	if (!size) {
		arena_free(user);
		return NULL;
	}
	b = block_of(user);
	if (fits(b, size)) {
		ASAN_POISON_MEMORY_REGION(
			user, class_size(b->class) - sizeof(*b));
		ASAN_UNPOISON_MEMORY_REGION(user, size);
		b->size = size;
		return user;
	}
	if (b->class == MAPPED && size > class_size(CLASSES - 1))
		return size > SIZE_MAX - 2 * PAGE ? NULL : remap(b, size);
	fresh = arena_alloc(size);
	if (!fresh)
		return NULL;
	memcpy(fresh, user, size < b->size ? size : b->size);
	arena_free(user);
	return fresh;
}

void arena_fork_child(void)
{
	lock = (struct mutex){0, 0};
}
