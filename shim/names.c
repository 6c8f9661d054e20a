/* SPDX-License-Identifier: MIT */
/*
 * Which names an address came from.  Two tables:
 *
 * The shared one is an open-addressed hash of (address, name) pairs.  A pair
 * is claimed by one compare-and-swap, filled in, published, and from then on
 * never changes but for its stamp.  A process that dies in between leaves a
 * claimed slot, which costs its place and nothing else.  Nothing is evicted:
 * where a probe window is full, the address (and the few that share its mark)
 * is unsure for ever.  Children of the program share the mapping and may have
 * gone wrong, so that what is read is copied first and then checked like any
 * input.
 *
 * The private one maps the live ai_addr pointers to names, under a spin lock.
 */
#include "names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>

#define SLOTS 8192 /* 2.3 MiB of address space, populated as it fills */
#define WINDOW 64
#define UNSURE_BITS (1 << 16)
#define IDENTITIES 512
#define LOCK_TRIES 2000

enum slot_state { SLOT_FREE, SLOT_CLAIMED, SLOT_PUBLISHED };

struct slot {
	_Atomic uint32_t state;
	_Atomic uint32_t stamp; /* the highest is the latest lookup */
	struct names_address address;
	char name[NAMES_NAME_MAX];
};

struct table {
	_Atomic uint32_t clock;
	_Atomic uint8_t unsure[UNSURE_BITS / 8]; /* by hash; never cleared */
	struct slot slots[SLOTS];
};

static struct table *table;
static uint64_t seed; /* so that no name server can aim at a window */

static const struct sockaddr *identity_at[IDENTITIES]; /* NULL: free */
static struct {
	struct names_address address;
	char name[NAMES_NAME_MAX];
} identities[IDENTITIES];
static unsigned identity_victim;
static _Atomic unsigned identity_used; /* no place from here on was used */
static _Atomic bool identity_lost;     /* a forget was missed: trust none */
static _Atomic bool identity_locked;

/* Names and addresses. */

static bool is_address_text(const char *node)
{
	char digits[INET6_ADDRSTRLEN];
	size_t n = strcspn(node, "%"); /* a scope */
	struct in_addr in;
	struct in6_addr in6;

	/* inet_aton() stops at a blank, getaddrinfo() does not. */
	if (!node[strcspn(node, " \t\n\v\f\r")] && inet_aton(node, &in))
		return true;
	if (n >= sizeof(digits))
		return false;
	memcpy(digits, node, n);
	digits[n] = '\0';
	return inet_pton(AF_INET6, digits, &in6) == 1;
}

static bool is_label_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '_';
}

/* Does it read like a number, so that some program may take it for one? */
static bool is_number_label(const char *label)
{
	if (!strncmp(label, "0x", 2))
		return !label[2 + strspn(label + 2, "0123456789abcdef")];
	return !label[strspn(label, "0123456789")];
}

/* An empty label is not a trifle: OpenSSL takes ".com" for every host below
 * com (X509_VERIFY_PARAM_set1_host(3)). */
static bool labels_are_good(const char *name)
{
	const char *label = name;

	for (;;) {
		size_t n = 0;

		while (is_label_byte(label[n]))
			n++;
		if (n < 1 || n > 63)
			return false;
		if (!label[n])
			return !is_number_label(label);
		if (label[n] != '.')
			return false;
		label += n + 1;
	}
}

enum names_kind names_canonical(
	const char *node, char canonical[NAMES_NAME_MAX])
{
	size_t n = strnlen(node, NAMES_NAME_MAX + 1);

	memset(canonical, 0, NAMES_NAME_MAX);
	if (is_address_text(node))
		return NAMES_IS_ADDRESS;
	if (n && node[n - 1] == '.')
		n--;
	if (n >= NAMES_NAME_MAX)
		return NAMES_IS_NEITHER;
	for (size_t i = 0; i < n; i++)
		canonical[i] = node[i] >= 'A' && node[i] <= 'Z'
				       ? (char)(node[i] - 'A' + 'a')
				       : node[i];
	if (labels_are_good(canonical))
		return NAMES_IS_NAME;
	canonical[0] = '\0';
	return NAMES_IS_NEITHER;
}

static void address_from_v4(const void *in, struct names_address *out)
{
	memset(out->ip, 0, 10);
	memset(out->ip + 10, 0xff, 2);
	memcpy(out->ip + 12, in, 4);
}

