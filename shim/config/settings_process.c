/* SPDX-License-Identifier: MIT */
/*
 * Values of the settings that hold for the whole process: which ports, what
 * of plaintext and of names, the log, and where more settings are.
 */
#include "config/settings_values.h"

#include <string.h>

#define RULE_EXPECTED                                                          \
	"expected PORT[-PORT][:TLSPORT] with ports from 1 to 65535, "          \
	"such as \"443 6379:6380\""

/* Returns NULL or what is wrong with s..end. */
static const char *port_rule(
	const char *s, const char *end, struct config_ports *rule)
{
	if (memchr(s, '/', (size_t)(end - s)))
		return "has a /protocol, which is not supported by this "
		       "version: " RULE_EXPECTED;
	*rule = (struct config_ports){0};
	s = value_port(s, &rule->first);
	rule->last = rule->first;
	if (s && *s == '-')
		s = value_port(s + 1, &rule->last);
	if (s && *s == ':')
		s = value_port(s + 1, &rule->tls_port);
	if (s != end)
		return "is not a port rule: " RULE_EXPECTED;
	if (rule->last < rule->first)
		return "is a reversed range: " RULE_EXPECTED;
	return NULL;
}

/* Returns NULL or why the rule cannot be added. */
static const char *add_rule(
	struct config *config, const struct config_ports *rule)
{
	for (unsigned i = 0; i < config->n_ports; i++)
		if (rule->first <= config->ports[i].last &&
			config->ports[i].first <= rule->last)
			return "overlaps an earlier rule: expected rules that "
			       "have no port in common";
	if (config->n_ports == CONFIG_PORT_RULES_MAX)
		return "is a rule too many: expected at most 64";
	config->ports[config->n_ports++] = *rule;
	return NULL;
}
_Static_assert(CONFIG_PORT_RULES_MAX == 64, "the text above says 64");

void settings_ports(struct config_parser *p, const char *value)
{
	static const char separators[] = " \t\r\n,";
	const char *s = value;

	p->config->n_ports = 0; /* those of a file's [default] */
	while (*(s += strspn(s, separators))) {
		const char *end = s + strcspn(s, separators);
		struct config_ports rule;
		const char *problem = port_rule(s, end, &rule);

		if (!problem)
			problem = add_rule(p->config, &rule);
		if (problem)
			value_reject_part(p, s, (size_t)(end - s), problem);
		s = end;
	}
	if (!p->config->n_ports)
		value_reject(p, value, "names no port: " RULE_EXPECTED);
}

void settings_linger(struct config_parser *p, const char *value)
{
	value_time(p, value, &p->config->linger_ms);
}

void settings_plaintext(struct config_parser *p, const char *value)
{
	static const struct value_word words[] = {
		{"allow", CONFIG_PLAINTEXT_ALLOW},
		{"deny", CONFIG_PLAINTEXT_DENY},
		{"loopback", CONFIG_PLAINTEXT_LOOPBACK}};
	unsigned chosen;

	if (CHOOSE(p, value, words, &chosen,
		    "is unknown: expected allow, deny or loopback"))
		p->config->plaintext = chosen;
}

void settings_unreached(struct config_parser *p, const char *value)
{
	static const struct value_word words[] = {
		{"warn", CONFIG_UNREACHED_WARN},
		{"refuse", CONFIG_UNREACHED_REFUSE},
		{"allow", CONFIG_UNREACHED_ALLOW}};
	unsigned chosen;

	if (CHOOSE(p, value, words, &chosen,
		    "is unknown: expected warn, refuse or allow"))
		p->config->unreached = chosen;
}

void settings_inherit(struct config_parser *p, const char *value)
{
	static const struct value_word words[] = {{"yes", 0}, {"no", 1}};
	unsigned chosen;

	if (CHOOSE(p, value, words, &chosen, "is neither yes nor no"))
		p->config->is_not_inherited = chosen;
}

void settings_names(struct config_parser *p, const char *value)
{
	static const struct value_word words[] = {{"strict", 0}, {"latest", 1}};
	unsigned chosen;

	if (CHOOSE(p, value, words, &chosen,
		    "is unknown: expected strict or latest"))
		p->config->names_latest = chosen;
}

/* ---- the log ---- */

void settings_log(struct config_parser *p, const char *value)
{
	struct config *config = p->config;

	if (!strcmp(value, "stderr")) {
		config->log_sink = LOG_SINK_STDERR;
	} else if (!strcmp(value, "none")) {
		config->log_sink = LOG_SINK_NONE;
	} else if (!strcmp(value, "syslog")) {
		config->log_sink = LOG_SINK_SYSLOG;
	} else if (value[0] == '/' || !strncmp(value, "./", 2)) {
		config->log_path = value_path(p, value);
		if (config->log_path)
			config->log_sink = LOG_SINK_FILE;
	} else {
		value_reject(p, value,
			"is no place for a log: expected stderr, none, syslog "
			"or a path that begins with / or ./");
	}
}

void settings_log_level(struct config_parser *p, const char *value)
{
	static const struct value_word words[] = {{"error", LOG_LEVEL_ERROR},
		{"info", LOG_LEVEL_INFO}, {"debug", LOG_LEVEL_DEBUG}};
	unsigned chosen;

	if (CHOOSE(p, value, words, &chosen,
		    "is not a level: expected error, info or debug"))
		p->config->log_level = chosen;
}

void settings_log_format(struct config_parser *p, const char *value)
{
	static const struct value_word words[] = {
		{"text", LOG_FORMAT_TEXT}, {"json", LOG_FORMAT_JSON}};
	unsigned chosen;

	if (CHOOSE(p, value, words, &chosen,
		    "is unknown: expected text or json"))
		p->config->log_style = chosen;
}

/* Read before all others, by config.c. */
void settings_config(struct config_parser *p, const char *value)
{
	p->config->file = value_path(p, value);
}
