/* SPDX-License-Identifier: MIT */
/*
 * Three open-addressed tables: names, pairs of an address and a name, and marks
 * of pairs that were lost.  A pair knows its name by a hash of 64 bits, seeded,
 * so that another name may take the place of one that is used no more.  A fork
 * may copy the process amid a change: whatever is filled in becomes valid by
 * its last store.
 */
#include "names/memory.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include "base/map.h"

/* 12.3 MiB of address space, populated as it fills. */
#define NAMES 16384
#define PAIRS 131072
#define MARKS 32768
#define WINDOW 64
#define MARK_WINDOW 8
#define AN_HOUR 3600

/* Of one answer, in an order of all that this process takes in. */
struct seen {
	uint32_t look; /* 0: never */
	uint32_t at;   /* seconds */
};

struct name {
	_Atomic uint32_t used; /* the highest was used last; 0: free */
	uint64_t hash;
	uint32_t looks[2][2]; /* the last by who and family */
	char text[NAMES_NAME_MAX];
};

struct pair {
	_Atomic uint32_t used;
	uint32_t learnt; /* the highest is the latest */
	uint64_t name;	 /* its hash */
	struct seen seen[2];
	struct names_address address;
};

struct mark {
	uint32_t address; /* its hash; 0: free */
	uint64_t name;
};

static struct memory {
	struct name names[NAMES];
	struct pair pairs[PAIRS];
	struct mark marks[MARKS];
} * memory;

static uint64_t seed; /* so that no name server can aim at a window */
static uint32_t clock_now;
static uint32_t victim; /* of the marks */

/* The finalizer of splitmix64: neighbouring addresses are the rule. */
static uint64_t mix(uint64_t n)
{
	n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9u;
	n = (n ^ n >> 27) * 0x94d049bb133111ebu;
	return n ^ n >> 31;
}

static uint32_t hash_of(const struct names_address *address)
{
	uint64_t words[2];

	memcpy(words, address->ip, sizeof(words));
	return (uint32_t)mix(mix(seed ^ words[0]) ^ words[1]) | 1;
}

static uint64_t hash_of_name(const char *name)
{
	uint64_t hash = seed;

	for (; *name; name++)
		hash = mix(hash ^ (unsigned char)*name);
	return hash;
}

/* Of the kernel's random bytes for this process (getauxval(3)), by a function
 * that cannot be turned round: libc's guards are made of them, too. */
static uint64_t random_seed(void)
{
	const void *bytes = (const void *)getauxval(AT_RANDOM);
	uint64_t words[2] = {0};

	if (bytes)
		memcpy(words, bytes, sizeof(words));
	return mix(words[0] ^ mix(words[1]));
}

static bool has_memory(void)
{
	if (memory)
		return true;
	memory = map_memory(sizeof(*memory));
	seed = random_seed() ^ (uintptr_t)memory;
	return memory != NULL;
}

static uint32_t use(_Atomic uint32_t *used)
{
	if (!++clock_now)
		clock_now = 1;
	atomic_store_explicit(used, clock_now, memory_order_release);
	return clock_now;
}

static unsigned family_of(const struct names_address *address)
{
	return names_address_is_v4(address) ? 0 : 1;
}

/* ---- marks ---- */

static struct mark *mark_at(uint32_t address, unsigned probe)
{
	/* Other bits than those that choose the place of a pair. */
	return &memory->marks[((address >> 15) + probe) % MARKS];
}

static void set_mark(uint32_t address, uint64_t name)
{
	struct mark *place = NULL;

	for (unsigned i = 0; i < MARK_WINDOW; i++) {
		struct mark *m = mark_at(address, i);

		if (m->address == address && m->name == name)
			return;
		if (!m->address && !place)
			place = m;
	}
	if (!place)
		place = mark_at(address, victim++ % MARK_WINDOW);
	*place = (struct mark){address, name};
}

/* That name is known again. */
static void clear_mark(uint32_t address, uint64_t name)
{
	for (unsigned i = 0; i < MARK_WINDOW; i++) {
		struct mark *m = mark_at(address, i);

		if (m->address == address && m->name == name)
			m->address = 0;
	}
}

static bool is_marked(uint32_t address)
{
	for (unsigned i = 0; i < MARK_WINDOW; i++)
		if (mark_at(address, i)->address == address)
			return true;
	return false;
}

/* ---- names ---- */

/* The name of a pair, or NULL: it had to give way. */
static struct name *name_of(uint64_t hash)
{
	for (unsigned i = 0; i < WINDOW; i++) {
		struct name *n = &memory->names[(hash + i) % NAMES];

		if (!atomic_load_explicit(&n->used, memory_order_acquire))
			return NULL;
		if (n->hash == hash)
			return n;
	}
	return NULL;
}

/* A free place, or that of the name that was used longest ago. */
static struct name *room_for_name(uint64_t hash)
{
	struct name *oldest = NULL;

	for (unsigned i = 0; i < WINDOW; i++) {
		struct name *n = &memory->names[(hash + i) % NAMES];

		if (!n->used)
			return n;
		if (!oldest || n->used < oldest->used)
			oldest = n;
	}
	return oldest;
}

static struct name *learn_name(const char *text, uint64_t hash)
{
	struct name *n = name_of(hash);

	if (!n) {
		n = room_for_name(hash);
		/* For a copy of the process: no pair has this one. */
		n->hash = ~hash;
		memset(n->looks, 0, sizeof(n->looks));
		memcpy(n->text, text, strlen(text) + 1);
		atomic_signal_fence(memory_order_release);
		n->hash = hash;
	}
	use(&n->used);
	return n;
}

/* ---- pairs ---- */

