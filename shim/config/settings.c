/* SPDX-License-Identifier: MIT */
/*
 * The table of settings.  Knows names, syntax and help; what a value may be is
 * settings_dest.c's and settings_process.c's affair, and what a setting means
 * is that of those who read struct config.
 */
#include "config/settings.h"

#include <string.h>
#include "config/settings_values.h"

const struct config_setting config_settings[] = {
	{"TLSSHIM_PORTS", "PORT[-PORT][:TLSPORT] ...", "none",
		"ports whose TCP connections are TLS, separated by blanks or "
		"commas; TLSPORT is dialled in place of PORT",
		settings_ports},
	{"TLSSHIM_CA_FILE", "FILE", "the system's trust store",
		"trust the CA certificates in this PEM file instead",
		settings_ca_file},
	{"TLSSHIM_CA_DIR", "DIRECTORY", "the system's trust store",
		"trust the CA certificates in this hashed directory instead",
		settings_ca_dir},
	{"TLSSHIM_SERVER_NAME", "NAME | ADDRESS", "what the program looked up",
		"the name or address that every server must prove to have",
		settings_server_name},
	{"TLSSHIM_VERIFY", "full | insecure-no-name | insecure-none", "full",
		"what a server must prove; insecure-no-name: not who it is, "
		"insecure-none: nothing (both warn)",
		settings_verify},
	{"TLSSHIM_PIN", "sha256//BASE64 ...", "none",
		"hashes of public keys, one of which must be in the chain as "
		"well",
		settings_pins},
	{"TLSSHIM_PIN_FILE", "FILE", "none", "the same, in a file",
		settings_pin_file},
	{"TLSSHIM_CRL_FILE", "FILE", "none",
		"revocation lists (PEM or DER); one of each issuer in a chain "
		"is needed",
		settings_crl_file},
	{"TLSSHIM_CRL_DIR", "DIRECTORY", "none",
		"the same, in a hashed directory", settings_crl_dir},
	{"TLSSHIM_CRL", "required | insecure-soft", "required",
		"insecure-soft: a missing or outdated list will do",
		settings_crl},
	{"TLSSHIM_OCSP", "off | stapled | require-stapled", "stapled",
		"stapled: a response that the server gives, or its certificate "
		"demands, must be good",
		settings_ocsp},
	{"TLSSHIM_RESUME", "SECONDS | off", "3600",
		"how long after a full verification a session may be "
		"resumed; 1 to 604800",
		settings_resume},
	{"TLSSHIM_X509_STRICT", "yes | no", "no",
		"refuse certificates that break RFC 5280 in harmless ways too",
		settings_x509_strict},
	{"TLSSHIM_PARTIAL_CHAIN", "yes | no", "yes",
		"trust every certificate of TLSSHIM_CA_FILE and "
		"TLSSHIM_CA_DIR; no: only self-signed ones",
		settings_partial_chain},
	{"TLSSHIM_CERT", "FILE | URI", "none",
		"our certificate and its chain, for servers that ask for one",
		settings_cert},
	{"TLSSHIM_KEY", "FILE | URI", "in TLSSHIM_CERT",
		"the private key of TLSSHIM_CERT", settings_key},
	{"TLSSHIM_KEY_PASSWORD_FILE", "FILE", "none",
		"the password of TLSSHIM_KEY is this file's first line",
		settings_key_password_file},
	{"TLSSHIM_MIN_VERSION", "TLSv1.2 | TLSv1.3", "TLSv1.2",
		"the lowest version of TLS", settings_min_version},
	{"TLSSHIM_MAX_VERSION", "TLSv1.2 | TLSv1.3", "TLSv1.3",
		"the highest version of TLS", settings_max_version},
	{"TLSSHIM_ALPN", "NAME[,NAME...]", "none",
		"application protocols to offer, the best first",
		settings_alpn},
	{"TLSSHIM_OPENSSL", "Name=Value ...", "none",
		"commands of SSL_CONF_cmd(3): CipherString, Ciphersuites, "
		"Groups, SignatureAlgorithms, Options...",
		settings_openssl},
	{"TLSSHIM_KEYLOG", "no | insecure-yes", "no",
		"write the secrets of all sessions to the file named by "
		"SSLKEYLOGFILE",
		settings_keylog},
	{"TLSSHIM_EOF", "strict | insecure-lax", "strict",
		"insecure-lax: a server may end without close_notify, which an "
		"attacker can imitate (warns)",
		settings_eof},
	{"TLSSHIM_HANDSHAKE_TIMEOUT", "SECONDS", "30",
		"how long a handshake may take, 0.001 to 3600",
		settings_timeout},
	{"TLSSHIM_LINGER", "SECONDS", "60",
		"how long to keep trying to deliver unsent data to a server "
		"that takes nothing, after the program closed the connection "
		"or ended; 0.001 to 3600",
		settings_linger},
	{"TLSSHIM_CONFIG", "FILE", "none",
		"rules by destination; the environment is above its [default]",
		settings_config},
	{"TLSSHIM_PLAINTEXT", "allow | deny | loopback", "allow",
		"what happens to TCP connections that are not selected for "
		"TLS: allowed, refused, or allowed to this host only",
		settings_plaintext},
	{"TLSSHIM_UNREACHED", "warn | refuse | allow",
		"warn; refuse where TLSSHIM_PLAINTEXT is deny or loopback",
		"what happens when the program executes one that a preload "
		"cannot reach (setuid, static, Go, musl...); warn: a line in "
		"the log",
		settings_unreached},
	{"TLSSHIM_INHERIT", "yes | no", "yes",
		"give library and settings back to programs that are started "
		"with a cleaned environment",
		settings_inherit},
	{"TLSSHIM_NAMES", "strict | latest", "strict",
		"if several names resolved to one address: strict requires a "
		"certificate valid for all of them, latest only for the most "
		"recent",
		settings_names},
	{"TLSSHIM_LOG", "stderr | none | syslog | PATH", "stderr",
		"where log lines go; a PATH begins with / or ./", settings_log},
	{"TLSSHIM_LOG_LEVEL", "error | info | debug", "error",
		"failures only, a line for each connection, or every step of "
		"each handshake",
		settings_log_level},
	{"TLSSHIM_LOG_FORMAT", "text | json", "text",
		"a line of text or of JSON for each event",
		settings_log_format},
};
const unsigned config_n_settings =
	sizeof(config_settings) / sizeof(config_settings[0]);
_Static_assert(sizeof(config_settings) / sizeof(config_settings[0]) <=
		       CONFIG_SETTINGS_MAX,
	"a place for each in struct config");

int settings_find(const char *name, size_t n)
{
	for (unsigned i = 0; i < config_n_settings; i++)
		if (!strncmp(config_settings[i].name, name, n) &&
			!config_settings[i].name[n])
			return (int)i;
	return -1;
}

/* Compared one by one: an array of pointers would be relocated at every
 * start. */
static bool is_of_process(int which)
{
	void (*parse)(struct config_parser * p, const char *value) =
		config_settings[which].parse;

	return parse == settings_ports || parse == settings_linger ||
	       parse == settings_plaintext || parse == settings_unreached ||
	       parse == settings_inherit || parse == settings_names ||
	       parse == settings_log || parse == settings_log_level ||
	       parse == settings_log_format;
}

bool settings_is_for_file(int which, bool in_section)
{
	if (config_settings[which].parse == settings_config)
		return false;
	return !in_section || !is_of_process(which);
}

void settings_parse(struct config_parser *p, int which, const char *value)
{
	config_settings[which].parse(p, value);
}