bool names_address(
	const struct sockaddr *addr, socklen_t len, struct names_address *out)
{
	const char *bytes = (const char *)addr; /* need not be aligned */
	sa_family_t family;

	if (!addr || len < sizeof(struct sockaddr_in))
		return false;
	memcpy(&family, bytes, sizeof(family));
	if (family == AF_INET) {
		address_from_v4(
			bytes + offsetof(struct sockaddr_in, sin_addr), out);
		return true;
	}
	/* Without sin6_scope_id: SIN6_LEN_RFC2133 in Linux. */
	if (family != AF_INET6 ||
		len < offsetof(struct sockaddr_in6, sin6_scope_id))
		return false;
	memcpy(out->ip, bytes + offsetof(struct sockaddr_in6, sin6_addr), 16);
	return true;
}

bool names_address_is_v4(const struct names_address *address)
{
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(address->ip, mapped, sizeof(mapped));
}

static bool address_equal(
	const struct names_address *a, const struct names_address *b)
{
	return !memcmp(a->ip, b->ip, sizeof(a->ip));
}

/* The shared table. */

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

static struct slot *slot_at(uint32_t hash, unsigned probe)
{
	return &table->slots[(hash + probe) % SLOTS];
}

static uint32_t next_stamp(void)
{
	return atomic_fetch_add(&table->clock, 1) + 1;
}

static void slot_fill(struct slot *slot, const struct names_address *address,
	const char *name)
{
	slot->address = *address;
	memcpy(slot->name, name, strlen(name) + 1);
	atomic_store(&slot->stamp, next_stamp());
	atomic_store_explicit(
		&slot->state, SLOT_PUBLISHED, memory_order_release);
}

/* Is the pair there from now on, whoever put it? */
static bool slot_learn(struct slot *slot, const struct names_address *address,
	const char *name)
{
	uint32_t state = SLOT_FREE;

	if (atomic_compare_exchange_strong(
		    &slot->state, &state, SLOT_CLAIMED)) {
		slot_fill(slot, address, name);
		return true;
	}
	if (state != SLOT_PUBLISHED ||
		!address_equal(&slot->address, address) ||
		strncmp(slot->name, name, NAMES_NAME_MAX) != 0)
		return false;
	atomic_store(&slot->stamp, next_stamp());
	return true;
}

static unsigned unsure_bit(uint32_t hash)
{
	return (hash >> 16) % UNSURE_BITS;
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

static void table_learn(const struct names_address *address, const char *name)
{
	uint32_t hash = hash_of(address);

	if (!table)
		return;
	for (unsigned i = 0; i < WINDOW; i++)
		if (slot_learn(slot_at(hash, i), address, name))
			return;
	table_mark_unsure(address);
}

/* Adds a name that is not there yet; stamps[i] belongs to names[i].  The
 * name comes from shared memory.  False: it cannot be right, or is one too
 * many. */
static bool found_add(struct names_found *found, uint32_t *stamps,
	const char *shared_name, uint32_t stamp)
{
	char name[NAMES_NAME_MAX], canonical[NAMES_NAME_MAX];

	memcpy(name, shared_name, sizeof(name));
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
	uint32_t stamps[NAMES_FOUND_MAX], state;
	uint32_t hash = hash_of(address);

	if (!table || table_is_unsure(hash))
		return false;
	for (unsigned i = 0; i < WINDOW; i++) {
		struct slot *slot = slot_at(hash, i);

		state = atomic_load_explicit(
			&slot->state, memory_order_acquire);
		if (state == SLOT_FREE)
			break;
		if (state == SLOT_PUBLISHED &&
			address_equal(&slot->address, address) &&
			!found_add(found, stamps, slot->name,
				atomic_load(&slot->stamp)))
			return false;
	}
	if (found->n > 1)
		latest_first(found, stamps);
	return true;
}

/* The private table. */

/*
 * Signals are blocked while the lock is held, so that no handler waits for
 * the thread it runs in.  That leaves waits of microseconds, or as long as
 * the scheduler lets the holder wait, unless we are a child whose parent's
 * other thread held the lock when a fork that no hook saw copied it: hence
 * the bound, of about a second.
 */
static bool identity_lock(sigset_t *before)
{
	const struct timespec moment = {.tv_nsec = 1000000};
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, before);
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!atomic_exchange(&identity_locked, true))
			return true;
		if (i < LOCK_TRIES / 2)
			sched_yield();
		else
			nanosleep(&moment, NULL);
	}
	pthread_sigmask(SIG_SETMASK, before, NULL);
	return false;
}

