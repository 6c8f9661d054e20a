/* SPDX-License-Identifier: MIT */
/*
 * Session tickets in memory, found again by identity.  A ticket stands for a
 * verification that succeeded, so it may only be used where that would
 * succeed again: same context (each has its own tickets), same identity, same
 * destination (both are in the identity's key), before the certificate ends.
 *
 * One lock for all caches of the process, taken inside; no call blocks.
 */
#ifndef TLSSHIM_ENGINE_TICKETS_H
#define TLSSHIM_ENGINE_TICKETS_H

#include <openssl/ssl.h>
#include <stdint.h>
#include "identity.h"

#define TICKETS_MAX 1024  /* the least recently stored one makes room */
#define TICKETS_PER_KEY 4 /* servers send two or so a handshake */

struct ticket;

/* All zero is an empty cache. */
struct tickets {
	struct ticket *slots; /* TICKETS_MAX of them once there is one */
	unsigned n;	      /* slots ever used */
	uint64_t clock;	      /* of the last one stored */
	unsigned generation;  /* of the process, see tickets_fork_child() */
};

/* Keeps a verified session for that identity; takes over the caller's
 * reference and returns true, or leaves it and returns false. */
bool tickets_put(struct tickets *t, const struct identity *id, SSL_SESSION *s);

/* The newest session for that identity, as a reference of the caller's, or
 * NULL.  One of TLS 1.3 is taken out (RFC 8446, appendix C.4: used once). */
SSL_SESSION *tickets_take(struct tickets *t, const struct identity *id);

/* Forgets and frees them all. */
void tickets_clear(struct tickets *t);

/* In the child of fork(2): what was inherited is the parent's to use. */
void tickets_fork_child(void);

#endif
