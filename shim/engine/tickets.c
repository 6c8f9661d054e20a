/* SPDX-License-Identifier: MIT */
/*
 * Session tickets in memory: a table that is searched from end to end.  It
 * is small, and searched once a handshake.
 */
#include "tickets.h"

#include <string.h>
#include <time.h>
#include "../mutex.h"
#include "arena.h"

struct ticket {
	SSL_SESSION *session; /* NULL: the slot is free */
	uint64_t stored;      /* tickets.clock then */
	uint64_t hash;	      /* of the key, to skip most others at a glance */
	unsigned char *key;
	size_t key_len;
};

/* A signal handler that interrupts its holder finds no ticket and leaves
 * none. */
static struct mutex lock;
static unsigned generation;

/* FNV-1a; equal hashes are followed by a comparison of the keys. */
static uint64_t hash_of(const unsigned char *key, size_t len)
{
	uint64_t h = 0xcbf29ce484222325;

	while (len--)
		h = (h ^ *key++) * 0x100000001b3;
	return h;
}

static void drop(struct ticket *e)
{
	SSL_SESSION_free(e->session);
	e->session = NULL;
	arena_free(e->key);
	e->key = NULL;
}

static void drop_inherited(struct tickets *t)
{
	if (t->generation == generation)
		return;
	while (t->n)
		drop(&t->slots[--t->n]);
	t->generation = generation;
}

static bool is_for(
	const struct ticket *e, const struct identity *id, uint64_t hash)
{
	return e->session && e->hash == hash && e->key_len == id->key_len &&
	       !memcmp(e->key, id->key, id->key_len);
}

/* A ticket must not outlive what it stands for. */
static bool is_usable(const SSL_SESSION *s)
{
	const X509 *peer = SSL_SESSION_get0_peer((SSL_SESSION *)(uintptr_t)s);
	long age = (long)time(NULL) - SSL_SESSION_get_time(s);

	return SSL_SESSION_is_resumable(s) && peer && age >= 0 &&
	       age < SSL_SESSION_get_timeout(s) &&
	       X509_cmp_current_time(X509_get0_notAfter(peer)) > 0;
}

/*
 * A slot for one more ticket of this key: the oldest of the key when it has
 * its share, else a free one, else the oldest of all.
 */
static struct ticket *slot_for(
	struct tickets *t, const struct identity *id, uint64_t hash)
{
	struct ticket *same = NULL, *spare = NULL, *oldest = t->slots;
	unsigned i, n_same = 0;

	for (i = 0; i < t->n; i++) {
		struct ticket *e = &t->slots[i];

		if (!e->session)
			spare = e;
		else if (e->stored < oldest->stored)
			oldest = e;
		if (is_for(e, id, hash) &&
			(!n_same++ || e->stored < same->stored))
			same = e;
	}
	if (n_same >= TICKETS_PER_KEY)
		return same;
	if (spare)
		return spare;
	return t->n < TICKETS_MAX ? &t->slots[t->n++] : oldest;
}

static bool put(struct tickets *t, const struct identity *id, SSL_SESSION *s)
{
	uint64_t hash = hash_of(id->key, id->key_len);
	unsigned char *key;
	struct ticket *e;

	drop_inherited(t);
	if (!t->slots)
		t->slots = arena_zalloc(TICKETS_MAX * sizeof(*t->slots));
	key = arena_alloc(id->key_len);
	if (!t->slots || !key) {
		arena_free(key);
		return false;
	}
	e = slot_for(t, id, hash);
	drop(e);
	memcpy(key, id->key, id->key_len);
	*e = (struct ticket){s, ++t->clock, hash, key, id->key_len};
	return true;
}

static SSL_SESSION *take(struct tickets *t, const struct identity *id)
{
	uint64_t hash = hash_of(id->key, id->key_len);
	struct ticket *best = NULL;
	SSL_SESSION *s;
	unsigned i;

	drop_inherited(t);
	for (i = 0; i < t->n; i++) {
		struct ticket *e = &t->slots[i];

		if (!is_for(e, id, hash))
			continue;
		if (!is_usable(e->session))
			drop(e);
		else if (!best || e->stored > best->stored)
			best = e;
	}
	if (!best)
		return NULL;
	s = best->session;
	SSL_SESSION_up_ref(s);
	if (SSL_SESSION_get_protocol_version(s) >= TLS1_3_VERSION)
		drop(best);
	return s;
}

bool tickets_put(struct tickets *t, const struct identity *id, SSL_SESSION *s)
{
	bool kept;

	if (!id->key_len)
		return false;
	if (!mutex_lock(&lock))
		return false;
	kept = put(t, id, s);
	mutex_unlock(&lock);
	return kept;
}

SSL_SESSION *tickets_take(struct tickets *t, const struct identity *id)
{
	SSL_SESSION *s;

	if (!id->key_len)
		return NULL;
	if (!mutex_lock(&lock))
		return NULL;
	s = take(t, id);
	mutex_unlock(&lock);
	return s;
}

void tickets_clear(struct tickets *t)
{
	if (!mutex_lock(&lock))
		return;
	while (t->n)
		drop(&t->slots[--t->n]);
	arena_free(t->slots);
	t->slots = NULL;
	mutex_unlock(&lock);
}

void tickets_fork_child(void)
{
	lock = (struct mutex){0, 0};
	generation++;
}
