/* SPDX-License-Identifier: MIT */
/*
 * Which names an address came from.  Knows look-ups and the order in which they
 * count: results by their place in memory (names_live), what this process
 * remembers (names_memory), and what others told it (names_shared).  It takes
 * in what they told before it learns or answers anything itself.
 */
#include "names/names.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include "base/kernel.h"
#include "names/live.h"
#include "names/lock.h"
#include "names/memory.h"
#include "names/shared.h"

#define AN_HOUR 3600

static _Atomic bool is_set_up;
static _Atomic bool is_lost;	/* an answer could not be remembered */
static uint32_t own_looks;	/* answers so far */
static bool others_are_lost;	/* some of what others told, */
static uint32_t others_lost_at; /* at this time */

/* ---- time ---- */

static uint32_t seconds_since_boot(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint32_t)now.tv_sec;
}

uint32_t (*names_now)(void) = seconds_since_boot;

/* ---- who we are ---- */

struct credentials {
	uid_t users[3];
	gid_t groups[3];
};

static struct credentials credentials;
static bool credentials_change; /* after names_part() */

static struct credentials own_credentials(void)
{
	struct credentials c = {{0}, {0}};

	kernel_getresuid(&c.users[0], &c.users[1], &c.users[2]);
	kernel_getresgid(&c.groups[0], &c.groups[1], &c.groups[2]);
	return c;
}

/* Those that the program was started with, without a system call. */
static struct credentials first_credentials(void)
{
	uid_t user = (uid_t)getauxval(AT_EUID);
	gid_t group = (gid_t)getauxval(AT_EGID);

	return (struct credentials){{(uid_t)getauxval(AT_UID), user, user},
		{(gid_t)getauxval(AT_GID), group, group}};
}

/* With the lock. */
static void take_all(uint32_t now)
{
	struct names_entry entry;
	bool lost = false;

	while (names_shared_take(&entry, &lost))
		names_memory_learn(
			&(struct names_answer){NAMES_OTHERS, entry.look, now},
			entry.name, &entry.address);
	if (!lost)
		return;
	others_are_lost = true;
	others_lost_at = now;
}

/* Those with other rights than ours are no longer told, nor believed. */
static void part(uint32_t now)
{
	take_all(now);
	names_shared_begin();
}

int names_setup(void)
{
	int saved_errno = errno, error = names_shared_begin();

	credentials = first_credentials();
	others_are_lost = false;
	atomic_store(&is_set_up, !error);
	errno = saved_errno;
	return error;
}

void names_part(void)
{
	int saved_errno = errno;
	sigset_t before;

	if (atomic_load(&is_set_up) && names_lock(&before)) {
		part(names_now());
		credentials_change = true;
		names_unlock(&before);
	}
	errno = saved_errno;
}

/* They may have changed by a call that no hook saw. */
static void check_credentials(uint32_t now)
{
	struct credentials current = own_credentials();
	bool are_same = !memcmp(&current, &credentials, sizeof(current));

	if (!are_same && !credentials_change)
		part(now);
	credentials = current;
	credentials_change = false;
}

/* ---- learning ---- */

/* An answer that is being learnt; name "": one that cannot be kept. */
struct learning {
	struct names_answer own;
	struct names_entry told;
	sigset_t before;
};

/* False: nothing can be learnt. */
static bool learning_begin(struct learning *l, const char *name)
{
	if (!atomic_load(&is_set_up))
		return false;
	if (!names_lock(&l->before)) {
		atomic_store(&is_lost, true);
		return false;
	}
	l->own = (struct names_answer){NAMES_OWN, ++own_looks, names_now()};
	check_credentials(l->own.now);
	take_all(l->own.now);
	memset(&l->told, 0, sizeof(l->told));
	l->told.look = names_shared_look();
	memcpy(l->told.name, name, strlen(name));
	return true;
}

static void learn(struct learning *l, const struct names_address *address)
{
	names_memory_learn(&l->own, l->told.name, address);
	l->told.address = *address;
	names_shared_tell(&l->told);
}

static void learning_end(const struct learning *l)
{
	names_unlock(&l->before);
}

/* What node is; name: as it is to be learnt. */
static enum names_kind kind_of(const char *node, char name[NAMES_NAME_MAX])
{
	enum names_kind kind =
		node ? names_canonical(node, name) : NAMES_IS_ADDRESS;

	if (kind != NAMES_IS_NAME)
		name[0] = '\0';
	return kind;
}

void names_learn_result(const char *node, const struct addrinfo *result)
{
	int saved_errno = errno;
	char name[NAMES_NAME_MAX];
	struct names_address address;
	struct learning l;
	enum names_kind kind = kind_of(node, name);

	names_live_update(result, kind == NAMES_IS_NAME ? name : NULL);
	if (kind != NAMES_IS_ADDRESS && learning_begin(&l, name)) {
		for (; result; result = result->ai_next)
			if (names_address(result->ai_addr, result->ai_addrlen,
				    &address))
				learn(&l, &address);
		learning_end(&l);
	}
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
	struct learning l;

	if (host && kind_of(node, name) != NAMES_IS_ADDRESS &&
		learning_begin(&l, name)) {
		for (char **bytes = host->h_addr_list; *bytes; bytes++)
			if (hostent_address(host, *bytes, &address))
				learn(&l, &address);
		learning_end(&l);
	}
	errno = saved_errno;
}

/* ---- finding ---- */

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

static void find_remembered(
	const struct names_address *address, struct names_found *found)
{
	sigset_t before;
	uint32_t now;
	bool has_own;

	found->source = NAMES_UNSURE;
	if (!atomic_load(&is_set_up) || atomic_load(&is_lost) ||
		!names_lock(&before))
		return;
	now = names_now();
	take_all(now);
	names_memory_find(address, now, found, &has_own);
	if (others_are_lost && now - others_lost_at >= AN_HOUR)
		others_are_lost = false;
	if (others_are_lost && !has_own) {
		found->source = NAMES_UNSURE;
		found->n = 0;
	}
	names_unlock(&before);
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
	} else {
		find_remembered(&address, found);
	}
	mark_own(found);
	errno = saved_errno;
}

void names_fork_child(void)
{
	if (names_lock_reset())
		names_live_forget_all();
}
