/* SPDX-License-Identifier: MIT */
/*
 * Destinations of sections.  Knows hosts, networks and ports; of the file
 * around them nothing.  Pure.
 */
#include "config/section.h"

#include <arpa/inet.h>
#include <string.h>

#define V4_MAPPED_BITS 96
#define HOST_MAX 300
#define HOST_EXPECTED                                                          \
	"expected [HOST:PORT], [HOST:PORT-PORT] or [HOST:*], where HOST is a " \
	"name, *.suffix, an address, a network such as 10.0.0.0/8 or "         \
	"[2001:db8::]/32, or *"

/* ---- text ---- */

/* "443", "8000-8010" or "*". */
static bool parse_port_range(const char *s, struct config_section *section)
{
	if (!strcmp(s, "*")) {
		section->first = 1;
		section->last = UINT16_MAX;
		return true;
	}
	s = value_port(s, &section->first);
	section->last = section->first;
	if (s && *s == '-')
		s = value_port(s + 1, &section->last);
	return s && !*s && section->first <= section->last;
}

/* No more bits than the prefix has. */
static bool is_network(const unsigned char ip[16], unsigned bits)
{
	for (unsigned i = bits; i < 128; i++)
		if (ip[i / 8] & 0x80 >> i % 8)
			return false;
	return true;
}

/* "/32", or nothing: all bits. */
static bool parse_prefix(const char *s, unsigned most, unsigned *bits)
{
	unsigned n = 0;

	*bits = most;
	if (!*s)
		return true;
	if (*s++ != '/' || !*s)
		return false;
	for (; *s >= '0' && *s <= '9' && n <= most; s++)
		n = n * 10 + (unsigned)(*s - '0');
	*bits = n;
	return !*s && n <= most;
}

/* A single address may be how this host is meant. */
static bool finish_network(struct config_section *section)
{
	if (section->bits == 128)
		names_address_mean(section->ip);
	return is_network(section->ip, section->bits);
}

static bool parse_network(char *host, struct config_section *section)
{
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool bracketed = host[0] == '[';
	char *end = strchr(host, bracketed ? ']' : '/');
	char prefix[8] = "";
	bool ok;

	section->kind = CONFIG_HOST_NETWORK;
	if (bracketed && !end)
		return false;
	if (end) {
		const char *rest = end + bracketed;

		if (strlen(rest) >= sizeof(prefix))
			return false;
		memcpy(prefix, rest, strlen(rest) + 1);
		*end = '\0';
	}
	if (bracketed)
		return inet_pton(AF_INET6, host + 1, section->ip) == 1 &&
		       parse_prefix(prefix, 128, &section->bits) &&
		       finish_network(section);
	memcpy(section->ip, mapped, sizeof(mapped));
	ok = inet_pton(AF_INET, host, section->ip + 12) == 1 &&
	     parse_prefix(prefix, 32, &section->bits);
	section->bits += V4_MAPPED_BITS;
	return ok && finish_network(section);
}

/* NULL, or what is wrong. */
static const char *parse_host(
	struct config_parser *p, char *host, struct config_section *section)
{
	char name[NAMES_NAME_MAX];
	size_t skip = strncmp(host, "*.", 2) ? 0 : 2;

	if (!strcmp(host, "*")) {
		section->kind = CONFIG_HOST_ANY;
		return NULL;
	}
	if (!skip && parse_network(host, section))
		return NULL;
	if (names_canonical(host + skip, name) != NAMES_IS_NAME)
		return "is no destination: " HOST_EXPECTED;
	section->kind = skip ? CONFIG_HOST_SUFFIX : CONFIG_HOST_NAME;
	section->name = value_copy(p, name);
	return NULL;
}

const char *section_parse(struct config_parser *p, const char *s, size_t n,
	struct config_section *section)
{
	char text[HOST_MAX];
	char *colon;

	if (n < 2 || n - 2 >= sizeof(text) || s[n - 1] != ']')
		return "is no destination: " HOST_EXPECTED;
	memcpy(text, s + 1, n - 2);
	text[n - 2] = '\0';
	colon = strrchr(text, ':');
	if (strlen(text) != n - 2 || !colon || colon == text)
		return "is no destination: " HOST_EXPECTED;
	*colon = '\0';
	if (!parse_port_range(colon + 1, section))
		return "names no ports: " HOST_EXPECTED;
	return parse_host(p, text, section);
}

/* ---- whom it is for ---- */

static bool is_below(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n > m + 1 && name[n - m - 1] == '.' &&
	       !strcmp(name + n - m, suffix);
}

static bool is_in_network(
	const struct names_address *address, const struct config_section *s)
{
	unsigned whole = s->bits / 8, rest = s->bits % 8;

	if (memcmp(address->ip, s->ip, whole) != 0)
		return false;
	return !rest || !((address->ip[whole] ^ s->ip[whole]) >> (8 - rest));
}

bool section_has_port(const struct config_section *s, uint16_t port)
{
	return port >= s->first && port <= s->last;
}

bool section_is_for(const struct config_section *s, const char *name,
	const struct names_address *address, uint16_t port)
{
	if (!section_has_port(s, port))
		return false;
	switch (s->kind) {
	case CONFIG_HOST_NAME:
		return name && !strcmp(name, s->name);
	case CONFIG_HOST_SUFFIX:
		return name && is_below(name, s->name);
	case CONFIG_HOST_NETWORK:
		return is_in_network(address, s);
	case CONFIG_HOST_ANY:
		break;
	}
	return true;
}

/* ---- order ---- */

static bool is_same_host(
	const struct config_section *a, const struct config_section *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case CONFIG_HOST_NAME:
	case CONFIG_HOST_SUFFIX:
		return a->name && b->name && !strcmp(a->name, b->name);
	case CONFIG_HOST_NETWORK:
		return a->bits == b->bits && !memcmp(a->ip, b->ip, 16);
	case CONFIG_HOST_ANY:
		break;
	}
	return true;
}

bool section_is_same(
	const struct config_section *a, const struct config_section *b)
{
	return is_same_host(a, b) && a->first == b->first && a->last == b->last;
}

bool section_is_before(
	const struct config_section *a, const struct config_section *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind;
	if (a->kind == CONFIG_HOST_SUFFIX && a->name && b->name &&
		strlen(a->name) != strlen(b->name))
		return strlen(a->name) > strlen(b->name);
	if (a->kind == CONFIG_HOST_NETWORK && a->bits != b->bits)
		return a->bits > b->bits;
	if (a->last - a->first != b->last - b->first)
		return a->last - a->first < b->last - b->first;
	return a->line < b->line;
}

/* The rule of the same host that takes this port away from s, or NULL. */
static const struct config_section *taker(const struct config *config,
	const struct config_section *s, unsigned port)
{
	for (unsigned i = 0; i < config->n_sections; i++) {
		const struct config_section *o = &config->sections[i];

		if (o != s && is_same_host(o, s) && section_has_port(o, port) &&
			section_is_before(o, s))
			return o;
	}
	return NULL;
}

bool section_is_unreachable(
	const struct config *config, const struct config_section *s)
{
	const struct config_section *o;
	unsigned port = s->first;

	while (port <= s->last && (o = taker(config, s, port)))
		port = o->last + 1u;
	return port > s->last;
}
