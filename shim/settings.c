/* SPDX-License-Identifier: MIT */
/*
 * The table of settings, and one parser a setting: text in, a field of struct
 * config or an error out.  Knows the syntax; what a setting means is the
 * affair of those who read struct config.
 */
#include <arpa/inet.h>
#include <string.h>
#include "names.h"
#include "settings.h"

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

static void parse_ports(struct config_parser *p, const char *value)
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

static void parse_time(
	struct config_parser *p, const char *value, unsigned *chosen)
{
	unsigned long ms = milliseconds(value);

	if (ms >= 1 && ms <= TIMEOUT_MAX_MS)
		*chosen = (unsigned)ms;
	else
		value_reject(p, value,
			"is not a time: expected seconds from 0.001 to 3600, "
			"such as 30 or 0.5");
}

static void parse_timeout(struct config_parser *p, const char *value)
{
	parse_time(p, value, &p->dest->handshake_timeout_ms);
}

static void parse_linger(struct config_parser *p, const char *value)
{
	parse_time(p, value, &p->config->linger_ms);
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

/* ---- the peer ---- */

#define CHOOSE(p, value, words, chosen, expected)                              \
	value_choose(p, value, words, sizeof(words) / sizeof((words)[0]),      \
		chosen, expected)

static const struct value_word yes_or_no[] = {{"no", 0}, {"yes", 1}};
#define YES_OR_NO "is neither yes nor no"

static void parse_verify(struct config_parser *p, const char *value)
{
	static const struct value_word words[] = {{"full", TLS_VERIFY_FULL},
		{"insecure-no-name", TLS_VERIFY_INSECURE_NO_NAME},
		{"insecure-none", TLS_VERIFY_INSECURE_NONE}};
	unsigned chosen;

	if (CHOOSE(p, value, words, &chosen,
		    "is no level of verification: expected full, "
		    "insecure-no-name or insecure-none"))
		p->dest->tls.verify = chosen;
}

static void parse_crl_file(struct config_parser *p, const char *value)
{
	p->dest->tls.crl_file = value_path(p, value);
}

static void parse_crl_dir(struct config_parser *p, const char *value)
{
	p->dest->tls.crl_dir = value_path(p, value);
}

static void parse_crl(struct config_parser *p, const char *value)
{
	static const struct value_word words[] = {
		{"required", 0}, {"insecure-soft", 1}};
	unsigned chosen;

	if (CHOOSE(p, value, words, &chosen,
		    "is unknown: expected required or insecure-soft"))
		p->dest->tls.crl_insecure_soft = chosen;
}

static void parse_ocsp(struct config_parser *p, const char *value)
{
	static const struct value_word words[] = {{"off", TLS_OCSP_OFF},
		{"stapled", TLS_OCSP_STAPLED},
		{"require-stapled", TLS_OCSP_REQUIRED}};
	unsigned chosen;

	if (CHOOSE(p, value, words, &chosen,
		    "is unknown: expected off, stapled or require-stapled"))
		p->dest->tls.ocsp = chosen;
}

static void parse_x509_strict(struct config_parser *p, const char *value)
{
	unsigned chosen;

	if (CHOOSE(p, value, yes_or_no, &chosen, YES_OR_NO))
		p->dest->tls.x509_strict = chosen;
}

static void parse_partial_chain(struct config_parser *p, const char *value)
{
	unsigned chosen;

	if (CHOOSE(p, value, yes_or_no, &chosen, YES_OR_NO))
		p->dest->tls.no_partial_chain = !chosen;
}

#define BLANKS " \t\r\n"
#define PIN_PREFIX "sha256//"
#define PIN_DIGITS 43 /* of base64, and a '=' */

static bool is_pin(const char *s, size_t n)
{
	static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";

	return n == strlen(PIN_PREFIX) + PIN_DIGITS + 1 &&
	       !strncmp(s, PIN_PREFIX, strlen(PIN_PREFIX)) &&
	       strspn(s + strlen(PIN_PREFIX), base64) == PIN_DIGITS &&
	       s[n - 1] == '=';
}

static void parse_pins(struct config_parser *p, const char *value)
{
	const char *s = value;

	while (*(s += strspn(s, BLANKS))) {
		size_t n = strcspn(s, BLANKS);

		if (!is_pin(s, n)) {
			value_reject_part(p, s, n,
				"is not a pin: expected sha256// and 44 "
				"characters of base64");
			return;
		}
		s += n;
	}
	p->dest->tls.pins = value_copy(p, value);
}

static void parse_pin_file(struct config_parser *p, const char *value)
{
	p->dest->tls.pin_file = value_path(p, value);
}

/* ---- our own credentials ---- */

/* RFC 3986: "pkcs11:" and the like, which are no paths. */
static bool is_uri(const char *value)
{
	size_t n = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789+.-");

	return n > 1 && value[n] == ':';
}

static const char *path_or_uri(struct config_parser *p, const char *value)
{
	return is_uri(value) ? value_copy(p, value) : value_path(p, value);
}

static void parse_cert(struct config_parser *p, const char *value)
{
	p->dest->tls.cert = path_or_uri(p, value);
}

static void parse_key(struct config_parser *p, const char *value)
{
	p->dest->tls.key = path_or_uri(p, value);
}

static void parse_key_password_file(struct config_parser *p, const char *value)
{
	p->dest->tls.key_password_file = value_path(p, value);
}

/* ---- the protocol ---- */

static unsigned version(struct config_parser *p, const char *value)
{
	static const struct value_word words[] = {
		{"TLSv1.2", TLS_VERSION_1_2}, {"TLSv1.3", TLS_VERSION_1_3}};
	unsigned chosen = 0;

	CHOOSE(p, value, words, &chosen,
		"is no version: expected TLSv1.2 or TLSv1.3 (older ones are "
		"not secure)");
	return chosen;
}

static void parse_min_version(struct config_parser *p, const char *value)
{
	p->dest->tls.min_version = version(p, value);
}

static void parse_max_version(struct config_parser *p, const char *value)
{
	p->dest->tls.max_version = version(p, value);
}

/* RFC 7301: names of 1 to 255 bytes; of ours all together fit in 255. */
static void parse_alpn(struct config_parser *p, const char *value)
{
	size_t len = strlen(value);

	if (len > 254 || value[0] == ',' || value[len - 1] == ',' ||
		strstr(value, ",,") || strpbrk(value, BLANKS))
		value_reject(p, value,
			"is no list of protocols: expected names separated by "
			"commas, such as h2,http/1.1");
	else
		p->dest->tls.alpn = value_copy(p, value);
}

/* The engine alone knows the commands; this much can be said before. */
static void parse_openssl(struct config_parser *p, const char *value)
{
	const char *s = value;

	while (*(s += strspn(s, BLANKS))) {
		size_t n = strcspn(s, BLANKS);
		const char *equals = memchr(s, '=', n);

		if (!equals || equals == s || equals == s + n - 1) {
			value_reject_part(p, s, n,
				"is no command for OpenSSL: expected "
				"Name=Value, such as Groups=X25519:P-256");
			return;
		}
		s += n;
	}
	p->dest->tls.openssl = value_copy(p, value);
}

static void parse_keylog(struct config_parser *p, const char *value)
{
	static const struct value_word words[] = {
		{"no", 0}, {"insecure-yes", 1}};
	unsigned chosen;

	if (CHOOSE(p, value, words, &chosen,
		    "is unknown: expected no or insecure-yes"))
		p->dest->keylog = chosen;
}

static void parse_plaintext(struct config_parser *p, const char *value)
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

static void parse_names(struct config_parser *p, const char *value)
{
	static const struct value_word words[] = {{"strict", 0}, {"latest", 1}};
	unsigned chosen;

	if (CHOOSE(p, value, words, &chosen,
		    "is unknown: expected strict or latest"))
		p->config->names_latest = chosen;
}

static void parse_log_format(struct config_parser *p, const char *value)
{
	static const struct value_word words[] = {
		{"text", LOG_FORMAT_TEXT}, {"json", LOG_FORMAT_JSON}};
	unsigned chosen;

	if (CHOOSE(p, value, words, &chosen,
		    "is unknown: expected text or json"))
		p->config->log_style = chosen;
}

/* Read before all others, by config.c. */
static void parse_config(struct config_parser *p, const char *value)
{
	p->config->file = value_path(p, value);
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
	{"TLSSHIM_VERIFY", "full | insecure-no-name | insecure-none", "full",
		"what a server must prove; insecure-no-name: not who it is, "
		"insecure-none: nothing (both warn)",
		parse_verify},
	{"TLSSHIM_PIN", "sha256//BASE64 ...", "none",
		"hashes of public keys, one of which must be in the chain as "
		"well",
		parse_pins},
	{"TLSSHIM_PIN_FILE", "FILE", "none", "the same, in a file",
		parse_pin_file},
	{"TLSSHIM_CRL_FILE", "FILE", "none",
		"revocation lists (PEM or DER); one of each issuer in a chain "
		"is needed",
		parse_crl_file},
	{"TLSSHIM_CRL_DIR", "DIRECTORY", "none",
		"the same, in a hashed directory", parse_crl_dir},
	{"TLSSHIM_CRL", "required | insecure-soft", "required",
		"insecure-soft: a missing or outdated list will do", parse_crl},
	{"TLSSHIM_OCSP", "off | stapled | require-stapled", "stapled",
		"stapled: a response that the server gives, or its certificate "
		"demands, must be good",
		parse_ocsp},
	{"TLSSHIM_X509_STRICT", "yes | no", "no",
		"refuse certificates that break RFC 5280 in harmless ways too",
		parse_x509_strict},
	{"TLSSHIM_PARTIAL_CHAIN", "yes | no", "yes",
		"is every certificate of TLSSHIM_CA_FILE and TLSSHIM_CA_DIR "
		"trusted, or only self-signed ones?",
		parse_partial_chain},
	{"TLSSHIM_CERT", "FILE | URI", "none",
		"our certificate and its chain, for servers that ask for one",
		parse_cert},
	{"TLSSHIM_KEY", "FILE | URI", "in TLSSHIM_CERT",
		"the private key of TLSSHIM_CERT", parse_key},
	{"TLSSHIM_KEY_PASSWORD_FILE", "FILE", "none",
		"the password of TLSSHIM_KEY is this file's first line",
		parse_key_password_file},
	{"TLSSHIM_MIN_VERSION", "TLSv1.2 | TLSv1.3", "TLSv1.2",
		"the lowest version of TLS", parse_min_version},
	{"TLSSHIM_MAX_VERSION", "TLSv1.2 | TLSv1.3", "TLSv1.3",
		"the highest version of TLS", parse_max_version},
	{"TLSSHIM_ALPN", "NAME[,NAME...]", "none",
		"application protocols to offer, the best first", parse_alpn},
	{"TLSSHIM_OPENSSL", "Name=Value ...", "none",
		"commands of SSL_CONF_cmd(3): CipherString, Ciphersuites, "
		"Groups, SignatureAlgorithms, Options...",
		parse_openssl},
	{"TLSSHIM_KEYLOG", "no | insecure-yes", "no",
		"write the secrets of all sessions to the file named by "
		"SSLKEYLOGFILE",
		parse_keylog},
	{"TLSSHIM_HANDSHAKE_TIMEOUT", "SECONDS", "30",
		"how long a handshake may take, 0.001 to 3600", parse_timeout},
	{"TLSSHIM_LINGER", "SECONDS", "60",
		"how long a peer that takes nothing is waited for once the "
		"program is done, 0.001 to 3600",
		parse_linger},
	{"TLSSHIM_CONFIG", "FILE", "none",
		"rules by destination; the environment is above its [default]",
		parse_config},
	{"TLSSHIM_PLAINTEXT", "allow | deny | loopback", "allow",
		"may TCP connections that nothing selects be made? loopback: "
		"to this host alone",
		parse_plaintext},
	{"TLSSHIM_NAMES", "strict | latest", "strict",
		"of several names for one address, must the certificate be "
		"valid for all, or for the latest looked up?",
		parse_names},
	{"TLSSHIM_LOG", "stderr | none | syslog | PATH", "stderr",
		"where log lines go; a PATH begins with / or ./", parse_log},
	{"TLSSHIM_LOG_LEVEL", "error | info | debug", "error",
		"failures only, a line for each connection, or every step of "
		"each handshake",
		parse_log_level},
	{"TLSSHIM_LOG_FORMAT", "text | json", "text",
		"a line of text or of JSON for each event", parse_log_format},
};
const unsigned config_n_settings =
	sizeof(config_settings) / sizeof(config_settings[0]);

int settings_find(const char *name, size_t n)
{
	for (unsigned i = 0; i < config_n_settings; i++)
		if (!strncmp(config_settings[i].name, name, n) &&
			!config_settings[i].name[n])
			return (int)i;
	return -1;
}

/* Of the whole process: in [default] alone, or not even there. */
bool settings_is_for_file(int which, bool in_section)
{
	static void (*const of_process[])(
		struct config_parser * p, const char *value) = {parse_ports,
		parse_linger, parse_plaintext, parse_names, parse_log,
		parse_log_level, parse_log_format};

	if (config_settings[which].parse == parse_config)
		return false;
	for (unsigned i = 0; i < sizeof(of_process) / sizeof(of_process[0]);
		i++)
		if (config_settings[which].parse == of_process[i])
			return !in_section;
	return true;
}

void settings_parse(struct config_parser *p, int which, const char *value)
{
	config_settings[which].parse(p, value);
}
