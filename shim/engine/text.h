/* SPDX-License-Identifier: MIT */
/*
 * Text of bounded length in a caller's buffer: always terminated, cut where
 * it is full.  Knows nothing of what it says; what comes from the network is
 * added with text_add_escaped(), so that all text is printable ASCII.
 */
#ifndef TLSSHIM_ENGINE_TEXT_H
#define TLSSHIM_ENGINE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
	char *buf;
	size_t size; /* of buf */
	size_t len;  /* without the terminator */
};

/* Empty text in buf; size > 0. */
struct text text_in(char *buf, size_t size);

/* Adds as printf() would. */
void text_add(struct text *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Is there room for one more byte?  Then nothing was cut. */
static inline bool text_is_whole(const struct text *t)
{
	return t->len + 1 < t->size;
}

/* Adds bytes; those that are not printable ASCII, quotes and backslashes as
 * \r, \n, \t, \", \\ or \xNN. */
void text_add_escaped(struct text *t, const void *bytes, size_t len);

#endif
