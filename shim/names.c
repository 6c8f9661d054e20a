/* SPDX-License-Identifier: MIT */
/*
 * Which names an address came from: two open-addressed hashes in a mapping that
 * children share, one of names and one of pairs of an address and a name.  A
 * slot is claimed by one compare-and-swap, filled in, published, and from then
 * on never changes but for its stamp.  A process that dies in between leaves a
 * claimed slot, which costs its place and nothing else; two that add the same
 * may put it there twice.  Nothing is evicted: where a probe window is full,
 * the address (and the few that share its mark) is unsure for ever.  Children
 * of the program share the mapping and may have gone wrong, so that what is
 * read is copied first and then checked like any input.
 */
#include "names.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include "names_live.h"

/* 12 MiB of address space, populated as it fills. */
#define NAMES 16384
#define PAIRS 262144
#define WINDOW 64
#define UNSURE_BITS (1 << 20)

enum slot_state { SLOT_FREE, SLOT_CLAIMED, SLOT_PUBLISHED };

struct name {
	_Atomic uint32_t state;
	char text[NAMES_NAME_MAX];
};

struct pair {
	_Atomic uint32_t state;
	_Atomic uint32_t stamp; /* the highest is the latest lookup */
	struct names_address address;
	uint32_t name; /* its place among the names */
};

struct table {
	_Atomic uint32_t clock;
	_Atomic uint8_t unsure[UNSURE_BITS / 8]; /* by hash; never cleared */
	struct name names[NAMES];
	struct pair pairs[PAIRS];
};

static struct table *table;
static uint64_t seed; /* so that no name server can aim at a window */

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
	return (uint32_t)mix(mix(seed ^ words[0]) ^ words[1]);
}

static uint32_t hash_of_name(const char *name)
{
	uint64_t hash = seed;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
	return (uint32_t)mix(hash);
}

static struct pair *pair_at(uint32_t hash, unsigned probe)
{
	return &table->pairs[(hash + probe) % PAIRS];
}

static uint32_t next_stamp(void)
{
	return atomic_fetch_add(&table->clock, 1) + 1;
}

/* true: it is the caller's to fill in and to publish. */
static bool slot_claim(_Atomic uint32_t *state)
{
	uint32_t was = SLOT_FREE;

	return atomic_compare_exchange_strong(state, &was, SLOT_CLAIMED);
}

static void slot_publish(_Atomic uint32_t *state)
{
	atomic_store_explicit(state, SLOT_PUBLISHED, memory_order_release);
}

static uint32_t slot_state(const _Atomic uint32_t *state)
{
	return atomic_load_explicit(state, memory_order_acquire);
}

/* Is the name there from now on, whoever put it? */
static bool name_learn(struct name *slot, const char *text)
{
	if (!slot_claim(&slot->state))
		return slot_state(&slot->state) == SLOT_PUBLISHED &&
		       strncmp(slot->text, text, NAMES_NAME_MAX) == 0;
	memcpy(slot->text, text, strlen(text) + 1);
	slot_publish(&slot->state);
	return true;
}

/* The same of a pair. */
static bool pair_learn(
	struct pair *slot, const struct names_address *address, uint32_t name)
{
	if (!slot_claim(&slot->state)) {
		if (slot_state(&slot->state) != SLOT_PUBLISHED ||
			!names_address_equal(&slot->address, address) ||
			slot->name != name)
			return false;
		atomic_store(&slot->stamp, next_stamp());
		return true;
	}
	slot->address = *address;
	slot->name = name;
	atomic_store(&slot->stamp, next_stamp());
	slot_publish(&slot->state);
	return true;
}

static unsigned unsure_bit(uint32_t hash)
{
	return (hash >> 12) % UNSURE_BITS;
}

static bool table_is_unsure(uint32_t hash)
{
	unsigned bit = unsure_bit(hash);

	return atomic_load(&table->unsure[bit / 8]) & 1u << bit % 8;
}

static void table_mark_unsure(const struct names_address *address)
{
	unsigned bit = unsure_bit(hash_of(address));

	if (table)
		atomic_fetch_or(
			&table->unsure[bit / 8], (uint8_t)(1u << bit % 8));
}

/* The place of a name from now on, or NAMES: no room. */
static uint32_t table_learn_name(const char *text)
{
	uint32_t hash = hash_of_name(text);

	for (unsigned i = 0; i < WINDOW; i++)
		if (name_learn(&table->names[(hash + i) % NAMES], text))
			return (hash + i) % NAMES;
	return NAMES;
}

static bool table_learn_pair(const struct names_address *address, uint32_t name)
{
	uint32_t hash = hash_of(address);

	for (unsigned i = 0; i < WINDOW; i++)
		if (pair_learn(pair_at(hash, i), address, name))
			return true;
	return false;
}

static void table_learn(const struct names_address *address, const char *text)
{
	uint32_t name;

	if (!table)
		return;
	name = table_learn_name(text);
	if (name == NAMES || !table_learn_pair(address, name))
		table_mark_unsure(address);
}

/* Adds the name at a place, if it is not there yet; stamps[i] belongs to
 * names[i].  Both come from shared memory.  False: it cannot be right, or is
 * one too many. */
