/* SPDX-License-Identifier: MIT */
/*
 * Session tickets in memory, found again by identity.  A ticket stands for a
 * verification that succeeded, so it may only be used where that would
 * succeed again: same context (each has its own tickets), same identity, same
 * destination (both are in the identity's key), while the verdict holds.
 *
 * Servers decide how big tickets are, and programs how many destinations there
 * are: what all caches of the process hold together is bounded.
 *
 * One lock for all of them, taken inside; no call blocks.
 */
#ifndef TLSSHIM_ENGINE_TICKETS_H
#define TLSSHIM_ENGINE_TICKETS_H

#include <openssl/ssl.h>
#include <stdint.h>
#include "engine/identity.h"
#include "engine/verdict.h"

/* Of all caches together; the least recently stored one makes room. */
#define TICKETS_MAX 1024
#define TICKETS_BYTES_MAX (4 << 20)
#define TICKETS_PER_KEY 4 /* servers send two or so a handshake */

/* All zero is an empty cache. */
struct tickets {
	uint64_t number; /* of this cache; 0: it has no ticket */
};

/*
 * Keeps a copy of a verified session for that identity, with the verdict that
 * it stands for; false: it is not kept.  The certificates that the server sent
 * beside its own are not part of the copy.
 */
bool tickets_put(struct tickets *t, const struct identity *id, SSL_SESSION *s,
	const struct verdict *v);

/*
 * The newest session for that identity whose verdict holds and is at most so
 * many seconds old, as a reference of the caller's, and the verdict; or NULL.
 * One of TLS 1.3 is taken out (RFC 8446, appendix C.4: used once).
 */
SSL_SESSION *tickets_take(struct tickets *t, const struct identity *id,
	unsigned max_seconds, struct verdict *v);

/* Forgets those for that identity. */
void tickets_forget(struct tickets *t, const struct identity *id);

/* Forgets and frees them all. */
void tickets_clear(struct tickets *t);

/* In the child of fork(2): what was inherited is the parent's to use. */
void tickets_fork_child(void);

#endif
