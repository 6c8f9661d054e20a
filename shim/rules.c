/* SPDX-License-Identifier: MIT */
/*
 * The file of TLSSHIM_CONFIG: lines, sections and their destinations.  What
 * stands behind a key is settings.c's affair.  Pure.
 */
#include "rules.h"

#include <arpa/inet.h>
#include <string.h>
#include "names.h"
#include "settings.h"

#define V4_MAPPED_BITS 96
#define HOST_MAX 300
#define HOST_EXPECTED                                                          \
	"expected [HOST:PORT], [HOST:PORT-PORT] or [HOST:*], where HOST is a " \
	"name, *.suffix, an address, a network such as 10.0.0.0/8 or "         \
	"[2001:db8::]/32, or *"

/* A line of the file, without blanks at its ends. */
struct line {
	const char *s;
	size_t n;
	unsigned number;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void trim(struct line *l)
{
	while (l->n && is_blank(l->s[0])) {
		l->s++;
		l->n--;
	}
	while (l->n && is_blank(l->s[l->n - 1]))
		l->n--;
}

/* The next line that says something, from *at on; false: the end. */
static bool next_line(const struct rules_file *f, size_t *at, struct line *l)
{
	while (*at < f->len) {
		const char *s = f->text + *at;
		const char *end = memchr(s, '\n', f->len - *at);

		l->s = s;
		l->n = end ? (size_t)(end - s) : f->len - *at;
		*at += l->n + 1;
		l->number++;
		trim(l);
		if (l->n && l->s[0] != '#' && l->s[0] != ';')
			return true;
	}
	return false;
}

/* Errors are of this line, until the next call. */
static void stand_at(struct config_parser *p, const struct rules_file *f,
	const struct line *l)
{
	size_t n = strlen(f->path);
	const char *tail = n > 120 ? f->path + n - 120 : f->path;

	log_format(p->where, sizeof(p->where), "%s:%u", tail, l->number);
}

static void reject(
	struct config_parser *p, const struct line *l, const char *problem)
{
	value_reject_part(p, l->s, l->n, problem);
}

static bool is_header(const struct line *l)
{
	return l->s[0] == '[';
}

static bool is_default(const struct line *l)
{
	static const char name[] = "[default]";

	return l->n == strlen(name) && !memcmp(l->s, name, l->n);
}

/* ---- destinations ---- */

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
		       is_network(section->ip, section->bits);
	memcpy(section->ip, mapped, sizeof(mapped));
	ok = inet_pton(AF_INET, host, section->ip + 12) == 1 &&
	     parse_prefix(prefix, 32, &section->bits);
	section->bits += V4_MAPPED_BITS;
	return ok && is_network(section->ip, section->bits);
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

/* "[HOST:PORTS]" */
static const char *parse_header(struct config_parser *p, const struct line *l,
	struct config_section *section)
{
	char text[HOST_MAX];
	char *colon;

	if (l->n < 2 || l->n - 2 >= sizeof(text) || l->s[l->n - 1] != ']')
		return "is no destination: " HOST_EXPECTED;
	memcpy(text, l->s + 1, l->n - 2);
	text[l->n - 2] = '\0';
	colon = strrchr(text, ':');
	if (strlen(text) != l->n - 2 || !colon || colon == text)
		return "is no destination: " HOST_EXPECTED;
	*colon = '\0';
	if (!parse_port_range(colon + 1, section))
		return "names no ports: " HOST_EXPECTED;
	return parse_host(p, text, section);
}

/* ---- keys ---- */

/* "ca-file" or "ca_file" to "TLSSHIM_CA_FILE"; false: too long. */
static bool variable_of(const struct line *key, char *name, size_t size)
{
	size_t at = (size_t)log_format(name, (unsigned)size, "TLSSHIM_");

	if (at + key->n >= size)
		return false;
	for (size_t i = 0; i < key->n; i++) {
		char c = key->s[i];

		name[at++] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A')
			     : c == '-'		  ? '_'
						  : c;
	}
	name[at] = '\0';
	return true;
}

static bool key_is(const struct line *key, const char *name)
{
	return key->n == strlen(name) && !memcmp(key->s, name, key->n);
}

/* Keys that a section has and the environment has not; false: it is not one
 * of those. */
static bool parse_own_key(struct config_parser *p,
	struct config_section *section, const struct line *key,
	const char *value)
{
	const char *end;

	if (key_is(key, "plaintext")) {
		section->plaintext = !strcmp(value, "allow");
		if (!section->plaintext)
			value_reject(p, value,
				"is not for one destination: expected allow");
	} else if (key_is(key, "connect-port")) {
		end = value_port(value, &section->connect_port);
		if (!end || *end)
			value_reject(
				p, value, "is no port: expected 1 to 65535");
	} else if (key_is(key, "sni")) {
		char name[NAMES_NAME_MAX];

		if (!strcmp(value, "none"))
			section->dest.sni = "";
		else if (names_canonical(value, name) == NAMES_IS_NAME)
			section->dest.sni = value_copy(p, name);
		else
			value_reject(p, value,
				"is no server name: expected a host name or "
				"none");
	} else {
		return false;
	}
	return true;
}

static bool is_printable(const struct line *l)
{
	for (size_t i = 0; i < l->n; i++)
		if ((unsigned char)l->s[i] < ' ' && l->s[i] != '\t')
			return false;
	return true;
}

/* Splits "key = value"; the value is copied, for it needs a NUL. */
static const char *split(
	struct config_parser *p, const struct line *l, struct line *key)
{
	const char *equals = memchr(l->s, '=', l->n);
	struct line value;

