/* SPDX-License-Identifier: MIT */
/*
 * The waits of blocking calls.  All happen outside every lock, end with the
 * kernel's own rules for signals (EINTR, SA_RESTART) and timeouts, and lose
 * nothing when the thread is cancelled or jumps out of a signal handler.
 */
#ifndef TLSSHIM_WAIT_H
#define TLSSHIM_WAIT_H

#include "base/clock.h"
#include "conn/conn.h"

/* A deadline on clock_now()'s clock, or never. */
#define WAIT_FOREVER INT64_MAX

/* The deadline of a timeout in ns; 0 means none. */
int64_t wait_deadline(int64_t timeout);

/* Is it a time that the kernel takes (NULL: none)?  Otherwise EINVAL. */
bool wait_is_valid(const struct timespec *timeout);

/* The same of a time as poll(2) and ppoll(2) have it; less than 0 and NULL:
 * none. */
int64_t wait_until_ms(int timeout);
int64_t wait_until(const struct timespec *timeout);

/*
 * Until the connection is open: 0.  Otherwise the errno value of its failure
 * (told by this), EINTR, or EAGAIN when the deadline is over.  Its handshake
 * timeout counts as well.  Where it is handed over meanwhile, until its relay
 * has opened it; fd is any number of it.
 */
int wait_open(struct conn *c, int fd, int64_t deadline);

/* connect(2) of the real socket. */
int wait_connect(struct conn *c, const struct sockaddr *addr, socklen_t len);

/* Until the real socket has something to read: 0, EINTR, or EAGAIN at the
 * deadline.  Call with the lock held: it is dropped. */
int wait_readable(struct conn *c, int64_t deadline);

/* Until the real socket takes output: the same. */
int wait_writable(struct conn *c, int64_t deadline);

#endif