static bool found_add(struct names_found *found, uint32_t *stamps,
	uint32_t place, uint32_t stamp)
{
	char name[NAMES_NAME_MAX], canonical[NAMES_NAME_MAX];

	if (place >= NAMES)
		return false;
	memcpy(name, table->names[place].text, sizeof(name));
	name[sizeof(name) - 1] = '\0';
	if (names_canonical(name, canonical) != NAMES_IS_NAME ||
		strcmp(name, canonical) != 0)
		return false;
	for (unsigned i = 0; i < found->n; i++) {
		if (strcmp(found->names[i], name) != 0)
			continue;
		if (stamps[i] < stamp)
			stamps[i] = stamp;
		return true;
	}
	if (found->n == NAMES_FOUND_MAX)
		return false;
	memcpy(found->names[found->n], name, sizeof(name));
	stamps[found->n++] = stamp;
	return true;
}

static void latest_first(struct names_found *found, const uint32_t *stamps)
{
	char name[NAMES_NAME_MAX];
	unsigned latest = 0;

	for (unsigned i = 1; i < found->n; i++)
		if (stamps[i] > stamps[latest])
			latest = i;
	memcpy(name, found->names[latest], sizeof(name));
	memcpy(found->names[latest], found->names[0], sizeof(name));
	memcpy(found->names[0], name, sizeof(name));
}

/* False: not all names are known. */
static bool table_find(
	const struct names_address *address, struct names_found *found)
{
	uint32_t stamps[NAMES_FOUND_MAX] = {0};
	uint32_t hash = hash_of(address);

	if (!table || table_is_unsure(hash))
		return false;
	for (unsigned i = 0; i < WINDOW; i++) {
		struct pair *pair = pair_at(hash, i);
		uint32_t state = slot_state(&pair->state);

		if (state == SLOT_FREE)
			break;
		if (state == SLOT_PUBLISHED &&
			names_address_equal(&pair->address, address) &&
			!found_add(found, stamps, pair->name,
				atomic_load(&pair->stamp)))
			return false;
	}
	if (found->n > 1)
		latest_first(found, stamps);
	return true;
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

int names_setup(void)
{
	int saved_errno = errno, error = 0;
	void *map = mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED) {
		error = errno;
	} else {
		seed = random_seed() ^ (uintptr_t)map;
		table = map;
	}
	errno = saved_errno;
	return error;
}

/* name NULL: it had one that cannot be kept. */
static void learn(const struct names_address *address, const char *name)
{
	if (name)
		table_learn(address, name);
	else
		table_mark_unsure(address);
}

void names_learn_result(const char *node, const struct addrinfo *result)
{
	int saved_errno = errno;
	char name[NAMES_NAME_MAX];
	struct names_address address;
	enum names_kind kind =
		node ? names_canonical(node, name) : NAMES_IS_ADDRESS;

	names_live_update(result, kind == NAMES_IS_NAME ? name : NULL);
	for (; result && kind != NAMES_IS_ADDRESS; result = result->ai_next)
		if (names_address(
			    result->ai_addr, result->ai_addrlen, &address))
			learn(&address, kind == NAMES_IS_NAME ? name : NULL);
	errno = saved_errno;
}

void names_forget(const struct addrinfo *result)
{
	int saved_errno = errno;

	names_live_update(result, NULL);
	errno = saved_errno;
}

static bool hostent_address(const struct hostent *host, const char *bytes,
	struct names_address *out)
{
	if (host->h_addrtype == AF_INET && host->h_length == 4)
		names_address_v4(bytes, out);
	else if (host->h_addrtype == AF_INET6 && host->h_length == 16)
		memcpy(out->ip, bytes, 16);
	else
		return false;
	return true;
}

void names_learn_hostent(const char *node, const struct hostent *host)
{
	int saved_errno = errno;
	char name[NAMES_NAME_MAX];
	struct names_address address;
	enum names_kind kind =
		node ? names_canonical(node, name) : NAMES_IS_ADDRESS;
	char **bytes =
		host && kind != NAMES_IS_ADDRESS ? host->h_addr_list : NULL;

	for (; bytes && *bytes; bytes++)
		if (hostent_address(host, *bytes, &address))
			learn(&address, kind == NAMES_IS_NAME ? name : NULL);
	errno = saved_errno;
}

/* Which names are this machine's own?  Asked for anew: it may change. */
static void mark_own(struct names_found *found)
{
	char own[NAMES_NAME_MAX];
	struct utsname machine;

	memset(found->own, 0, sizeof(found->own));
	if (!found->n || uname(&machine) != 0 ||
		names_canonical(machine.nodename, own) != NAMES_IS_NAME)
		return;
	for (unsigned i = 0; i < found->n; i++)
		found->own[i] = !strcmp(found->names[i], own);
}

void names_find(
	const struct sockaddr *addr, socklen_t len, struct names_found *found)
{
	int saved_errno = errno;
	struct names_address address;

	found->source = NAMES_NONE;
	found->n = 0;
	if (!names_address(addr, len, &address))
		return;
	if (names_live_find(addr, &address, found->names[0])) {
		found->source = NAMES_IDENTITY;
		found->n = 1;
	} else if (!table_find(&address, found)) {
		found->source = NAMES_UNSURE;
		found->n = 0;
	} else if (found->n) {
		found->source = found->n == 1 ? NAMES_ONLY : NAMES_SEVERAL;
	}
	mark_own(found);
	errno = saved_errno;
}

void *names_table(size_t *size)
{
	*size = sizeof(struct table);
	return table;
}
