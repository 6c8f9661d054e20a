/* SPDX-License-Identifier: MIT */
/*
 * Who the peers are of connections that a program inherits by exec: its socket
 * is an ordinary one by then, connected to a relay, and getpeername(2) would
 * say so.  The program that starts it says it in a variable of the
 * environment, which is taken out again before main() runs.
 *
 * The variable is as trustworthy as TLSSHIM_PORTS: it is from whoever started
 * the program.  An entry holds for one socket alone, known by its cookie,
 * which the kernel gives to no other; what nobody has any more is harmless.
 */
#ifndef TLSSHIM_PEERS_H
#define TLSSHIM_PEERS_H

#include <stdbool.h>
#include <stdint.h>
#include "config/childenv.h"
#include "config/policy.h"
#include "conn/follow.h"

#define PEERS_VARIABLE CHILDENV_PEERS
/* More are not passed on. */
#define PEERS_MAX 32

struct peer {
	uint64_t cookie; /* of the program's socket: SO_COOKIE */
	union policy_addr peer, self;
	struct follow_relay relay;
};

struct peers {
	struct peer all[PEERS_MAX];
	unsigned n;
};

/* What this process inherited. */
const struct peers *peers_inherited(void);

/* Was the library itself brought by the environment (LD_PRELOAD)? */
bool peers_by_environment(void);

/* Adds one, unless it is there or there are too many. */
void peers_add(struct peers *peers, const struct peer *one);

/* "TLSSHIM_INHERITED=..." into text[0..size), with as many as there is room
 * for.  PEERS_TEXT_MAX(n) is enough for n. */
#define PEERS_ENTRY_MAX 170
#define PEERS_TEXT_MAX(n) ((n)*PEERS_ENTRY_MAX + sizeof(PEERS_VARIABLE) + 1)
void peers_put(const struct peers *peers, char *text, unsigned size);

/* Reads what stands behind the '='; what is no entry ends it. */
void peers_parse(struct peers *peers, const char *text);

/* It has set an option on any number. */
void peers_tell(int fd, int level, int name, const void *value, socklen_t len);

/* Is this number a connection that was inherited?  One load where none was,
 * else a system call. */
bool peers_has(int fd);

/* getpeername(2) and getsockname(2) of any number. */
int peers_peer(int fd, struct sockaddr *addr, socklen_t *len);
int peers_self(int fd, struct sockaddr *addr, socklen_t *len);

#endif
