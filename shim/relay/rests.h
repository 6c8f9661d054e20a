/* SPDX-License-Identifier: MIT */
/*
 * Rests: what connections that the program has closed still have to send, as
 * ciphertext, close_notify included.  One process of the program's sends them
 * all (rests.c); it has no session, and of the program's memory only this,
 * which both share.  How a rest comes there, sender.c knows.
 */
#ifndef TLSSHIM_RESTS_H
#define TLSSHIM_RESTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "conn/conn.h"

#define RESTS_MAX 512
/* Whole pages, which are given back one by one. */
#define REST_SIZE ((size_t)36 << 10)
/* Room for all that writev() leaves in an output buffer (engine/api.h), and for
 * answers to the peer. */
#define REST_ROOM (REST_SIZE - sizeof(struct conn) - 64)

struct rest {
	struct conn c; /* for the log: nothing that it points to is there */
	uint32_t len;
	bool early;	/* report_is_early() */
	int64_t linger; /* TLSSHIM_LINGER in ns */
	unsigned char bytes[REST_ROOM];
} __attribute__((aligned(4096)));
_Static_assert(sizeof(struct rest) == REST_SIZE, "a rest is whole pages");

struct rests {
	/* Whose a place is: 0 nobody's, 1 from when the program takes it until
	 * the process gives it back. */
	atomic_uint taken[RESTS_MAX];
	struct rest all[RESTS_MAX];
};

/* What goes with a socket: which rest is its. */
struct rests_message {
	uint32_t place;
};

/*
 * Sends them until there are none, and either the program has closed its end of
 * fd (SOCK_SEQPACKET) or none came for a while.  Then no message can be sent to
 * fd any more, and none was lost.  In a process like a relay (relay.h).
 */
void rests_serve(int fd, void *rests);

#endif