static void identity_unlock(const sigset_t *before)
{
	atomic_store(&identity_locked, false);
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* The place of a pointer, or IDENTITIES.  NULL gives a free one. */
static unsigned identity_place(const struct sockaddr *at)
{
	unsigned used = atomic_load(&identity_used);

	for (unsigned i = 0; i < used; i++)
		if (identity_at[i] == at)
			return i;
	return !at && used < IDENTITIES ? used : IDENTITIES;
}

static void identity_forget(const struct sockaddr *at)
{
	unsigned i = identity_place(at);

	if (i < IDENTITIES)
		identity_at[i] = NULL;
}

/* When all places are taken one is overwritten: its result then counts as a
 * mere address, which is safe. */
static void identity_learn(const struct sockaddr *at,
	const struct names_address *address, const char *name)
{
	unsigned i = identity_place(NULL);

	if (i == IDENTITIES)
		i = identity_victim++ % IDENTITIES;
	else if (i == atomic_load(&identity_used))
		atomic_store(&identity_used, i + 1);
	identity_at[i] = at;
	identities[i].address = *address;
	memcpy(identities[i].name, name, strlen(name) + 1);
}

/* What lies at these addresses is new: an older identity at the same place
 * was freed behind our back.  name NULL: just forget. */
static void identity_update(const struct addrinfo *result, const char *name)
{
	struct names_address address;
	sigset_t before;

	if (atomic_load(&identity_lost))
		return;
	if (!name && !atomic_load(&identity_used))
		return;
	if (!identity_lock(&before)) {
		atomic_store(&identity_lost, true);
		return;
	}
	for (; result; result = result->ai_next) {
		if (!names_address(
			    result->ai_addr, result->ai_addrlen, &address))
			continue;
		identity_forget(result->ai_addr);
		if (name)
			identity_learn(result->ai_addr, &address, name);
	}
	identity_unlock(&before);
}

static bool identity_find(const struct sockaddr *addr,
	const struct names_address *address, char name[NAMES_NAME_MAX])
{
	sigset_t before;
	bool found;
	unsigned i;

	if (!atomic_load(&identity_used) || atomic_load(&identity_lost) ||
		!identity_lock(&before))
		return false;
	i = identity_place(addr);
	found = i < IDENTITIES &&
		address_equal(&identities[i].address, address);
	if (found)
		memcpy(name, identities[i].name, NAMES_NAME_MAX);
	identity_unlock(&before);
	return found;
}

/* What the hooks call. */

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

void names_learn_result(const char *node, const struct addrinfo *result)
{
	int saved_errno = errno;
	char name[NAMES_NAME_MAX];
	struct names_address address;
	enum names_kind kind =
		node ? names_canonical(node, name) : NAMES_IS_ADDRESS;

	identity_update(result, kind == NAMES_IS_NAME ? name : NULL);
	for (; result && kind != NAMES_IS_ADDRESS; result = result->ai_next) {
		if (!names_address(
			    result->ai_addr, result->ai_addrlen, &address))
			continue;
		if (kind == NAMES_IS_NAME)
			table_learn(&address, name);
		else
			table_mark_unsure(&address);
	}
	errno = saved_errno;
}

void names_forget(const struct addrinfo *result)
{
	int saved_errno = errno;

	identity_update(result, NULL);
	errno = saved_errno;
}

static bool hostent_address(const struct hostent *host, const char *bytes,
	struct names_address *out)
{
	if (host->h_addrtype == AF_INET && host->h_length == 4)
		address_from_v4(bytes, out);
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

	for (; bytes && *bytes; bytes++) {
		if (!hostent_address(host, *bytes, &address))
			continue;
		if (kind == NAMES_IS_NAME)
			table_learn(&address, name);
		else
			table_mark_unsure(&address);
	}
	errno = saved_errno;
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
	if (identity_find(addr, &address, found->names[0])) {
		found->source = NAMES_IDENTITY;
		found->n = 1;
	} else if (!table_find(&address, found)) {
		found->source = NAMES_UNSURE;
		found->n = 0;
	} else if (found->n) {
		found->source = found->n == 1 ? NAMES_ONLY : NAMES_SEVERAL;
	}
	errno = saved_errno;
}

void names_fork_child(void)
{
	if (!atomic_load(&identity_locked))
		return;
	/* A thread that does not exist here was amid a change. */
	memset(identity_at, 0, sizeof(identity_at));
	atomic_store(&identity_locked, false);
}

void *names_table(size_t *size)
{
	*size = sizeof(struct table);
	return table;
}
