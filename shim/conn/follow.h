/* SPDX-License-Identifier: MIT */
/*
 * Options that a program sets on a connection that was handed over: the socket
 * that it has leads to a relay, over the loopback, and the relay has the one
 * that they are meant for.  Whoever sets one tells the relay, by a datagram:
 * the process that handed over, copies of it, and programs that inherit the
 * connection and have the library.
 *
 * The relay believes who knows its secret: anybody on this host in the same
 * network namespace can send it datagrams.  It may have more privileges than
 * the program has by now: options that need one do not follow (sockopts.def).
 */
#ifndef TLSSHIM_FOLLOW_H
#define TLSSHIM_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* Of one relay; all 0: nothing follows to it. */
struct follow_relay {
	uint64_t name, secret;
};

struct follow_option {
	uint64_t secret;
	uint64_t cookie; /* of the program's socket: SO_COOKIE */
	int level, name;
	socklen_t len;
	char value[16];
};

/* Makes one up. */
void follow_choose(struct follow_relay *relay);

/* Before the relay begins: the descriptor by which it will be told, or -1. */
int follow_listen(const struct follow_relay *relay);

/* The program has set this on its socket.  Never blocks; errno is left as
 * found.  A relay that is gone is not told. */
void follow_tell(const struct follow_relay *relay, uint64_t cookie, int level,
	int name, const void *value, socklen_t len);

/* In the relay: the next option that it is told; false: none for now. */
bool follow_next(
	const struct follow_relay *relay, int fd, struct follow_option *option);

#endif
