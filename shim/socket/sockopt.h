/* SPDX-License-Identifier: MIT */
/*
 * What a socket is asked and told: getsockopt(2), setsockopt(2), ioctl(2),
 * getpeername(2), getsockname(2), F_SETFL of fcntl(2) on a connection.
 */
#ifndef TLSSHIM_SOCKOPT_H
#define TLSSHIM_SOCKOPT_H

#include <stdbool.h>
#include "conn/conn.h"

/* The libc calls, on a connection. */
int sockopt_get(struct conn *c, int fd, int level, int name, void *value,
	socklen_t *len);
int sockopt_set(struct conn *c, int fd, int level, int name, const void *value,
	socklen_t len);
/* The same as sockopt_set() of one that was handed over. */
int sockopt_set_plugged(struct conn *c, int fd, int level, int name,
	const void *value, socklen_t len);
/* bind(2) on a connection: fails, with the kernel's errno value. */
int sockopt_bind(
	struct conn *c, int fd, const struct sockaddr *addr, socklen_t len);
/* fcntl(2) with F_SETFL.  With O_ASYNC, here and by ioctl(), the connection is
 * handed over first; ENOMEM where that fails. */
int sockopt_set_flags(struct conn *c, int fd, long flags);
int sockopt_ioctl(struct conn *c, int fd, unsigned long request, void *arg);
int sockopt_peer(struct conn *c, int fd, struct sockaddr *addr, socklen_t *len);
int sockopt_self(struct conn *c, int fd, struct sockaddr *addr, socklen_t *len);

#endif
