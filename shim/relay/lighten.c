/* SPDX-License-Identifier: MIT */
/*
 * Which memory a relay keeps.  Knows /proc/self/maps, and where libraries have
 * their data.  The dynamic linker's own may be among what is dropped.
 */
#include "relay/lighten.h"

#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "base/hex.h"
#include "base/map.h"
#include "base/real.h"
#include "base/x86_64/thread.h"
#include "conn/conn.h"
#include "tls/loader.h"

#define KEEP_MAX 1024
#define MAPS_MAX (1 << 20)
/* Around the thread pointer: errno and the rest of the thread's own data. */
#define THREAD_BELOW (256 << 10)
#define THREAD_ABOVE (64 << 10)
/* Beyond so many thread-specific values the C library keeps them in the heap:
 * PTHREAD_KEY_2NDLEVEL_SIZE. */
#define KEYS_INLINE 32

struct range {
	uintptr_t start, end;
};

static struct keep {
	struct range ranges[KEEP_MAX]; /* ascending after sort() */
	unsigned n;
	bool full;
} kept;

static void keep_range(void *arg, const void *start, size_t size)
{
	struct keep *keep = arg;
	uintptr_t page = 4095, from = (uintptr_t)start & ~page;

	if (keep->n == KEEP_MAX) {
		keep->full = true;
		return;
	}
	keep->ranges[keep->n++] =
		(struct range){from, ((uintptr_t)start + size + page) & ~page};
}

/* A library's data ends in anonymous memory, which /proc/self/maps does not
 * tell from what the program mapped right behind it. */
static int keep_data(struct dl_phdr_info *info, size_t size, void *keep)
{
	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

		if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W))
			keep_range(keep,
				(void *)(info->dlpi_addr + segment->p_vaddr),
				segment->p_memsz);
	}
	return 0;
}

static void sort(struct keep *keep)
{
	for (unsigned i = 1; i < keep->n; i++)
		for (unsigned j = i; j > 0 && keep->ranges[j].start <
						      keep->ranges[j - 1].start;
			j--) {
			struct range swap = keep->ranges[j];

			keep->ranges[j] = keep->ranges[j - 1];
			keep->ranges[j - 1] = swap;
		}
}

static void drop(const struct keep *keep, uintptr_t start, uintptr_t end)
{
	for (unsigned i = 0; i < keep->n && start < end; i++) {
		const struct range *r = &keep->ranges[i];

		if (r->end <= start || r->start >= end)
			continue;
		if (r->start > start)
			munmap((void *)start, r->start - start);
		start = r->end;
	}
	if (start < end)
		munmap((void *)start, end - start);
}

/* ---- /proc/self/maps ---- */

struct line {
	uintptr_t start, end;
	bool is_private; /* and writable, of no file */
};

/* "55d0-55d1 rw-p 00000000 00:00 0    [heap]\n" */
static const char *parse(const char *s, struct line *line)
{
	const char *eol = strchr(s, '\n'), *path;

	s = hex_number(s, &line->start);
	s = hex_number(s + 1, &line->end);
	path = s + 1;
	line->is_private = path[0] == 'r' && path[1] == 'w' && path[3] == 'p';
	for (int field = 0; field < 4; field++) {
		while (*path != ' ' && *path != '\n')
			path++;
		while (*path == ' ')
			path++;
	}
	if (*path != '\n' && strncmp(path, "[heap]", 6) != 0)
		line->is_private = false;
	return eol ? eol + 1 : NULL;
}

static char *read_maps(void)
{
	char *text = map_memory(MAPS_MAX);
	int fd = real(open)("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 0;

	if (!text || fd < 0)
		return NULL;
	while (len < MAPS_MAX - 1 &&
		(n = real(read)(fd, text + len, MAPS_MAX - 1 - len)) > 0)
		len += (size_t)n;
	real(close)(fd);
	return n == 0 ? text : NULL;
}

static void drop_all(const struct keep *keep, const char *maps)
{
	while (maps && *maps) {
		struct line line;

		maps = parse(maps, &line);
		if (line.is_private)
			drop(keep, line.start, line.end);
	}
}

static bool keeps_values_inline(void)
{
	pthread_key_t key;

	return pthread_key_create(&key, NULL) == 0 && key < KEYS_INLINE;
}

#ifdef TLSSHIM_SANITIZED
static const bool sanitized = true; /* their memory is not ours to judge */
#else
static const bool sanitized = false;
#endif

void lighten_prepare(void)
{
	kept.n = 0;
	kept.full = false;
	dl_iterate_phdr(keep_data, &kept);
}

void lighten(const struct relay_leg *legs, unsigned n, const void *stack,
	size_t stack_size)
{
	const char *maps = read_maps();
	const char *thread = thread_pointer();

	if (!maps || sanitized || !keeps_values_inline())
		return;
	keep_range(&kept, stack, stack_size);
	keep_range(&kept, thread - THREAD_BELOW, THREAD_BELOW + THREAD_ABOVE);
	keep_range(&kept, maps, MAPS_MAX);
	keep_range(&kept, legs, n * sizeof(*legs));
	for (unsigned i = 0; i < n && !kept.full; i++) {
		keep_range(&kept, legs[i].c, sizeof(*legs[i].c));
		/* For its handshake, which is done there. */
		if (conn_is_opening(legs[i].c))
			keep_range(&kept, legs[i].c->dest,
				sizeof(*legs[i].c->dest));
	}
	if ((n && !tls_loaded()->memory(keep_range, &kept)) || kept.full)
		return;
	sort(&kept);
	drop_all(&kept, maps);
}
