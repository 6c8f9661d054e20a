/* SPDX-License-Identifier: MIT */
/*
 * Opening a connection: from connect(2) on a selected port to a real socket, a
 * TLS session and an entry in the table of descriptors.
 */
#ifndef TLSSHIM_DIAL_H
#define TLSSHIM_DIAL_H

#include <stdbool.h>
#include <sys/socket.h>
#include "conn/conn.h"

/*
 * connect(2) for a socket that is not a connection of ours.  What the policy
 * leaves alone goes to the C library's connect() as it is.  Returns as
 * connect(2) does, with the errno values of the README's table; blocks as it
 * does, until the handshake is verified.  caller: the code that calls it, or
 * NULL.
 */
int dial_connect(
	int fd, const struct sockaddr *addr, socklen_t len, const void *caller);

/* connect(2) for a number that names a connection: EALREADY, 0 once, then
 * EISCONN; its failure once; AF_UNSPEC dissolves it.  addr NULL: any. */
int dial_again(struct conn *c, int fd, const struct sockaddr *addr);

/* Would dial_connect() take this connection? */
bool dial_wants(const struct sockaddr *addr, socklen_t len);

#endif
