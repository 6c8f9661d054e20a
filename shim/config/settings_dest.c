/* SPDX-License-Identifier: MIT */
/*
 * Values of the settings that hold for a destination: whom it must prove to
 * be, by what, with which credentials and protocol.
 */
#include "config/settings_values.h"

#include <arpa/inet.h>
#include <string.h>
#include "names/names.h"

static const struct value_word yes_or_no[] = {{"no", 0}, {"yes", 1}};
#define YES_OR_NO "is neither yes nor no"

/* ---- the peer ---- */

void settings_server_name(struct config_parser *p, const char *value)
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

void settings_ca_file(struct config_parser *p, const char *value)
{
	p->dest->tls.ca_file = value_path(p, value);
}

void settings_ca_dir(struct config_parser *p, const char *value)
{
	p->dest->tls.ca_dir = value_path(p, value);
}

void settings_verify(struct config_parser *p, const char *value)
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

void settings_crl_file(struct config_parser *p, const char *value)
{
	p->dest->tls.crl_file = value_path(p, value);
}

void settings_crl_dir(struct config_parser *p, const char *value)
{
	p->dest->tls.crl_dir = value_path(p, value);
}

void settings_crl(struct config_parser *p, const char *value)
{
	static const struct value_word words[] = {
		{"required", 0}, {"insecure-soft", 1}};
	unsigned chosen;

	if (CHOOSE(p, value, words, &chosen,
		    "is unknown: expected required or insecure-soft"))
		p->dest->tls.crl_insecure_soft = chosen;
	p->dest->crl_said = true;
}

void settings_ocsp(struct config_parser *p, const char *value)
{
	static const struct value_word words[] = {{"off", TLS_OCSP_OFF},
		{"stapled", TLS_OCSP_STAPLED},
		{"require-stapled", TLS_OCSP_REQUIRED}};
	unsigned chosen;

	if (CHOOSE(p, value, words, &chosen,
		    "is unknown: expected off, stapled or require-stapled"))
		p->dest->tls.ocsp = chosen;
}

#define RESUME_MAX (7 * 24 * 3600) /* RFC 8446, section 4.6.1 */

void settings_resume(struct config_parser *p, const char *value)
{
	unsigned long seconds = 0;
	const char *s = value;

	for (; *s >= '0' && *s <= '9' && seconds <= RESUME_MAX; s++)
		seconds = seconds * 10 + (unsigned long)(*s - '0');
	p->dest->tls.no_resume = !strcmp(value, "off");
	if (!*s && seconds >= 1 && seconds <= RESUME_MAX)
		p->dest->tls.resume_seconds = (unsigned)seconds;
	else if (!p->dest->tls.no_resume)
		value_reject(p, value,
			"is unknown: expected off, or whole seconds from 1 to "
			"604800, such as 3600");
}

void settings_x509_strict(struct config_parser *p, const char *value)
{
	unsigned chosen;

	if (CHOOSE(p, value, yes_or_no, &chosen, YES_OR_NO))
		p->dest->tls.x509_strict = chosen;
}

void settings_partial_chain(struct config_parser *p, const char *value)
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

void settings_pins(struct config_parser *p, const char *value)
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

void settings_pin_file(struct config_parser *p, const char *value)
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

void settings_cert(struct config_parser *p, const char *value)
{
	p->dest->tls.cert = path_or_uri(p, value);
}

void settings_key(struct config_parser *p, const char *value)
{
	p->dest->tls.key = path_or_uri(p, value);
}

void settings_key_password_file(struct config_parser *p, const char *value)
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

void settings_min_version(struct config_parser *p, const char *value)
{
	p->dest->tls.min_version = version(p, value);
}

void settings_max_version(struct config_parser *p, const char *value)
{
	p->dest->tls.max_version = version(p, value);
}

/* RFC 7301: names of 1 to 255 bytes; of ours all together fit in 255. */
void settings_alpn(struct config_parser *p, const char *value)
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
void settings_openssl(struct config_parser *p, const char *value)
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

void settings_keylog(struct config_parser *p, const char *value)
{
	static const struct value_word words[] = {
		{"no", 0}, {"insecure-yes", 1}};
	unsigned chosen;

	if (CHOOSE(p, value, words, &chosen,
		    "is unknown: expected no or insecure-yes"))
		p->dest->keylog = chosen;
}

void settings_eof(struct config_parser *p, const char *value)
{
	static const struct value_word words[] = {
		{"strict", 0}, {"insecure-lax", 1}};
	unsigned chosen;

	if (CHOOSE(p, value, words, &chosen,
		    "is unknown: expected strict or insecure-lax"))
		p->dest->tls.eof_insecure_lax = chosen;
}

void settings_timeout(struct config_parser *p, const char *value)
{
	value_time(p, value, &p->dest->handshake_timeout_ms);
}