	if (!equals || equals == l->s || !is_printable(l)) {
		reject(p, l, "is no setting: expected KEY = VALUE");
		return NULL;
	}
	*key = (struct line){l->s, (size_t)(equals - l->s), l->number};
	value = (struct line){equals + 1, l->n - key->n - 1, l->number};
	trim(key);
	trim(&value);
	if (!value.n) {
		reject(p, key, "is empty: expected a value, or no such line");
		return NULL;
	}
	return value_copy_part(p, value.s, value.n);
}

/* section NULL: [default]. */
static void parse_key(struct config_parser *p, struct config_section *section,
	const struct line *l, unsigned long *seen)
{
	char variable[64];
	struct line key;
	const char *value = split(p, l, &key);
	int which;

	if (!value)
		return;
	if (section && parse_own_key(p, section, &key, value))
		return;
	which = variable_of(&key, variable, sizeof(variable))
			? settings_find(variable, strlen(variable))
			: -1;
	if (which < 0 || !settings_is_for_file(which, section != NULL))
		reject(p, &key,
			which < 0 ? "is not a setting: tlsshim(7) lists them"
				  : "is not for this section: tlsshim(7) says "
				    "where it belongs");
	else if (*seen & 1ul << which)
		reject(p, &key, "stands twice in its section");
	else
		settings_parse(p, which, value);
	if (which >= 0)
		*seen |= 1ul << which;
}

/* ---- the file ---- */

void rules_parse_default(struct config_parser *p, const struct rules_file *f)
{
	enum { BEFORE, INSIDE, BEHIND } place = BEFORE;
	bool had_one = false;
	unsigned long seen = 0;
	struct line l = {0};
	size_t at = 0;

	p->in_file = true;
	while (next_line(f, &at, &l)) {
		stand_at(p, f, &l);
		if (is_default(&l) && had_one)
			reject(p, &l, "stands twice in the file");
		had_one |= is_default(&l);
		if (is_header(&l))
			place = is_default(&l) ? INSIDE : BEHIND;
		else if (place == BEFORE)
			reject(p, &l, "stands before the first [section]");
		else if (place == INSIDE)
			parse_key(p, NULL, &l, &seen);
	}
	p->in_file = false;
	p->where[0] = '\0';
}

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

bool rules_is_before(
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

		if (o != s && is_same_host(o, s) && port >= o->first &&
			port <= o->last && rules_is_before(o, s))
			return o;
	}
	return NULL;
}

/* Does no connection ever come to it? */
static bool is_unreachable(
	const struct config *config, const struct config_section *s)
{
	const struct config_section *o;
	unsigned port = s->first;

	while (port <= s->last && (o = taker(config, s, port)))
		port = o->last + 1u;
	return port > s->last;
}

static void check_reach(struct config_parser *p, const struct rules_file *f)
{
	for (unsigned i = 0; i < p->config->n_sections; i++) {
		struct config_section *s = &p->config->sections[i];
		struct line l = {"the section", strlen("the section"), s->line};

		if (!is_unreachable(p->config, s))
			continue;
		stand_at(p, f, &l);
		reject(p, &l,
			"can never be reached: others of the same host "
			"take all its ports");
	}
}

/* A section that begins here, or NULL. */
static struct config_section *begin_section(
	struct config_parser *p, const struct line *l)
{
	struct config *config = p->config;
	struct config_section *s = &config->sections[config->n_sections];
	const char *problem;

	*s = (struct config_section){.line = l->number, .dest = config->base};
	problem = parse_header(p, l, s);
	if (problem) {
		reject(p, l, problem);
		return NULL;
	}
	for (unsigned i = 0; i < config->n_sections; i++)
		if (is_same_host(&config->sections[i], s) &&
			config->sections[i].first == s->first &&
			config->sections[i].last == s->last) {
			reject(p, l, "stands twice in the file");
			return NULL;
		}
	config->n_sections++;
	return s;
}

static unsigned count_headers(const struct rules_file *f)
{
	struct line l = {0};
	size_t at = 0;
	unsigned n = 0;

	while (next_line(f, &at, &l))
		n += is_header(&l);
	return n;
}

size_t rules_storage(const struct rules_file *f)
{
	/* Values and names are copied, each with a NUL. */
	return (count_headers(f) + 1) * sizeof(struct config_section) +
	       2 * f->len + 64;
}

static bool make_sections(struct config_parser *p, const struct rules_file *f)
{
	unsigned n = count_headers(f);

	if (n > CONFIG_SECTIONS_MAX) {
		log_format(p->where, sizeof(p->where), "TLSSHIM_CONFIG");
		value_reject(p, f->path,
			"has too many sections: expected at most 1024");
		return false;
	}
	p->config->sections =
		value_room(p, n * sizeof(struct config_section), f->path);
	return p->config->sections != NULL;
}
_Static_assert(CONFIG_SECTIONS_MAX == 1024, "the text above says 1024");

void rules_parse_sections(struct config_parser *p, const struct rules_file *f)
{
	struct config_section *section = NULL;
	unsigned long seen = 0;
	struct line l = {0};
	size_t at = 0;

	if (!make_sections(p, f))
		return;
	p->in_file = true;
	while (next_line(f, &at, &l)) {
		stand_at(p, f, &l);
		if (is_header(&l)) {
			seen = 0;
			section = is_default(&l) ? NULL : begin_section(p, &l);
			p->dest = section ? &section->dest : &p->config->base;
		} else if (section) {
			parse_key(p, section, &l, &seen);
		}
	}
	check_reach(p, f);
	p->dest = &p->config->base;
	p->in_file = false;
	p->where[0] = '\0';
}
