/* SPDX-License-Identifier: MIT */
/*
 * Hexadecimal digits in text, without libc.
 */
#ifndef TLSSHIM_HEX_H
#define TLSSHIM_HEX_H

#include <stdint.h>

/* -1: it is none. */
static inline int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The number at the start of s; returns what follows. */
static inline const char *hex_number(const char *s, uint64_t *number)
{
	*number = 0;
	for (; hex_digit(*s) >= 0; s++)
		*number = *number << 4 | (unsigned)hex_digit(*s);
	return s;
}

#endif
