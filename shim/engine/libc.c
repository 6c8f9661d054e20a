/* SPDX-License-Identifier: MIT */
/*
 * What OpenSSL takes from the C library and a relay cannot have: it finishes
 * handshakes in a raw copy of a program whose other threads may hold any lock
 * of the C library, and has given up the heap.  The C library's gmtime_r()
 * takes the lock of the time zone and reads its file, qsort() asks malloc() for
 * room, strerror_r() looks for translations.  Linked before OpenSSL's static
 * library, these stand in their place.  Knows the arena, and nothing of
 * OpenSSL.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "engine/arena.h"

/* ---- gmtime_r ---- */

#define SECONDS_A_DAY 86400
#define DAYS_IN_400_YEARS 146097
#define DAYS_TO_1970 719468 /* from 1 March of the year 0 */

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* The year begins in March, so that the leap day is its last. */
static void set_date(struct tm *tm, int64_t days)
{
	int64_t era, year;
	int day, in_year, month, leap;

	days += DAYS_TO_1970;
	era = floor_div(days, DAYS_IN_400_YEARS);
	day = (int)(days - era * DAYS_IN_400_YEARS);
	in_year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	year = era * 400 + in_year;
	day -= 365 * in_year + in_year / 4 - in_year / 100;
	month = (5 * day + 2) / 153; /* 0: March */
	tm->tm_mday = day - (153 * month + 2) / 5 + 1;
	tm->tm_mon = month < 10 ? month + 2 : month - 10;
	year += tm->tm_mon < 2;
	leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	tm->tm_yday = month < 10 ? day + 59 + leap : day - 306;
	tm->tm_year = (int)(year - 1900);
}

struct tm *gmtime_r(const time_t *restrict now, struct tm *restrict tm)
{
	int64_t days = floor_div(*now, SECONDS_A_DAY);
	int seconds = (int)(*now - days * SECONDS_A_DAY);

	if (days / 366 > INT_MAX / 2 || days / 366 < INT_MIN / 2)
		return NULL;
	memset(tm, 0, sizeof(*tm));
	set_date(tm, days);
	tm->tm_wday = (int)(days + 4 - floor_div(days + 4, 7) * 7);
	tm->tm_hour = seconds / 3600;
	tm->tm_min = seconds / 60 % 60;
	tm->tm_sec = seconds % 60;
	return tm;
}

/* ---- qsort ---- */

typedef int compare_fn(const void *a, const void *b);

/* Both halves are sorted; what is equal keeps its order. */
static void merge(char *base, size_t half, size_t n, size_t size, char *room,
	compare_fn *compare)
{
	size_t left = 0, right = half;
	char *to = room;

	for (size_t i = 0; i < n; i++, to += size) {
		bool takes_left =
			right == n ||
			(left < half && compare(base + left * size,
						base + right * size) <= 0);
		size_t from = takes_left ? left++ : right++;

		memcpy(to, base + from * size, size);
	}
	memcpy(base, room, n * size);
}

static void sort(
	char *base, size_t n, size_t size, char *room, compare_fn *compare)
{
	size_t half = n / 2;

	if (n < 2)
		return;
	sort(base, half, size, room, compare);
	sort(base + half * size, n - half, size, room, compare);
	merge(base, half, n, size, room, compare);
}

static void swap(char *a, char *b, size_t size)
{
	while (size--) {
		char c = *a;

		*a++ = *b;
		*b++ = c;
	}
}

/* Without any room. */
static void insert_all(char *base, size_t n, size_t size, compare_fn *compare)
{
	for (char *p = base + size; p < base + n * size; p += size)
		for (char *q = p; q > base && compare(q - size, q) > 0;
			q -= size)
			swap(q - size, q, size);
}

void qsort(void *base, size_t n, size_t size, compare_fn *compare)
{
	char *room = n < 2 ? NULL : arena_alloc(n * size);

	if (room)
		sort(base, n, size, room, compare);
	else if (n >= 2)
		insert_all(base, n, size, compare);
	arena_free(room);
}

/* ---- strerror_r ---- */

/* POSIX's, which has this name in glibc. */
/* NOLINTBEGIN(bugprone-reserved-identifier) */
int __xpg_strerror_r(int error, char *buf, size_t size);

int __xpg_strerror_r(int error, char *buf, size_t size)
{
	const char *text = strerrordesc_np(error);
	size_t n = text ? strlen(text) : 0;

	if (!size)
		return 0;
	if (n >= size)
		n = size - 1;
	memcpy(buf, text ? text : "", n);
	buf[n] = '\0';
	return text ? 0 : EINVAL;
}
/* NOLINTEND(bugprone-reserved-identifier) */
