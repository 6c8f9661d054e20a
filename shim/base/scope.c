/* SPDX-License-Identifier: MIT */
/*
 * Walks the dynamic linker's list of objects and reads their symbol tables.
 * Knows ELF (the System V ABI, "Dynamic Linking") and the GNU hash table;
 * nothing of what the names mean.
 *
 * Calls no string function of the C library: the sanitizers have their own, and
 * look functions up before those work.
 */
#include "base/scope.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>

#define WORD_BITS (sizeof(ElfW(Addr)) * 8)
/* In a symbol's version: not the one that a plain name means. */
#define VERSION_HIDDEN 0x8000

/* The linker's: where this library begins.  Of _DYNAMIC, link.h knows. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));

static bool is_same(const char *a, const char *b)
{
	for (; *a && *a == *b; a++)
		b++;
	return *a == *b;
}

static bool begins_with(const char *text, const char *with)
{
	for (; *with && *text == *with; with++)
		text++;
	return !*with;
}

static const char *base_name(const char *path)
{
	const char *name = path;

	for (; *path; path++)
		if (*path == '/')
			name = path + 1;
	return name;
}

/* ---- the symbols of one object ---- */

struct object {
	uintptr_t base;
	const ElfW(Sym) * symbols;
	const char *names;
	const ElfW(Half) * versions;
	const uint32_t *gnu_hash, *hash; /* one of them is enough */
};

/* The linker has made addresses of these, but in the vDSO, where they are
 * offsets for ever. */
static const void *address_in(uintptr_t base, const ElfW(Dyn) * d)
{
	uintptr_t p = d->d_un.d_ptr;

	return (const void *)(p < base ? p + base : p);
}

static struct object read_object(uintptr_t base, const ElfW(Dyn) * d)
{
	struct object o = {.base = base};

	for (; d && d->d_tag != DT_NULL; d++)
		switch (d->d_tag) {
		case DT_SYMTAB:
			o.symbols = address_in(base, d);
			break;
		case DT_STRTAB:
			o.names = address_in(base, d);
			break;
		case DT_VERSYM:
			o.versions = address_in(base, d);
			break;
		case DT_GNU_HASH:
			o.gnu_hash = address_in(base, d);
			break;
		case DT_HASH:
			o.hash = address_in(base, d);
			break;
		}
	return o;
}

/* at NULL: as a plain name is looked up. */
static bool is_definition(
	const struct object *o, uint32_t i, const char *name, const void *at)
{
	const ElfW(Sym) *s = &o->symbols[i];

	if (s->st_shndx == SHN_UNDEF || !is_same(o->names + s->st_name, name))
		return false;
	if (at)
		return o->base + s->st_value == (uintptr_t)at;
	return !o->versions || !(o->versions[i] & VERSION_HIDDEN);
}

static uint32_t gnu_hash_of(const char *name)
{
	uint32_t h = 5381;

	for (; *name; name++)
		h = h * 33 + (unsigned char)*name;
	return h;
}

static uint32_t find_by_gnu_hash(
	const struct object *o, const char *name, const void *at)
{
	uint32_t n = o->gnu_hash[0], first = o->gnu_hash[1];
	uint32_t words = o->gnu_hash[2], shift = o->gnu_hash[3];
	const ElfW(Addr) *filter = (const ElfW(Addr) *)(o->gnu_hash + 4);
	const uint32_t *buckets = (const uint32_t *)(filter + words);
	const uint32_t *chain = buckets + n;
	uint32_t h = gnu_hash_of(name);
	ElfW(Addr) word = filter[h / WORD_BITS % words];
	uint32_t i = n ? buckets[h % n] : 0;

	if (i < first || !(word >> h % WORD_BITS & 1) ||
		!(word >> (h >> shift) % WORD_BITS & 1))
		return 0;
	for (;; i++) {
		uint32_t of_symbol = chain[i - first];

		if ((of_symbol | 1) == (h | 1) && is_definition(o, i, name, at))
			return i;
		if (of_symbol & 1) /* the chain's last */
			return 0;
	}
}

static uint32_t hash_of(const char *name)
{
	uint32_t h = 0;

	for (; *name; name++) {
		uint32_t top;

		h = (h << 4) + (unsigned char)*name;
		top = h & 0xf0000000;
		h = (h ^ top >> 24) & ~top;
	}
	return h;
}

static uint32_t find_by_hash(
	const struct object *o, const char *name, const void *at)
{
	uint32_t n = o->hash[0], i;
	const uint32_t *buckets = o->hash + 2, *chain = buckets + n;

	for (i = n ? buckets[hash_of(name) % n] : 0; i; i = chain[i])
		if (is_definition(o, i, name, at))
			return i;
	return 0;
}

/* Where the object defines the name; NULL: nowhere, or not there (at). */
static void *definition(
	const struct object *o, const char *name, const void *at)
{
	uint32_t i = 0;

	if (!o->symbols || !o->names)
		return NULL;
	if (o->gnu_hash)
		i = find_by_gnu_hash(o, name, at);
	else if (o->hash)
		i = find_by_hash(o, name, at);
	return i ? (void *)(o->base + o->symbols[i].st_value) : NULL;
}