static struct pair *pair_at(uint32_t hash, unsigned probe)
{
	return &memory->pairs[(hash + probe) % PAIRS];
}

/* The pair, or a place for it. */
static struct pair *place_of(
	const struct names_address *address, uint32_t hash, uint64_t name)
{
	struct pair *oldest = NULL;

	for (unsigned i = 0; i < WINDOW; i++) {
		struct pair *p = pair_at(hash, i);

		if (p->used && p->name == name &&
			names_address_equal(&p->address, address))
			return p;
		if (!oldest || p->used < oldest->used)
			oldest = p;
	}
	if (oldest->used)
		set_mark(hash_of(&oldest->address), oldest->name);
	return oldest;
}

void names_memory_learn(const struct names_answer *answer, const char *text,
	const struct names_address *address)
{
	uint32_t hash;
	uint64_t name_hash;
	struct name *name;
	struct pair *p;

	if (!has_memory())
		return;
	hash = hash_of(address);
	name_hash = hash_of_name(text);
	if (!*text) {
		set_mark(hash, name_hash);
		return;
	}
	name = learn_name(text, name_hash);
	name->looks[answer->who][family_of(address)] = answer->look;
	p = place_of(address, hash, name_hash);
	if (!p->used || p->name != name_hash ||
		!names_address_equal(&p->address, address)) {
		atomic_store(&p->used, 0);
		memset(p->seen, 0, sizeof(p->seen));
		p->address = *address;
		p->name = name_hash;
	}
	p->seen[answer->who] = (struct seen){answer->look, answer->now};
	p->learnt = use(&p->used);
	clear_mark(hash, name_hash);
}

/* ---- finding ---- */

/* The pairs of one address. */
struct candidates {
	struct {
		struct pair *pair;
		struct name *name;
		bool is_own, has_moved;
	} all[WINDOW];
	unsigned n;
	bool own_remains, some_remain;
};

/* Did a later answer to the same question not have the address? */
static bool has_moved_by(enum names_who who, const struct pair *p,
	const struct name *name, uint32_t now)
{
	uint32_t last = name->looks[who][family_of(&p->address)];

	return last && p->seen[who].look && p->seen[who].look != last &&
	       now - p->seen[who].at >= AN_HOUR;
}

/* By all who gave it this name. */
static bool has_moved(
	const struct pair *p, const struct name *name, uint32_t now)
{
	for (int who = NAMES_OWN; who <= NAMES_OTHERS; who++)
		if (p->seen[who].look && !has_moved_by(who, p, name, now))
			return false;
	return true;
}

/* False: one of its names had to give way. */
static bool collect(struct candidates *c, const struct names_address *address,
	uint32_t hash, uint32_t now)
{
	for (unsigned i = 0; i < WINDOW; i++) {
		struct pair *p = pair_at(hash, i);
		struct name *name;
		bool moved, own;

		if (!atomic_load_explicit(&p->used, memory_order_acquire) ||
			!names_address_equal(&p->address, address))
			continue;
		name = name_of(p->name);
		if (!name)
			return false;
		moved = has_moved(p, name, now);
		own = p->seen[NAMES_OWN].look != 0;
		c->all[c->n].pair = p;
		c->all[c->n].name = name;
		c->all[c->n].is_own = own;
		c->all[c->n++].has_moved = moved;
		c->own_remains |= own && !moved;
		c->some_remain |= !moved;
	}
	return true;
}

static void latest_first(struct names_found *found, const uint32_t *learnt)
{
	char name[NAMES_NAME_MAX];
	unsigned latest = 0;

	for (unsigned i = 1; i < found->n; i++)
		if (learnt[i] > learnt[latest])
			latest = i;
	memcpy(name, found->names[latest], sizeof(name));
	memcpy(found->names[latest], found->names[0], sizeof(name));
	memcpy(found->names[0], name, sizeof(name));
}

/* False: more than there is room for. */
static bool list(
	const struct candidates *c, struct names_found *found, bool *has_own)
{
	uint32_t learnt[NAMES_FOUND_MAX];

	for (unsigned i = 0; i < c->n; i++) {
		bool others =
			c->all[i].is_own ? c->own_remains : c->some_remain;

		if (c->all[i].has_moved && others)
			continue;
		if (found->n == NAMES_FOUND_MAX)
			return false;
		*has_own |= c->all[i].is_own;
		learnt[found->n] = c->all[i].pair->learnt;
		memcpy(found->names[found->n++], c->all[i].name->text,
			NAMES_NAME_MAX);
	}
	if (found->n > 1)
		latest_first(found, learnt);
	/* What is connected to is not what gives way next. */
	for (unsigned i = 0; i < c->n; i++) {
		use(&c->all[i].pair->used);
		use(&c->all[i].name->used);
	}
	return true;
}

void names_memory_find(const struct names_address *address, uint32_t now,
	struct names_found *found, bool *has_own)
{
	static struct candidates c; /* large: see the lock */
	uint32_t hash;
	bool sure;

	found->source = NAMES_NONE;
	found->n = 0;
	*has_own = false;
	if (!memory)
		return;
	hash = hash_of(address);
	c = (struct candidates){.n = 0};
	sure = !is_marked(hash) && collect(&c, address, hash, now) &&
	       list(&c, found, has_own);
	if (!sure) {
		found->source = NAMES_UNSURE;
		found->n = 0;
	} else if (found->n) {
		found->source = found->n == 1 ? NAMES_ONLY : NAMES_SEVERAL;
	}
}

void names_memory_reset(void)
{
	if (memory)
		munmap(memory, sizeof(*memory));
	memory = NULL;
	clock_now = 0;
}
