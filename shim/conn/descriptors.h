/* SPDX-License-Identifier: MIT */
/*
 * Which connection a descriptor of the program names.  One connection may have
 * several; each counts as a reference and as a number (conn.h).
 */
#ifndef TLSSHIM_DESCRIPTORS_H
#define TLSSHIM_DESCRIPTORS_H

#include <stdbool.h>
#include "base/fdtab.h"

struct conn;

struct conn *descriptor_get_slow(int fd);

/*
 * The connection behind a number, with a reference that the caller returns by
 * conn_put() (or by declaring the variable conn_ref); NULL when the number is
 * none of ours.  A hidden number gives the connection conn_hidden, all of
 * whose operations fail with EBADF, unless it is shown.
 */
static inline struct conn *descriptor_get(int fd)
{
	return __builtin_expect(fdtab_peek(fd) <= FDTAB_NOTES, 1)
		       ? NULL
		       : descriptor_get_slow(fd);
}

/* The connection behind a number that was handed over, with a reference, or
 * NULL. */
struct conn *descriptor_get_plugged(int fd);

/* The number now names c (one more number of it; room was reserved by
 * fdtab_reserve()).  What the number named before loses it. */
void descriptor_set(int fd, struct conn *c);

/* The number names nothing any more.  Returns the connection that it named,
 * with the number's reference handed to the caller (conn_number_put()), or
 * NULL. */
struct conn *descriptor_take(int fd);

/* The number's connection was handed over. */
void descriptor_plug(int fd, struct conn *c);

#endif