/* ---- the list of objects ---- */

/* Where the C library's functions are defined, in its older versions too, and
 * those of liburing, which are names of calls.def as well. */
static bool is_library_of_calls(const char *file)
{
	/* Without pointers, which would be relocations at every start. */
	static const char names[][20] = {"libc.so.", "libpthread.so.",
		"libdl.so.", "librt.so.", "libanl.so.", "liburing.so.",
		"liburing-ffi.so."};

	file = base_name(file);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (begins_with(file, names[i]))
			return true;
	return false;
}

/*
 * This library's entry.  The linker leaves it in the second word of what
 * DT_PLTGOT points to, where calls are bound when they are first made; else
 * (LD_BIND_NOW) dladdr1(), which looks at all symbols, is asked.
 */
static const struct link_map *own_entry(void)
{
	struct link_map *self = NULL;
	Dl_info info;

	for (const ElfW(Dyn) *d = _DYNAMIC; d->d_tag != DT_NULL; d++)
		if (d->d_tag == DT_PLTGOT)
			self = ((struct link_map **)d->d_un.d_ptr)[1];
	if (self && self->l_ld == _DYNAMIC)
		return self;
	if (!dladdr1(__ehdr_start, &info, (void **)&self, RTLD_DL_LINKMAP))
		return NULL;
	return self;
}

static void *defined_by(const struct link_map *map, const char *name)
{
	struct object o = read_object(map->l_addr, map->l_ld);

	return definition(&o, name, NULL);
}

/* What came with the program is never unloaded: no lock is needed as far as
 * the C library, nor towards the executable. */
void *scope_of_libc(const char *name)
{
	const struct link_map *map = own_entry();
	void *found = NULL;

	for (; map && !found; map = map->l_next)
		if (is_library_of_calls(map->l_name))
			found = defined_by(map, name);
	return found;
}

void *scope_own(const char *name)
{
	struct object o = read_object((uintptr_t)__ehdr_start, _DYNAMIC);

	return definition(&o, name, NULL);
}

/* The executable has no entry before its own. */
const char *scope_before_us(void)
{
	const struct link_map *map = own_entry();

	for (map = map ? map->l_prev : NULL; map && map->l_prev;
		map = map->l_prev)
		if (defined_by(map, "connect") &&
			!defined_by(map, "__sanitizer_set_report_path"))
			return map->l_name;
	return NULL;
}

bool scope_is_copy(const char *file)
{
	return begins_with(base_name(file), "libtlsshim.so");
}

/* ---- who asks, and what was found ---- */

struct question {
	const char *name;
	const void *found, *caller;
	bool past_us;
	bool is_before_us; /* the caller */
	bool defines_it;   /* the caller's object */
	bool is_of_calls;  /* what was found */
};

static bool contains(const struct dl_phdr_info *object, const void *p)
{
	for (unsigned i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &object->dlpi_phdr[i];

		if (h->p_type == PT_LOAD &&
			(uintptr_t)p - object->dlpi_addr - h->p_vaddr <
				h->p_memsz)
			return true;
	}
	return false;
}

static bool defines(
	const struct dl_phdr_info *object, const char *name, const void *at)
{
	struct object o = {.base = 0};

	for (unsigned i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &object->dlpi_phdr[i];

		if (h->p_type == PT_DYNAMIC)
			o = read_object(object->dlpi_addr,
				(const ElfW(Dyn) *)(object->dlpi_addr +
						    h->p_vaddr));
	}
	return definition(&o, name, at) != NULL;
}

/* The linker tells them in the order in which it asks them. */
static int look_at(struct dl_phdr_info *object, size_t size, void *arg)
{
	struct question *q = arg;

	(void)size;
	if (object->dlpi_addr == (uintptr_t)__ehdr_start)
		q->past_us = true;
	if (contains(object, q->caller)) {
		q->is_before_us = !q->past_us;
		q->defines_it = defines(object, q->name, NULL);
	}
	if (contains(object, q->found))
		q->is_of_calls = is_library_of_calls(object->dlpi_name) &&
				 defines(object, q->name, q->found);
	return 0;
}

bool scope_goes_round_us(
	const char *name, const void *found, const void *caller)
{
	struct question q = {.name = name, .found = found, .caller = caller};

	dl_iterate_phdr(look_at, &q);
	return q.is_of_calls && (q.is_before_us || !q.defines_it);
}

bool scope_is_before_us(const void *code)
{
	struct question q = {.name = "", .caller = code};

	dl_iterate_phdr(look_at, &q);
	return q.is_before_us;
}

struct pair {
	const void *one, *other;
	const char *file;
};

static int look_for_both(struct dl_phdr_info *object, size_t size, void *arg)
{
	struct pair *p = arg;

	(void)size;
	if (!contains(object, p->one) || !contains(object, p->other))
		return 0;
	p->file = object->dlpi_name;
	return 1;
}

const char *scope_has_both(const void *one, const void *other)
{
	struct pair p = {.one = one, .other = other};

	dl_iterate_phdr(look_for_both, &p);
	return p.file;
}
