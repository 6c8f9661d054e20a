/* SPDX-License-Identifier: MIT */
/*
 * Values of settings: copies, ports, times, paths, words, and the first error.
 */
#include "config/value.h"

#include <string.h>
#include <unistd.h>

#define TIME_MAX_MS (3600 * 1000)

void value_reject_part(struct config_parser *p, const char *value, size_t n,
	const char *problem)
{
	if (p->config->error[0])
		return;
	log_format(p->config->error, sizeof(p->config->error),
		"%s: \"%.*s%s\" %s", p->where,
		(int)(n < VALUE_QUOTE_MAX ? n : VALUE_QUOTE_MAX), value,
		n > VALUE_QUOTE_MAX ? "..." : "", problem);
}

void value_reject(
	struct config_parser *p, const char *value, const char *problem)
{
	value_reject_part(p, value, strlen(value), problem);
}

/* Takes the text that stands at the start of the storage, n bytes with NUL. */
static const char *keep(struct config_parser *p, size_t n)
{
	const char *kept = p->storage;

	p->storage += n;
	p->room -= n;
	return kept;
}

const char *value_copy_part(
	struct config_parser *p, const char *value, size_t n)
{
	if (n >= p->room) {
		value_reject_part(p, value, n, "is too long");
		return NULL;
	}
	memcpy(p->storage, value, n);
	p->storage[n] = '\0';
	return keep(p, n + 1);
}

const char *value_copy(struct config_parser *p, const char *value)
{
	return value_copy_part(p, value, strlen(value));
}

void *value_room(struct config_parser *p, size_t size, const char *value)
{
	size_t align = -(uintptr_t)p->storage & 15;
	char *room;

	if (size > p->room || align > p->room - size) {
		value_reject(p, value, "is too long");
		return NULL;
	}
	room = p->storage + align;
	p->storage += align + size;
	p->room -= align + size;
	return room;
}

const char *value_port(const char *s, uint16_t *port)
{
	unsigned long n = 0;

	for (; *s >= '0' && *s <= '9' && n <= UINT16_MAX; s++)
		n = n * 10 + (unsigned long)(*s - '0');
	*port = (uint16_t)n;
	return n >= 1 && n <= UINT16_MAX ? s : NULL;
}

/* Decimal seconds, with or without a fraction.  0: not that. */
static unsigned long milliseconds(const char *s)
{
	unsigned long ms = 0, unit = 1000;
	const char *start = s;

	for (; *s >= '0' && *s <= '9' && ms <= TIME_MAX_MS; s++)
		ms = ms * 10 + (unsigned long)(*s - '0') * 1000;
	if (s == start)
		return 0;
	if (s[0] == '.' && s[1])
		for (s++; *s >= '0' && *s <= '9'; s++)
			ms += (unsigned long)(*s - '0') * (unit /= 10);
	return *s ? 0 : ms;
}

void value_time(struct config_parser *p, const char *value, unsigned *chosen)
{
	unsigned long ms = milliseconds(value);

	if (ms >= 1 && ms <= TIME_MAX_MS)
		*chosen = (unsigned)ms;
	else
		value_reject(p, value,
			"is not a time: expected seconds from 0.001 to 3600, "
			"such as 30 or 0.5");
}

/* Absolute, because the program may chdir() before the file is opened. */
const char *value_path(struct config_parser *p, const char *value)
{
	size_t n = strlen(value) + 1, dir;

	if (value[0] == '/' && n <= PATH_MAX)
		return value_copy(p, value);
	if (value[0] != '/' && p->in_file) {
		value_reject(p, value,
			"is a relative path: expected an absolute one");
		return NULL;
	}
	if (value[0] == '/' || n > PATH_MAX || n + 2 > p->room) {
		value_reject(p, value, "is too long for a path");
		return NULL;
	}
	if (!getcwd(p->storage, p->room - n - 1)) {
		value_reject(p, value,
			"is relative to a working directory "
			"that cannot be found");
		return NULL;
	}
	dir = strlen(p->storage);
	if (dir + 1 + n > PATH_MAX) {
		value_reject(p, value, "is too long for a path");
		return NULL;
	}
	p->storage[dir] = '/';
	memcpy(p->storage + dir + 1, value, n);
	return p->absolute = keep(p, dir + 1 + n);
}

bool value_choose(struct config_parser *p, const char *value,
	const struct value_word *words, unsigned n, unsigned *chosen,
	const char *expected)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(words[i].word, value)) {
			*chosen = words[i].value;
			return true;
		}
	value_reject(p, value, expected);
	return false;
}
