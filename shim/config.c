/* SPDX-License-Identifier: MIT */
/*
 * The settings table, one parser function a type of value, and the one
 * reading of the environment.  Knows the syntax of the settings; what they
 * mean is the affair of those who read struct config.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>
#include "names.h"

#define PREFIX "TLSSHIM_"
/* Of a value, so much is quoted in an error. */
#define QUOTE_MAX 64
#define TIMEOUT_MAX_MS (3600 * 1000)
/* clang-format off */
#define DEFAULTS { .handshake_timeout_ms = 30000, .log_sink = LOG_SINK_STDERR, \
	.log_level = LOG_LEVEL_ERROR }
/* clang-format on */

struct config_parser {
	struct config *config;
	const struct config_setting *setting; /* the one being parsed */
	char *storage;			      /* what is left of it */
	size_t room;
};

/* Notes an error of the value (or of the first n bytes of it) unless there is
 * one already. */
static void reject_part(struct config_parser *p, const char *value, size_t n,
	const char *problem)
{
	if (p->config->error[0])
		return;
	log_format(p->config->error, sizeof(p->config->error),
		"%s: \"%.*s%s\" %s", p->setting->name,
		(int)(n < QUOTE_MAX ? n : QUOTE_MAX), value,
		n > QUOTE_MAX ? "..." : "", problem);
}

static void reject(
	struct config_parser *p, const char *value, const char *problem)
{
	reject_part(p, value, strlen(value), problem);
}

/* Takes the text that stands at the start of the storage, n bytes with NUL. */
static const char *keep(struct config_parser *p, size_t n)
{
	const char *kept = p->storage;

	p->storage += n;
	p->room -= n;
	return kept;
}

static const char *keep_copy(struct config_parser *p, const char *value)
{
	size_t n = strlen(value) + 1;

	if (n > p->room) {
		reject(p, value, "is too long");
		return NULL;
	}
	memcpy(p->storage, value, n);
	return keep(p, n);
}

/* Absolute, because the program may chdir() before the file is opened. */
static const char *keep_path(struct config_parser *p, const char *value)
{
	size_t n = strlen(value) + 1, dir;

	if (value[0] == '/' && n <= PATH_MAX)
		return keep_copy(p, value);
	if (value[0] == '/' || n > PATH_MAX || n + 2 > p->room) {
		reject(p, value, "is too long for a path");
		return NULL;
	}
	if (!getcwd(p->storage, p->room - n - 1)) {
		reject(p, value,
			"is relative to a working directory "
			"that cannot be found");
		return NULL;
	}
	dir = strlen(p->storage);
	if (dir + 1 + n > PATH_MAX) {
		reject(p, value, "is too long for a path");
		return NULL;
	}
	p->storage[dir] = '/';
	memcpy(p->storage + dir + 1, value, n);
	return keep(p, dir + 1 + n);
}

static void parse_ca_file(struct config_parser *p, const char *value)
{
	p->config->ca_file = keep_path(p, value);
}

static void parse_ca_dir(struct config_parser *p, const char *value)
{
	p->config->ca_dir = keep_path(p, value);
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
			reject_part(p, s, (size_t)(end - s), problem);
		s = end;
	}
	if (!p->config->n_ports)
		reject(p, value, "names no port: " RULE_EXPECTED);
}

