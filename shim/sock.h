/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says of a socket, any socket.  One system call each.
 */
#ifndef TLSSHIM_SOCK_H
#define TLSSHIM_SOCK_H

#include <stdint.h>

/* An option that is an int; -1: it has none of that name. */
int sock_int(int fd, int level, int name);

/* SO_COOKIE: the same for all copies of a socket, and for no other; 0: it is
 * none.  errno is left as found. */
uint64_t sock_cookie(int fd);

/* TCP_CLOSE, TCP_ESTABLISHED...; -1 with errno: it is no TCP socket. */
int sock_tcp_state(int fd);

#endif
