/* SPDX-License-Identifier: MIT */
/*
 * Small questions to the kernel about a socket, any socket.
 */
#ifndef TLSSHIM_SOCK_H
#define TLSSHIM_SOCK_H

#include <stdbool.h>
#include <stdint.h>

/* An option that is an int; -1: it has none of that name. */
int sock_int(int fd, int level, int name);

/* SO_COOKIE: the same for all copies of a socket, and for no other; 0: it is
 * none.  errno is left as found. */
uint64_t sock_cookie(int fd);

/* Are both in one network namespace?  A kernel that cannot tell: yes. */
bool sock_same_network(int a, int b);

/* TCP_CLOSE, TCP_ESTABLISHED...; -1 with errno: it is no TCP socket. */
int sock_tcp_state(int fd);

/* Bytes that were sent and that the peer has not acknowledged, tcp(7); 0 where
 * the kernel does not say. */
int sock_unsent(int fd);

/* Takes what was received and nobody will read (session tickets): it would turn
 * close() into a reset, which may destroy at the peer what was sent.  Bounded.
 */
void sock_drain(int fd);

#endif