static void parse_server_name(struct config_parser *p, const char *value)
{
	unsigned char ip[16];
	char name[NAMES_NAME_MAX];

	/* Not all that getaddrinfo() takes for an address: "127.1" and scopes
	 * stand in no certificate. */
	if (inet_pton(AF_INET, value, ip) == 1 ||
		inet_pton(AF_INET6, value, ip) == 1)
		p->config->server_name = keep_copy(p, value);
	else if (names_canonical(value, name) == NAMES_IS_NAME)
		p->config->server_name = keep_copy(p, name);
	else
		reject(p, value,
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
		p->config->handshake_timeout_ms = (unsigned)ms;
	else
		reject(p, value,
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
		config->log_path = keep_path(p, value);
		if (config->log_path)
			config->log_sink = LOG_SINK_FILE;
	} else {
		reject(p, value,
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
		reject(p, value,
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

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* Levenshtein's distance, blind to case, row by row; n <= 32. */
static unsigned edit_distance(const char *a, size_t n, const char *b)
{
	unsigned char row[33];

	for (unsigned i = 0; i <= n; i++)
		row[i] = (unsigned char)i;
	for (unsigned char j = 1; *b; b++, j++) {
		unsigned char diagonal = row[0];

		row[0] = j;
		for (unsigned i = 1; i <= n; i++) {
			unsigned best = diagonal + (upper(a[i - 1]) != *b);

			diagonal = row[i];
			if (best > row[i] + 1u)
				best = row[i] + 1u;
			if (best > row[i - 1] + 1u)
				best = row[i - 1] + 1u;
			row[i] = (unsigned char)best;
		}
	}
	return row[n];
}

/* The setting that was likely meant by the n bytes at name, or NULL. */
static const char *nearest_setting(const char *name, size_t n)
{
	const char *nearest = NULL;
	unsigned least = 3; /* two slips, or one transposition */

	for (unsigned i = 0; i < config_n_settings && n <= 32; i++) {
		unsigned d = edit_distance(name, n, config_settings[i].name);

		if (d < least) {
			least = d;
			nearest = config_settings[i].name;
		}
	}
	return nearest;
}

static void reject_name(struct config *config, const char *name, size_t n)
{
	const char *meant = nearest_setting(name, n);
	int shown = (int)(n < QUOTE_MAX ? n : QUOTE_MAX);

	if (config->error[0])
		return;
	if (meant)
		log_format(config->error, sizeof(config->error),
			"%.*s is not a setting: did you mean %s?", shown, name,
			meant);
	else
		log_format(config->error, sizeof(config->error),
			"%.*s is not a setting: tlsshim(7) lists them", shown,
			name);
}

/* The index of the setting, or -1. */
static int find_setting(const char *name, size_t n)
{
	for (unsigned i = 0; i < config_n_settings; i++)
		if (!strncmp(config_settings[i].name, name, n) &&
			!config_settings[i].name[n])
			return (int)i;
	return -1;
}

static bool is_setting(const char *entry)
{
	return !strncmp(entry, PREFIX, strlen(PREFIX)) && strchr(entry, '=');
}

static void parse_entry(
	struct config_parser *p, const char *entry, unsigned *seen)
{
	size_t n = (size_t)(strchr(entry, '=') - entry);
	const char *value = entry + n + 1;
	int which = find_setting(entry, n);

	if (which < 0) {
		reject_name(p->config, entry, n);
		return;
	}
	if (*seen & 1u << which)
		return;
	*seen |= 1u << which;
	p->setting = &config_settings[which];
	if (*value)
		p->setting->parse(p, value);
	else if (!p->config->error[0])
		/* Mostly a script's unset variable, which must not turn into
		 * plaintext or into other trust than was meant. */
		log_format(p->config->error, sizeof(p->config->error),
			"%s is empty: expected %s, or the variable not set",
			p->setting->name, p->setting->syntax);
}

void config_parse(
	struct config *config, char *const envp[], char *storage, size_t size)
{
	struct config_parser p = {config, NULL, storage, size};
	int saved_errno = errno;
	unsigned seen = 0;

	*config = (struct config)DEFAULTS;
	for (; envp && *envp; envp++)
		if (is_setting(*envp))
			parse_entry(&p, *envp, &seen);
	errno = saved_errno;
}

/* The settings of the process. */

int config_state = CONFIG_UNREAD;
static struct config process_config = DEFAULTS;
static const struct config unread_config = {
	.handshake_timeout_ms = 1,
	.error = "the settings are still being read",
};
static char process_storage[CONFIG_STORAGE_MAX];
/* The thread that reads the settings, for ever after. */
static _Atomic pthread_t reader;

static bool has_settings(char *const envp[])
{
	for (; envp && *envp; envp++)
		if (is_setting(*envp))
			return true;
	return false;
}

static enum config_state read_settings(void)
{
	struct config *c = &process_config;
	int error;

	if (!has_settings(environ) || getauxval(AT_SECURE))
		return CONFIG_IDLE;
	config_parse(c, environ, process_storage, sizeof(process_storage));
	if (!c->n_ports && !c->error[0])
		return CONFIG_IDLE;
	error = log_setup(c->log_sink, c->log_path, c->log_level);
	if (error && !c->error[0])
		log_format(c->error, sizeof(c->error),
			"TLSSHIM_LOG: \"%.*s\" cannot be opened: %s", QUOTE_MAX,
			c->log_path ? c->log_path : "syslog",
			strerrordesc_np(error));
	if (c->n_ports && !c->error[0])
		names_setup();
	return CONFIG_ACTIVE;
}

/* Waits for the thread that reads: microseconds, unless a log file lies on a
 * dead server, or we are its forked child and it will never be done. */
static const struct config *wait_for_reader(void)
{
	const struct timespec moment = {.tv_nsec = 1000000};

	for (int i = 0; i < 5000; i++) {
		if (__atomic_load_n(&config_state, __ATOMIC_ACQUIRE) >=
			CONFIG_IDLE)
			return &process_config;
		if (i < 100)
			sched_yield();
		else
			nanosleep(&moment, NULL);
	}
	return &unread_config;
}

static const struct config *config_first(void)
{
	int saved_errno = errno;
	pthread_t self = pthread_self(), nobody = 0;
	const struct config *config = &process_config;

	if (atomic_compare_exchange_strong(&reader, &nobody, self))
		__atomic_store_n(
			&config_state, (int)read_settings(), __ATOMIC_RELEASE);
	else if (nobody != self)
		config = wait_for_reader();
	else if (__atomic_load_n(&config_state, __ATOMIC_ACQUIRE) < CONFIG_IDLE)
		config = &unread_config; /* a signal handler amid the reading */
	errno = saved_errno;
	return config;
}

const struct config *config_get(void)
{
	if (__builtin_expect(__atomic_load_n(&config_state, __ATOMIC_ACQUIRE) >=
				     CONFIG_IDLE,
		    1))
		return &process_config;
	return config_first();
}

bool config_active_first(void)
{
	const struct config *config = config_get();

	return config->n_ports || config->error[0];
}

__attribute__((constructor)) static void config_constructor(void)
{
	config_get();
}
