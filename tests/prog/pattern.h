/* SPDX-License-Identifier: MIT */
/*
 * Bytes that both ends know: byte i of a stream tells where it belongs.
 */
#ifndef PATTERN_H
#define PATTERN_H

#include <stdbool.h>
#include <stddef.h>

static inline unsigned char pattern_at(size_t i)
{
	return (unsigned char)(i ^ i >> 8 ^ i >> 16);
}

static inline void pattern_fill(char *buf, size_t from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = (char)pattern_at(from + i);
}

static inline bool pattern_check(const char *buf, size_t from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)buf[i] != pattern_at(from + i))
			return false;
	return true;
}

#endif
