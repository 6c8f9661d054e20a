/* SPDX-License-Identifier: MIT */
/*
 * Session tickets in memory: one list for all caches, the newest first, that is
 * searched from end to end.  It is short, and searched once a handshake.
 *
 * A session is kept in its encoded form (i2d_SSL_SESSION(3)): its size is
 * known, and the chain that the server sent, which may take a hundred times as
 * much memory when decoded, is not in it.
 */
#include "engine/tickets.h"

#include <string.h>
#include "base/mutex.h"
#include "engine/arena.h"

struct ticket {
	struct ticket *newer, *older;
	uint64_t cache; /* its number: it may be gone before us */
	struct verdict verdict;
	time_t expires; /* CLOCK_BOOTTIME */
	bool once;	/* may be used once */
	uint64_t hash;	/* of the key, to skip most others at a glance */
	size_t key_len, session_len;
	unsigned char bytes[]; /* the key, then the session */
};

/* A signal handler that interrupts its holder finds no ticket and leaves
 * none. */
static struct mutex lock;
static struct ticket *newest, *oldest;
static unsigned n_tickets;
static size_t n_bytes;
static uint64_t n_caches; /* that ever had one */
static bool inherited;	  /* all of them are the parent's */

/* FNV-1a; equal hashes are followed by a comparison of the keys. */
static uint64_t hash_of(const unsigned char *key, size_t len)
{
	uint64_t h = 0xcbf29ce484222325;

	while (len--)
		h = (h ^ *key++) * 0x100000001b3;
	return h;
}

static size_t size_of(const struct ticket *e)
{
	return sizeof(*e) + e->key_len + e->session_len;
}

static void insert(struct ticket *e)
{
	e->newer = NULL;
	e->older = newest;
	if (newest)
		newest->newer = e;
	else
		oldest = e;
	newest = e;
	n_tickets++;
	n_bytes += size_of(e);
}

static void drop(struct ticket *e)
{
	*(e->newer ? &e->newer->older : &newest) = e->older;
	*(e->older ? &e->older->newer : &oldest) = e->newer;
	n_tickets--;
	n_bytes -= size_of(e);
	OPENSSL_cleanse(e->bytes, e->key_len + e->session_len);
	arena_free(e);
}

static void drop_inherited(void)
{
	while (inherited && oldest)
		drop(oldest);
	inherited = false;
}

static bool is_for(const struct ticket *e, const struct tickets *t,
	const struct identity *id, uint64_t hash)
{
	return e->cache == t->number && e->hash == hash &&
	       e->key_len == id->key_len &&
	       !memcmp(e->bytes, id->key, id->key_len);
}

/* So many of this key stay, the newest ones. */
static void keep_newest(
	struct tickets *t, const struct identity *id, uint64_t hash, unsigned n)
{
	struct ticket *e, *older;

	for (e = newest; e; e = older) {
		older = e->older;
		if (!is_for(e, t, id, hash))
			continue;
		if (n)
			n--;
		else
			drop(e);
	}
}

static void make_room(size_t size)
{
	while (oldest && (n_tickets >= TICKETS_MAX ||
				 n_bytes + size > TICKETS_BYTES_MAX))
		drop(oldest);
}

/* NULL: out of memory, or a session that has no encoded form. */
static struct ticket *encode(const struct identity *id, SSL_SESSION *s)
{
	int len = i2d_SSL_SESSION(s, NULL);
	struct ticket *e;
	unsigned char *at;

	if (len <= 0 || len > TICKETS_BYTES_MAX / 2)
		return NULL;
	e = arena_zalloc(sizeof(*e) + id->key_len + (size_t)len);
	if (!e)
		return NULL;
	e->key_len = id->key_len;
	e->session_len = (size_t)len;
	memcpy(e->bytes, id->key, id->key_len);
	at = e->bytes + id->key_len;
	i2d_SSL_SESSION(s, &at);
	return e;
}

static SSL_SESSION *decode(const struct ticket *e)
{
	const unsigned char *at = e->bytes + e->key_len;

	return d2i_SSL_SESSION(NULL, &at, (long)e->session_len);
}

/* As the server says, or else as OpenSSL has it. */
static time_t lifetime(const SSL_SESSION *s)
{
	unsigned long hint = SSL_SESSION_get_ticket_lifetime_hint(s);

	return hint ? (time_t)hint : SSL_SESSION_get_timeout(s);
}

static bool put(struct tickets *t, const struct identity *id, SSL_SESSION *s,
	const struct verdict *v)
{
	struct ticket *e = encode(id, s);

	drop_inherited();
	if (!e)
		return false;
	if (!t->number)
		t->number = ++n_caches;
	e->cache = t->number;
	e->verdict = *v;
	e->expires = verdict_boot_time() + lifetime(s);
	e->once = SSL_SESSION_get_protocol_version(s) >= TLS1_3_VERSION;
	e->hash = hash_of(id->key, id->key_len);
	keep_newest(t, id, e->hash, TICKETS_PER_KEY - 1);
	make_room(size_of(e));
	insert(e);
	return true;
}

static bool is_usable(const struct ticket *e, unsigned max_seconds)
{
	return verdict_boot_time() < e->expires &&
	       verdict_holds(&e->verdict, max_seconds);
}

/* Those that cannot be used are dropped on the way. */
static struct ticket *find(
	struct tickets *t, const struct identity *id, unsigned max_seconds)
{
	uint64_t hash = hash_of(id->key, id->key_len);
	struct ticket *e, *older;

	for (e = t->number ? newest : NULL; e; e = older) {
		older = e->older;
		if (!is_for(e, t, id, hash))
			continue;
		if (is_usable(e, max_seconds))
			return e;
		drop(e);
	}
	return NULL;
}

static SSL_SESSION *take(struct tickets *t, const struct identity *id,
	unsigned max_seconds, struct verdict *v)
{
	struct ticket *e;
	SSL_SESSION *s;

	drop_inherited();
	e = find(t, id, max_seconds);
	if (!e)
		return NULL;
	s = decode(e);
	*v = e->verdict;
	if (e->once || !s)
		drop(e);
	return s;
}

bool tickets_put(struct tickets *t, const struct identity *id, SSL_SESSION *s,
	const struct verdict *v)
{
	bool kept;

	if (!id->key_len || !SSL_SESSION_is_resumable(s) ||
		!SSL_SESSION_get0_peer(s))
		return false;
	if (!mutex_lock(&lock))
		return false;
	kept = put(t, id, s, v);
	mutex_unlock(&lock);
	return kept;
}

SSL_SESSION *tickets_take(struct tickets *t, const struct identity *id,
	unsigned max_seconds, struct verdict *v)
{
	SSL_SESSION *s;

	if (!id->key_len)
		return NULL;
	if (!mutex_lock(&lock))
		return NULL;
	s = take(t, id, max_seconds, v);
	mutex_unlock(&lock);
	return s;
}

void tickets_forget(struct tickets *t, const struct identity *id)
{
	if (!id->key_len || !mutex_lock(&lock))
		return;
	keep_newest(t, id, hash_of(id->key, id->key_len), 0);
	mutex_unlock(&lock);
}

void tickets_clear(struct tickets *t)
{
	struct ticket *e, *older;

	if (!mutex_lock(&lock))
		return;
	for (e = t->number ? newest : NULL; e; e = older) {
		older = e->older;
		if (e->cache == t->number)
			drop(e);
	}
	mutex_unlock(&lock);
}

void tickets_fork_child(void)
{
	lock = (struct mutex){0, 0};
	inherited = true;
}
