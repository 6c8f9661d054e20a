/* SPDX-License-Identifier: MIT */
/*
 * What happens to descriptor numbers: closing, duplicating, reuse.  Keeps the
 * table of descriptors true.  A child of vfork() changes its own descriptors
 * and leaves the table, which is its parent's, alone.
 */
#ifndef TLSSHIM_NUMBERS_H
#define TLSSHIM_NUMBERS_H

/* close(2) of a number that is in the table; EBADF for a hidden one. */
int numbers_close(int fd);

/* A number that libc is about to close by itself: the connection that it
 * named, for numbers_closed() when that is done; NULL: none. */
struct conn;
struct conn *numbers_closing(int fd);
void numbers_closed(struct conn *c);

/* close_range(2) round the hidden ones. */
int numbers_close_range(unsigned first, unsigned last, int flags);

/* The call that gave `fd` (-1: it failed) made a new file of it: whatever the
 * table says of the number is stale.  Returns fd.  Two loads where the number
 * is not in the table. */
int numbers_fresh(int fd);

/* dup-like calls: `to` (-1: it failed) is now the same file as `from`.
 * Returns to. */
int numbers_copied(int from, int to);

/* Before dup2(2) onto a number: moves a hidden descriptor out of the way. */
void numbers_make_way(int fd);

#endif
