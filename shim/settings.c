/* SPDX-License-Identifier: MIT */
/*
 * The table of settings, and one parser a setting: text in, a field of struct
 * config or an error out.  Knows the syntax; what a setting means is the
 * affair of those who read struct config.
 */
#include <arpa/inet.h>
#include <string.h>
#include "names.h"
#include "value.h"

#define TIMEOUT_MAX_MS (3600 * 1000)

static void parse_ca_file(struct config_parser *p, const char *value)
{
	p->dest->tls.ca_file = value_path(p, value);
}

static void parse_ca_dir(struct config_parser *p, const char *value)
{
	p->dest->tls.ca_dir = value_path(p, value);
}

#define RULE_EXPECTED                                                          \
	"expected PORT[-PORT][:TLSPORT] with ports from 1 to 65535, "          \
	"such as \"443 6379:6380\""

/* 1 to 65535.  Returns what follows, or NULL. */
static const char *port_number(const char *s, uint16_t *port)
{
	unsigned long n = 0;

	for (; *s >= '0' && *s <= '9' && n <= UINT16_MAX; s++)
		n = n * 10 + (unsigned long)(*s - '0');
	*port = (uint16_t)n;
	return n >= 1 && n <= UINT16_MAX ? s : NULL;
}

/* Returns NULL or what is wrong with s..end. */
static const char *port_rule(
	const char *s, const char *end, struct config_ports *rule)
{
	if (memchr(s, '/', (size_t)(end - s)))
		return "has a /protocol, which is not supported by this "
		       "version: " RULE_EXPECTED;
	*rule = (struct config_ports){0};
	s = port_number(s, &rule->first);
	rule->last = rule->first;
	if (s && *s == '-')
		s = port_number(s + 1, &rule->last);
	if (s && *s == ':')
		s = port_number(s + 1, &rule->tls_port);
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

static void parse_ports(struct config_parser *p, const char *value)
{
	static const char separators[] = " \t\r\n,";
	const char *s = value;

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

static void parse_server_name(struct config_parser *p, const char *value)
{
	unsigned char ip[16];
	char name[NAMES_NAME_MAX];

	/* Not all that getaddrinfo() takes for an address: "127.1" and scopes
	 * stand in no certificate. */
	if (inet_pton(AF_INET, value, ip) == 1 ||
		inet_pton(AF_INET6, value, ip) == 1)
		p->dest->server_name = value_copy(p, value);
	else if (names_canonical(value, name) == NAMES_IS_NAME)
		p->dest->server_name = value_copy(p, name);
	else
		value_reject(p, value,
			"is not a server name: expected a host name, such as "
			"db.example.com (xn--... if not ASCII), or an IP "
			"address");
}

/* Decimal seconds, with or without a fraction.  0: not that. */
static unsigned long milliseconds(const char *s)
{
	unsigned long ms = 0, unit = 1000;
	const char *start = s;

	for (; *s >= '0' && *s <= '9' && ms <= TIMEOUT_MAX_MS; s++)
		ms = ms * 10 + (unsigned long)(*s - '0') * 1000;
	if (s == start)
		return 0;
	if (s[0] == '.' && s[1])
		for (s++; *s >= '0' && *s <= '9'; s++)
			ms += (unsigned long)(*s - '0') * (unit /= 10);
	return *s ? 0 : ms;
}

static void parse_timeout(struct config_parser *p, const char *value)
{
	unsigned long ms = milliseconds(value);

	if (ms >= 1 && ms <= TIMEOUT_MAX_MS)
		p->dest->handshake_timeout_ms = (unsigned)ms;
	else
		value_reject(p, value,
			"is not a time: expected seconds from 0.001 to 3600, "
			"such as 30 or 0.5");
}

static void parse_log(struct config_parser *p, const char *value)
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

static void parse_log_level(struct config_parser *p, const char *value)
{
	if (!strcmp(value, "error"))
		p->config->log_level = LOG_LEVEL_ERROR;
	else if (!strcmp(value, "info"))
		p->config->log_level = LOG_LEVEL_INFO;
	else if (!strcmp(value, "debug"))
		p->config->log_level = LOG_LEVEL_DEBUG;
	else
		value_reject(p, value,
			"is not a level: expected error, info or debug");
}

const struct config_setting config_settings[] = {
	{"TLSSHIM_PORTS", "PORT[-PORT][:TLSPORT] ...", "none",
		"ports whose TCP connections are TLS, separated by blanks or "
		"commas; TLSPORT is dialled in place of PORT",
		parse_ports},
	{"TLSSHIM_CA_FILE", "FILE", "the system's trust store",
		"trust the CA certificates in this PEM file instead",
		parse_ca_file},
	{"TLSSHIM_CA_DIR", "DIRECTORY", "the system's trust store",
		"trust the CA certificates in this hashed directory instead",
		parse_ca_dir},
	{"TLSSHIM_SERVER_NAME", "NAME | ADDRESS", "what the program looked up",
		"whom every server must prove to be", parse_server_name},
	{"TLSSHIM_HANDSHAKE_TIMEOUT", "SECONDS", "30",
		"how long a handshake may take, 0.001 to 3600", parse_timeout},
	{"TLSSHIM_LOG", "stderr | none | syslog | PATH", "stderr",
		"where log lines go; a PATH begins with / or ./", parse_log},
	{"TLSSHIM_LOG_LEVEL", "error | info | debug", "error",
		"failures only, a line for each connection, or every step of "
		"each handshake",
		parse_log_level},
};
const unsigned config_n_settings =
	sizeof(config_settings) / sizeof(config_settings[0]);
