/* SPDX-License-Identifier: MIT */
/*
 * Waiting for several descriptors at once: poll(2) over sets in which some
 * are connections.  select is mapped onto it.
 */
#ifndef TLSSHIM_POLLSET_H
#define TLSSHIM_POLLSET_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/select.h>

/* Is any of them a connection of this process? */
bool pollset_has_conns(struct pollfd *fds, nfds_t n);
bool pollset_fdset_has_conns(int n, const fd_set *set);

/* ppoll(2).  deadline is on clock_now()'s clock, or WAIT_FOREVER. */
int pollset_poll(
	struct pollfd *fds, nfds_t n, int64_t deadline, const sigset_t *mask);

/* The first argument of select(2), cut to what the kernel would look at: the
 * numbers that its table has room for.  Programs give getdtablesize() with sets
 * that are smaller.  Reads /proc for n above FD_SETSIZE. */
int pollset_clip(int n);

/* pselect(2) without its timeout argument: the sets are changed only on
 * success. */
int pollset_select(int n, fd_set *readable, fd_set *writable, fd_set *except,
	int64_t deadline, const sigset_t *mask);

#endif
