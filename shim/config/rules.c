/* SPDX-License-Identifier: MIT */
/*
 * The file of TLSSHIM_CONFIG: lines, sections and their keys.  What stands
 * between a section's brackets is section.c's affair, and what stands behind a
 * key that of settings.c.  Pure.
 */
#include "config/rules.h"

#include <string.h>
#include "config/section.h"
#include "config/settings.h"
#include "names/names.h"

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

static bool says(const struct line *l, const char *text)
{
	return l->n == strlen(text) && !memcmp(l->s, text, l->n);
}

static bool is_default(const struct line *l)
{
	return says(l, "[default]");
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

/* Keys that a section has and the environment has not; false: it is not one
 * of those. */
static bool parse_own_key(struct config_parser *p,
	struct config_section *section, const struct line *key,
	const char *value)
{
	const char *end;

	if (says(key, "plaintext")) {
		section->plaintext = !strcmp(value, "allow");
		if (!section->plaintext)
			value_reject(p, value,
				"is not for one destination: expected allow");
	} else if (says(key, "connect-port")) {
		end = value_port(value, &section->connect_port);
		if (!end || *end)
			value_reject(
				p, value, "is no port: expected 1 to 65535");
	} else if (says(key, "sni")) {
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

/* Of a key that cannot stand in this section.  variable is what it would be in
 * the environment. */
static const char *why_not(int which, const char *variable)
{
	static char text[96];
	const char *meant =
		which < 0 ? config_nearest_setting(variable, strlen(variable))
			  : NULL;
	unsigned n = 0;

	if (which >= 0)
		return settings_is_for_file(which, false)
			       ? "is for all connections: it belongs in "
				 "[default]"
			       : "is for the environment alone";
	if (!meant)
		return "is not a setting: tlsshim(7) lists them";
	n = (unsigned)log_format(
		text, sizeof(text), "is not a setting: did you mean ");
	for (meant += strlen("TLSSHIM_"); *meant && n < sizeof(text) - 2;
		meant++)
		text[n++] = *meant == '_' ? '-' : (char)(*meant | 0x20);
	text[n++] = '?';
	text[n] = '\0';
	return text;
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
		reject(p, &key, why_not(which, variable));
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

static void check_reach(struct config_parser *p, const struct rules_file *f)
{
	for (unsigned i = 0; i < p->config->n_sections; i++) {
		struct config_section *s = &p->config->sections[i];
		struct line l = {"the section", strlen("the section"), s->line};

		if (!section_is_unreachable(p->config, s))
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
	problem = section_parse(p, l->s, l->n, s);
	if (problem) {
		reject(p, l, problem);
		return NULL;
	}
	for (unsigned i = 0; i < config->n_sections; i++)
		if (section_is_same(&config->sections[i], s)) {
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
