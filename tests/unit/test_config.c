/* SPDX-License-Identifier: MIT */
/*
 * The settings: each variable's syntax, good and bad, and what config_get()
 * makes of a real environment.  For the latter the test starts itself again
 * as a "subject", whose constructor has read the settings before main().
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/real.h"
#include "config/config.h"
#include "fdtab_fake.h"
#include "names/shared.h"

#define RULE_EXPECTED                                                          \
	"expected PORT[-PORT][:TLSPORT] with ports from 1 to 65535, such as "  \
	"\"443 6379:6380\""

static char storage[CONFIG_STORAGE_MAX];

/* Parses up to two entries. */
static struct config *parse(const char *entry, const char *second)
{
	static struct config config;
	char *envp[] = {(char *)"HOME=/", (char *)(uintptr_t)entry,
		(char *)(uintptr_t)second, NULL};

	memset(&config, 0x5a, sizeof(config));
	memset(storage, 0x5a, sizeof(storage));
	errno = EXDEV;
	config_parse(&config, envp, storage, sizeof(storage));
	assert_int_equal(EXDEV, errno);
	return &config;
}

static void defaults_select_nothing(void **state)
{
	static struct config config;
	const struct config *none = parse(NULL, NULL);

	(void)state;
	assert_string_equal("", none->error);
	assert_int_equal(0, none->n_ports);
	assert_null(none->base.tls.ca_file);
	assert_null(none->base.tls.ca_dir);
	assert_null(none->base.server_name);
	assert_null(none->log_path);
	assert_int_equal(30000, none->base.handshake_timeout_ms);
	assert_int_equal(60000, none->linger_ms);
	assert_int_equal(LOG_SINK_STDERR, none->log_sink);
	assert_int_equal(LOG_LEVEL_ERROR, none->log_level);
	config_parse(&config, NULL, storage, 0);
	assert_memory_equal(none, &config, sizeof(config));
}

/* Ports as "first-last:tls ..." */
static const char *ports_text(const struct config *config)
{
	static char text[2048];

	text[0] = '\0';
	for (unsigned i = 0; i < config->n_ports; i++) {
		const struct config_ports *p = &config->ports[i];

		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			"%s%u-%u:%u", i ? " " : "", p->first, p->last,
			p->tls_port);
	}
	return text;
}

static void parses_ports(void **state)
{
	static const struct {
		const char *value, *ports;
	} rows[] = {
		{"443", "443-443:0"},
		{"1", "1-1:0"},
		{"65535", "65535-65535:0"},
		{"00443", "443-443:0"},
		{"6379:6380", "6379-6379:6380"},
		{"8000-8010", "8000-8010:0"},
		{"8000-8000", "8000-8000:0"},
		{"8000-8010:9443", "8000-8010:9443"},
		{"1-65535", "1-65535:0"},
		{"443 6379:6380 8000-8010",
			"443-443:0 6379-6379:6380 8000-8010:0"},
		{",443,, 80\t81\n82,", "443-443:0 80-80:0 81-81:0 82-82:0"},
		{"80:443 443:80", "80-80:443 443-443:80"},
		{"1-9 10-20 21", "1-9:0 10-20:0 21-21:0"},
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		char entry[128];
		const struct config *config;

		snprintf(entry, sizeof(entry), "TLSSHIM_PORTS=%s",
			rows[i].value);
		config = parse(entry, NULL);
		assert_string_equal("", config->error);
		assert_string_equal(rows[i].ports, ports_text(config));
	}
}

static void refuses_what_is_no_port_rule(void **state)
{
	static const char *const bad[] = {"44x3", "x", "0", "65536", "99999",
		"4294967739", "18446744073709552059", "-1", "+443", "443-",
		"-443", "443:", ":443", "443-444-445", "443:1:2", "443:0",
		"443:65536", "0-5", "5-0", "1-65536", "443:444-445", "0x1bb",
		"4 43:", "443;80", "443.", "\xc3\xa9", "*", "443-:9"};

	(void)state;
	for (size_t i = 0; i < N_ROWS(bad); i++) {
		char entry[128];
		const struct config *config;

		snprintf(entry, sizeof(entry), "TLSSHIM_PORTS=22 %s", bad[i]);
		config = parse(entry, NULL);
		if (!strstr(config->error, RULE_EXPECTED))
			fail_msg("\"%s\": \"%s\"", bad[i], config->error);
		assert_int_equal(22, config->ports[0].first);
	}
}

static void a_full_list_of_rules_is_full(void **state)
{
	char entry[1024] = "TLSSHIM_PORTS=";
	const struct config *config;

	(void)state;
	for (int i = 1; i <= 64; i++)
		sprintf(entry + strlen(entry), "%d ", i);
	config = parse(entry, NULL);
	assert_string_equal("", config->error);
	assert_int_equal(64, config->n_ports);
	strcat(entry, "443");
	config = parse(entry, NULL);
	assert_string_equal("TLSSHIM_PORTS: \"443\" is a rule too many: "
			    "expected at most 64",
		config->error);
	assert_int_equal(64, config->n_ports);
}

/* Each bad value: the whole sentence, as the user reads it. */
static void says_what_is_wrong(void **state)
{
	static const struct {
		const char *entry, *error;
	} rows[] = {
		{"TLSSHIM_PORTS=443 44x3 22", "TLSSHIM_PORTS: \"44x3\" is not "
					      "a port rule: " RULE_EXPECTED},
		{"TLSSHIM_PORTS=9-8", "TLSSHIM_PORTS: \"9-8\" is a reversed "
				      "range: " RULE_EXPECTED},
		{"TLSSHIM_PORTS=25/smtp",
			"TLSSHIM_PORTS: \"25/smtp\" has a /protocol, which is "
			"not supported by this version: " RULE_EXPECTED},
		{"TLSSHIM_PORTS=/smtp",
			"TLSSHIM_PORTS: \"/smtp\" has a /protocol, which is "
			"not supported by this version: " RULE_EXPECTED},
		{"TLSSHIM_PORTS=80-90 443 85:1",
			"TLSSHIM_PORTS: \"85:1\" overlaps an earlier rule: "
			"expected rules that have no port in common"},
		{"TLSSHIM_PORTS=443,443",
			"TLSSHIM_PORTS: \"443\" overlaps an earlier rule: "
			"expected rules that have no port in common"},
		{"TLSSHIM_PORTS= , ",
			"TLSSHIM_PORTS: \" , \" names no port: " RULE_EXPECTED},
		{"TLSSHIM_PORTS=",
			"TLSSHIM_PORTS is empty: expected "
			"PORT[-PORT][:TLSPORT] ..., or the variable not set"},
		{"TLSSHIM_CA_FILE=",
			"TLSSHIM_CA_FILE is empty: expected FILE, or the "
			"variable not set"},
		{"TLSSHIM_LOG_LEVEL=",
			"TLSSHIM_LOG_LEVEL is empty: expected error | info | "
			"debug, or the variable not set"},
		{"TLSSHIM_SERVER_NAME=*.test",
			"TLSSHIM_SERVER_NAME: \"*.test\" is not a server "
			"name: expected a host name, such as db.example.com "
			"(xn--... if not ASCII), or an IP address"},
		{"TLSSHIM_HANDSHAKE_TIMEOUT=never",
			"TLSSHIM_HANDSHAKE_TIMEOUT: \"never\" is not a time: "
			"expected seconds from 0.001 to 3600, such as 30 or "
			"0.5"},
		{"TLSSHIM_LOG=log.txt",
			"TLSSHIM_LOG: \"log.txt\" is no place for a log: "
			"expected stderr, none, syslog or a path that begins "
			"with / or ./"},
		{"TLSSHIM_LOG_LEVEL=verbose",
			"TLSSHIM_LOG_LEVEL: \"verbose\" is not a level: "
			"expected error, info or debug"},
		{"TLSSHIM_PROTS=443", "TLSSHIM_PROTS is not a setting: did "
				      "you mean TLSSHIM_PORTS?"},
		{"TLSSHIM_ports=443", "TLSSHIM_ports is not a setting: did "
				      "you mean TLSSHIM_PORTS?"},
		{"TLSSHIM_PORT=443", "TLSSHIM_PORT is not a setting: did "
				     "you mean TLSSHIM_PORTS?"},
		{"TLSSHIM_CAFILE=x", "TLSSHIM_CAFILE is not a setting: did "
				     "you mean TLSSHIM_CA_FILE?"},
		{"TLSSHIM_HANDSHAKE_TIMEOUTS=1",
			"TLSSHIM_HANDSHAKE_TIMEOUTS is not a setting: did you "
			"mean TLSSHIM_HANDSHAKE_TIMEOUT?"},
		{"TLSSHIM_VERYFI_IT=no", "TLSSHIM_VERYFI_IT is not a setting: "
					 "tlsshim(7) lists them"},
		{"TLSSHIM_=", "TLSSHIM_ is not a setting: tlsshim(7) lists "
			      "them"},
		{"TLSSHIM_A_NAME_LONGER_THAN_ANY_SETTING_HAS=",
			"TLSSHIM_A_NAME_LONGER_THAN_ANY_SETTING_HAS is not a "
			"setting: tlsshim(7) lists them"},
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++)
		assert_string_equal(
			rows[i].error, parse(rows[i].entry, NULL)->error);
}

/* However long the value, what was expected must still be read. */
/* Whatever is no good value of a setting is refused by its name. */
static void refuses_bad_values_of_each_setting(void **state)
{
	static const char *const bad[] = {"TLSSHIM_VERIFY=no",
		"TLSSHIM_VERIFY=FULL", "TLSSHIM_VERIFY=none",
		"TLSSHIM_VERIFY=insecure", "TLSSHIM_VERIFY=full ",
		"TLSSHIM_MIN_VERSION=1.2", "TLSSHIM_MIN_VERSION=TLSv1.1",
		"TLSSHIM_MIN_VERSION=TLSv1", "TLSSHIM_MIN_VERSION=SSLv3",
		"TLSSHIM_MAX_VERSION=tlsv1.3", "TLSSHIM_MAX_VERSION=TLSv1.4",
		"TLSSHIM_ALPN=,", "TLSSHIM_ALPN=h2,,h3", "TLSSHIM_ALPN=h2 h3",
		"TLSSHIM_ALPN=h2,", "TLSSHIM_OPENSSL=Groups",
		"TLSSHIM_OPENSSL==x",
		"TLSSHIM_OPENSSL=Groups=X25519 Ciphers=", "TLSSHIM_KEYLOG=yes",
		"TLSSHIM_KEYLOG=1",
		"TLSSHIM_PIN=sha256//short=", "TLSSHIM_PIN=sha1//x",
		"TLSSHIM_PIN=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"TLSSHIM_PIN=sha256//"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"TLSSHIM_PIN=sha256//"
		"AAAAAAAAAAAAAAAAAAAAA*AAAAAAAAAAAAAAAAAAAAA=",
		"TLSSHIM_CRL=soft", "TLSSHIM_CRL=hard", "TLSSHIM_OCSP=on",
		"TLSSHIM_OCSP=required", "TLSSHIM_X509_STRICT=true",
		"TLSSHIM_RESUME=0", "TLSSHIM_RESUME=-1",
		"TLSSHIM_RESUME=604801", "TLSSHIM_RESUME=18446744073709551617",
		"TLSSHIM_RESUME=1.5", "TLSSHIM_RESUME=on", "TLSSHIM_RESUME=60s",
		"TLSSHIM_RESUME=OFF", "TLSSHIM_PARTIAL_CHAIN=0",
		"TLSSHIM_CERT=", "TLSSHIM_KEY=", "TLSSHIM_KEY=/k",
		"TLSSHIM_KEY_PASSWORD_FILE=/p",
		"TLSSHIM_PIN=", "TLSSHIM_CRL_FILE=", "TLSSHIM_CRL_DIR=",
		"TLSSHIM_PIN_FILE=", "TLSSHIM_CRL=insecure-soft",
		"TLSSHIM_CRL=required"};

	(void)state;
	for (size_t i = 0; i < N_ROWS(bad); i++) {
		const struct config *config = parse(bad[i], NULL);
		size_t n = (size_t)(strchr(bad[i], '=') - bad[i]);

		if (strncmp(config->error, bad[i], n) != 0 ||
			!strstr(config->error, "expected "))
			if (!strstr(config->error, "neither yes nor no"))
				fail_msg("%s: \"%s\"", bad[i], config->error);
	}
}

static void takes_good_values_of_each_setting(void **state)
{
	const struct config *c;

	(void)state;
	c = parse(
		"TLSSHIM_VERIFY=insecure-no-name", "TLSSHIM_CERT=pkcs11:id=1");
	assert_string_equal("", c->error);
	assert_int_equal(TLS_VERIFY_INSECURE_NO_NAME, c->base.tls.verify);
	assert_string_equal("pkcs11:id=1", c->base.tls.cert);
	c = parse("TLSSHIM_MIN_VERSION=TLSv1.3", "TLSSHIM_OCSP=off");
	assert_string_equal("", c->error);
	assert_int_equal(TLS_VERSION_1_3, c->base.tls.min_version);
	assert_int_equal(TLS_OCSP_OFF, c->base.tls.ocsp);
	c = parse("TLSSHIM_RESUME=604800", "TLSSHIM_CA_FILE=/ca");
	assert_string_equal("", c->error);
	assert_int_equal(604800, c->base.tls.resume_seconds);
	assert_false(c->base.tls.no_resume);
	c = parse("TLSSHIM_RESUME=off", "TLSSHIM_CA_FILE=/ca");
	assert_string_equal("", c->error);
	assert_true(c->base.tls.no_resume);
	c = parse("TLSSHIM_MIN_VERSION=TLSv1.3", "TLSSHIM_MAX_VERSION=TLSv1.2");
	assert_string_equal(
		"TLSSHIM_MIN_VERSION is above TLSSHIM_MAX_VERSION", c->error);
	c = parse("TLSSHIM_PIN=sha256//"
		  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"TLSSHIM_PARTIAL_CHAIN=no");
	assert_string_equal("", c->error);
	assert_non_null(c->base.tls.pins);
	assert_true(c->base.tls.no_partial_chain);
}

/* Who demands something of a chain must not believe that he gets it. */
static void demands_on_a_chain_need_one_that_is_verified(void **state)
{
	static const char *const demands[] = {"TLSSHIM_CRL_FILE=/crl",
		"TLSSHIM_CRL_DIR=/crls", "TLSSHIM_OCSP=require-stapled",
		"TLSSHIM_X509_STRICT=yes"};

	(void)state;
	for (size_t i = 0; i < N_ROWS(demands); i++) {
		const struct config *c =
			parse("TLSSHIM_VERIFY=insecure-none", demands[i]);

		assert_non_null(strstr(c->error,
			"TLSSHIM_VERIFY is insecure-none, which verifies no "
			"chain: expected "));
		c = parse("TLSSHIM_VERIFY=insecure-no-name", demands[i]);
		assert_string_equal("", c->error);
	}
	assert_string_equal(
		"", parse("TLSSHIM_VERIFY=insecure-none", "TLSSHIM_CA_FILE=/ca")
			    ->error);
}

/* Another program's variable counts only where ours allows it. */
static void the_key_log_needs_both_variables(void **state)
{
	(void)state;
	assert_null(parse("SSLKEYLOGFILE=/k", NULL)->base.tls.keylog_file);
	assert_null(parse("SSLKEYLOGFILE=/k", "TLSSHIM_KEYLOG=no")
			    ->base.tls.keylog_file);
	assert_string_equal(
		"TLSSHIM_KEYLOG is set and SSLKEYLOGFILE, which names the "
		"file, is not: expected both",
		parse("TLSSHIM_KEYLOG=insecure-yes", NULL)->error);
	assert_string_equal(
		"/k", parse("SSLKEYLOGFILE=/k", "TLSSHIM_KEYLOG=insecure-yes")
			      ->base.tls.keylog_file);
}

static void quotes_the_start_of_a_long_value(void **state)
{
	static const char *const names[] = {"PORTS", "SERVER_NAME",
		"HANDSHAKE_TIMEOUT", "LOG", "LOG_LEVEL"};
	char entry[4000];
	const char *error;

	(void)state;
	for (size_t i = 0; i < N_ROWS(names); i++) {
		const struct config *config;
		const char *expected;

		snprintf(entry, 64, "TLSSHIM_%s=", names[i]);
		memset(entry + strlen(entry), '*', 3000);
		entry[2999] = '\0';
		config = parse(entry, NULL);
		expected = strstr(config->error, "**...\" ");
		assert_non_null(expected);
		assert_non_null(strstr(expected, "expected "));
		assert_true(strlen(config->error) < sizeof(config->error) - 1);
	}
	/* The longest text of all. */
	strcpy(entry, "TLSSHIM_PORTS=");
	memset(entry + strlen(entry), '/', 1000);
	entry[1000] = '\0';
	error = parse(entry, NULL)->error;
	assert_string_equal(
		RULE_EXPECTED, error + strlen(error) - strlen(RULE_EXPECTED));
}

static void passes_over_what_is_not_ours(void **state)
{
	(void)state;
	assert_string_equal("", parse("TLSSHIM", "TLSSHIMX=1")->error);
	assert_string_equal("", parse("TLSSHIM_FOO", "tlsshim_ports=1")->error);
	assert_string_equal("", parse("MY_TLSSHIM_PORTS=x", "=x")->error);
}

static void the_first_of_two_counts(void **state)
{
	const struct config *config =
		parse("TLSSHIM_PORTS=443", "TLSSHIM_PORTS=bad");

	(void)state;
	assert_string_equal("", config->error);
	assert_string_equal("443-443:0", ports_text(config));
}

static void the_first_error_is_kept_and_so_is_what_was_good(void **state)
{
	const struct config *config =
		parse("TLSSHIM_PORTS=bad 443", "TLSSHIM_LOG=bad");

	(void)state;
	assert_non_null(strstr(config->error, "TLSSHIM_PORTS"));
	assert_string_equal("443-443:0", ports_text(config));
	config = parse("TLSSHIM_FOO=1", "TLSSHIM_LOG_LEVEL=debug");
	assert_int_equal(LOG_LEVEL_DEBUG, config->log_level);
}

static void parses_server_names(void **state)
{
	static const struct {
		const char *value, *name; /* NULL: refused */
	} rows[] = {
		{"db.example.com", "db.example.com"},
		{"DB.Example.COM.", "db.example.com"},
		{"localhost", "localhost"},
		{"192.0.2.1", "192.0.2.1"},
		{"2001:db8::1", "2001:db8::1"},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
		{"127.1", NULL},
		{"0x7f000001", NULL},
		{"fe80::1%lo", NULL},
		{"[::1]", NULL},
		{".example.com", NULL},
		{"a..b", NULL},
		{"a b", NULL},
		{" a", NULL},
		{"a:443", NULL},
		{"b\xc3\xbc"
		 "cher.test",
			NULL},
		{"1.2.3.4.5", NULL},
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		char entry[128];
		const struct config *config;

		snprintf(entry, sizeof(entry), "TLSSHIM_SERVER_NAME=%s",
			rows[i].value);
		config = parse(entry, NULL);
		if (rows[i].name) {
			assert_string_equal("", config->error);
			assert_string_equal(
				rows[i].name, config->base.server_name);
		} else {
			assert_null(config->base.server_name);
			assert_non_null(strstr(config->error, rows[i].value));
		}
	}
}

static void parses_times(void **state)
{
	static const struct {
		const char *value;
		unsigned ms; /* 0: refused */
	} rows[] = {
		{"30", 30000},
		{"1", 1000},
		{"0.5", 500},
		{"0.001", 1},
		{"2.25", 2250},
		{"1.9999", 1999},
		{"007", 7000},
		{"3600", 3600000},
		{"3600.000", 3600000},
		{"3599.999", 3599999},
		{"0", 0},
		{"0.0", 0},
		{"0.0009", 0},
		{"3600.001", 0},
		{"3601", 0},
		{"99999999999999999999", 0},
		{"-1", 0},
		{"+1", 0},
		{"1s", 0},
		{"1.", 0},
		{".5", 0},
		{"1.5.5", 0},
		{"1,5", 0},
		{"1e3", 0},
		{"0x10", 0},
		{" 1", 0},
		{"1 ", 0},
		{"inf", 0},
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		char entry[128];
		const struct config *config;

		snprintf(entry, sizeof(entry), "TLSSHIM_HANDSHAKE_TIMEOUT=%s",
			rows[i].value);
		config = parse(entry, NULL);
		if ((rows[i].ms != 0) != !config->error[0])
			fail_msg(
				"\"%s\": \"%s\"", rows[i].value, config->error);
		assert_int_equal(rows[i].ms ? rows[i].ms : 30000,
			config->base.handshake_timeout_ms);
	}
}

static void parses_the_linger(void **state)
{
	(void)state;
	assert_int_equal(500, parse("TLSSHIM_LINGER=0.5", NULL)->linger_ms);
	assert_non_null(strstr(
		parse("TLSSHIM_LINGER=0", NULL)->error, "is not a time"));
}

static void parses_the_log(void **state)
{
	const struct config *config;

	(void)state;
	assert_int_equal(
		LOG_SINK_STDERR, parse("TLSSHIM_LOG=stderr", NULL)->log_sink);
	assert_int_equal(
		LOG_SINK_NONE, parse("TLSSHIM_LOG=none", NULL)->log_sink);
	assert_int_equal(
		LOG_SINK_SYSLOG, parse("TLSSHIM_LOG=syslog", NULL)->log_sink);
	config = parse("TLSSHIM_LOG=/var/log/x", "TLSSHIM_LOG_LEVEL=info");
	assert_int_equal(LOG_SINK_FILE, config->log_sink);
	assert_string_equal("/var/log/x", config->log_path);
	assert_int_equal(LOG_LEVEL_INFO, config->log_level);
	assert_int_equal(LOG_LEVEL_ERROR,
		parse("TLSSHIM_LOG_LEVEL=error", NULL)->log_level);
	assert_int_equal(LOG_LEVEL_DEBUG,
		parse("TLSSHIM_LOG_LEVEL=debug", NULL)->log_level);
	assert_non_null(strstr(parse("TLSSHIM_LOG=STDERR", NULL)->error,
		"is no place for a log"));
	assert_non_null(strstr(
		parse("TLSSHIM_LOG_LEVEL=2", NULL)->error, "is not a level"));
}

static void copies_its_strings(void **state)
{
	char entry[] = "TLSSHIM_CA_FILE=/a", dir[] = "TLSSHIM_CA_DIR=/b";
	const struct config *config = parse(entry, dir);

	(void)state;
	memset(entry, 'x', sizeof(entry) - 1);
	memset(dir, 'x', sizeof(dir) - 1);
	assert_string_equal("/a", config->base.tls.ca_file);
	assert_string_equal("/b", config->base.tls.ca_dir);
	assert_uint_in_range((uintptr_t)config->base.tls.ca_dir,
		(uintptr_t)storage, (uintptr_t)storage + sizeof(storage));
}

static void keeps_relative_paths_from_chdir(void **state)
{
	char cwd[PATH_MAX], expected[PATH_MAX + 16];
	const struct config *config;

	(void)state;
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	config = parse("TLSSHIM_CA_FILE=ca.pem", "TLSSHIM_LOG=./log");
	assert_string_equal("", config->error);
	snprintf(expected, sizeof(expected), "%s/ca.pem", cwd);
	assert_string_equal(expected, config->base.tls.ca_file);
	snprintf(expected, sizeof(expected), "%s/./log", cwd);
	assert_string_equal(expected, config->log_path);
}

static void a_lost_working_directory_is_an_error(void **state)
{
	char cwd[PATH_MAX], dir[] = "/tmp/test_config.XXXXXX";
	const struct config *config;

	(void)state;
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_non_null(mkdtemp(dir));
	assert_return_code(chdir(dir), errno);
	assert_return_code(rmdir(dir), errno);
	config = parse("TLSSHIM_CA_FILE=ca.pem", "TLSSHIM_CA_DIR=/b");
	assert_return_code(chdir(cwd), errno);
	assert_string_equal(
		"TLSSHIM_CA_FILE: \"ca.pem\" is relative to a working "
		"directory that cannot be found",
		config->error);
	assert_null(config->base.tls.ca_file);
	assert_string_equal("/b", config->base.tls.ca_dir);
}

/* Four settings, each as long as can be, fit; longer ones are errors. */
static void storage_is_enough_for_any_settings(void **state)
{
	static const char *const names[] = {
		"TLSSHIM_CA_FILE=", "TLSSHIM_CA_DIR=", "TLSSHIM_LOG="};
	static char entries[3][PATH_MAX + 32],
		name[] = "TLSSHIM_SERVER_NAME=2001:0db8:0000:0000:0000:0000:1."
			 "2.3.4";
	char *envp[] = {entries[0], entries[1], entries[2], name, NULL};
	struct config config;

	(void)state;
	for (int i = 0; i < 3; i++) {
		strcpy(entries[i], names[i]);
		memset(entries[i] + strlen(names[i]), '/', PATH_MAX - 1);
	}
	config_parse(&config, envp, storage, sizeof(storage));
	assert_string_equal("", config.error);
	assert_int_equal(PATH_MAX - 1, strlen(config.base.tls.ca_dir));
	assert_string_equal(name + 20, config.base.server_name);
	entries[1][strlen(entries[1])] = '/';
	config_parse(&config, envp, storage, sizeof(storage));
	assert_non_null(strstr(config.error, "is too long for a path"));
	assert_null(config.base.tls.ca_dir);
	entries[1][strlen(names[1])] = 'r';
	config_parse(&config, envp, storage, sizeof(storage));
	assert_non_null(strstr(config.error, "is too long for a path"));
	assert_null(config.base.tls.ca_dir);
	/* The cwd counts. */
	entries[1][strlen(entries[1]) - 1] = '\0';
	config_parse(&config, envp, storage, sizeof(storage));
	assert_non_null(strstr(config.error, "is too long for a path"));
}

static void too_little_storage_is_an_error(void **state)
{
	char *envp[] = {(char *)"TLSSHIM_CA_FILE=/abc",
		(char *)"TLSSHIM_PORTS=443", NULL};
	struct config config;

	(void)state;
	for (size_t size = 0; size < 5; size++) {
		memset(storage, '?', sizeof(storage));
		config_parse(&config, envp, storage, size);
		assert_string_equal(
			"TLSSHIM_CA_FILE: \"/abc\" is too long", config.error);
		assert_null(config.base.tls.ca_file);
		assert_int_equal(1, config.n_ports);
		assert_int_equal('?', storage[size]);
	}
	config_parse(&config, envp, storage, 5);
	assert_string_equal("", config.error);
	assert_int_equal('?', storage[5]);
	envp[0] = (char *)"TLSSHIM_CA_FILE=abc";
	for (size_t size = 0; size < 6; size++) {
		memset(storage, '?', sizeof(storage));
		config_parse(&config, envp, storage, size);
		assert_non_null(strstr(config.error, "TLSSHIM_CA_FILE"));
		assert_null(config.base.tls.ca_file);
		assert_int_equal('?', storage[size]);
	}
}

static void the_table_is_complete(void **state)
{
	(void)state;
	assert_int_equal(33, config_n_settings);
	for (unsigned i = 0; i < config_n_settings; i++) {
		const struct config_setting *s = &config_settings[i];

		assert_int_equal(0, strncmp(s->name, "TLSSHIM_", 8));
		assert_uint_in_range(strlen(s->name), 9, 32);
		assert_true(*s->syntax && *s->fallback && *s->help);
		assert_null(strchr(s->help, '\n'));
	}
}

/* Subjects: this program, started with an environment. */

static const char *self;

static char *run_subject(char *const envp[], const char *program)
{
	static char text[4096];
	char *argv[] = {(char *)(uintptr_t)program, (char *)"subject", NULL};
	int ends[2], status = -1;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	assert_return_code(pipe(ends), errno);
	pid = fork();
	if (!pid) {
		dup2(ends[1], 1);
		if (program != self && (setgid(65534) || setuid(65534)))
			_exit(126);
		execve(program, argv, envp);
		_exit(127);
	}
	close(ends[1]);
	while ((got = read(ends[0], text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	close(ends[0]);
	assert_int_equal(pid, waitpid(pid, &status, 0));
	assert_int_equal(0, status);
	return text;
}

#define subject(...) run_subject((char *[]){__VA_ARGS__, NULL}, self)

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in:\n%s", part, text);
}

/* What the interference below saw. */
static const struct config *seen_inside, *seen_by_thread;
static pthread_t thread;
static _Atomic bool thread_started;

static void *other_thread(void *arg)
{
	(void)arg;
	thread_started = true;
	seen_by_thread = config_get();
	return NULL;
}

/* open() of the log file: amid the reading of the settings. */
static int interfering_open(const char *path, int flags, ...)
{
	(void)path;
	(void)flags;
	seen_inside = config_active() ? config_get() : NULL;
	pthread_create(&thread, NULL, other_thread, NULL);
	while (!thread_started)
		;
	usleep(50000);
	assert_null(seen_by_thread);
	return open("/dev/null", O_WRONLY);
}

__attribute__((constructor(101))) static void interfere(void)
{
	if (getenv("TEST_INTERFERE"))
		real_calls.open = interfering_open;
}

static int be_the_subject(void)
{
	const struct config *config;
	size_t size;

	clearenv();
	config = config_get();
	if (thread_started)
		pthread_join(thread, NULL);
	printf("secure %lu\nactive %d\nports %s\nerror %s\nca %s\nhidden %d\n"
	       "table %d\ninside %s\nthread %d\n",
		getauxval(AT_SECURE), config_active(), ports_text(config),
		config->error,
		config->base.tls.ca_file ? config->base.tls.ca_file : "-",
		fake_hidden >= 0, names_shared_memory(&size) != NULL,
		seen_inside ? seen_inside->error : "-",
		seen_by_thread == config);
	return 0;
}

static void an_empty_environment_is_idle(void **state)
{
	const char *text = run_subject((char *[]){NULL}, self);

	(void)state;
	assert_has(text, "active 0\nports \nerror \n");
	assert_has(text, "hidden 0\ntable 0\n");
}

static void settings_without_ports_are_idle(void **state)
{
	const char *text = subject((char *)"TLSSHIM_CA_FILE=/x",
		(char *)"TLSSHIM_LOG=/tmp/test_config.not");

	(void)state;
	assert_has(text, "active 0\n");
	assert_has(text, "hidden 0\ntable 0\n");
	assert_int_equal(-1, access("/tmp/test_config.not", F_OK));
}

static void ports_are_active_though_the_environment_is_wiped(void **state)
{
	const char *text =
		subject((char *)"A=b", (char *)"TLSSHIM_PORTS=443 80:81",
			(char *)"TLSSHIM_CA_FILE=/x");

	(void)state;
	assert_has(text, "active 1\nports 443-443:0 80-80:81\nerror \nca /x\n");
	assert_has(text, "hidden 0\ntable 1\n");
}

static void an_error_is_active(void **state)
{
	const char *text = subject((char *)"TLSSHIM_PROTS=443");

	(void)state;
	assert_has(text, "active 1\nports \nerror TLSSHIM_PROTS is not a");
	assert_has(text, "table 0\n");
}

static void the_log_file_is_made_for_the_first_line(void **state)
{
	char file[] = "/tmp/test_config.XXXXXX", entry[64];
	struct stat st;
	const char *text;

	(void)state;
	close(mkstemp(file));
	unlink(file);
	snprintf(entry, sizeof(entry), "TLSSHIM_LOG=%s", file);
	text = subject(entry, (char *)"TLSSHIM_PORTS=1");
	assert_has(text, "active 1\nports 1-1:0\nerror \n");
	assert_has(text, "hidden 0\n");
	assert_int_equal(-1, stat(file, &st));
}

static void an_unopenable_log_file_is_an_error(void **state)
{
	const char *text = subject((char *)"TLSSHIM_PORTS=1",
		(char *)"TLSSHIM_LOG=/nonexistent/log");

	(void)state;
	assert_has(text, "active 1\nports 1-1:0\nerror TLSSHIM_LOG: "
			 "\"/nonexistent/log\" cannot be opened: No such file "
			 "or directory\n");
}

static void others_wait_and_the_reader_itself_has_what_was_parsed(void **state)
{
	const char *text = subject((char *)"TLSSHIM_PORTS=1",
		(char *)"TLSSHIM_LOG=/dev/null", (char *)"TEST_INTERFERE=1");

	(void)state;
	assert_has(text, "inside \n");
	assert_has(text, "thread 1\n");
}

/* A setuid program does not trust its caller's environment. */
static void secure_execution_selects_nothing(void **state)
{
	char dir[] = "/tmp/test_config.XXXXXX", copy[64], command[256];
	const char *text;
	bool secure;

	(void)state;
	if (geteuid() != 0)
		skip(); /* needs root to make a setuid program */
	assert_non_null(mkdtemp(dir));
	snprintf(copy, sizeof(copy), "%s/subject", dir);
	snprintf(command, sizeof(command),
		"chmod 755 %s && cp %s %s && chmod 4755 %s", dir, self, copy,
		copy);
	assert_int_equal(0, system(command));
	text = run_subject((char *[]){(char *)"TLSSHIM_PORTS=443", NULL}, copy);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(0, system(command));
	secure = strstr(text, "secure 1\n");
	if (!secure)
		skip(); /* the file system or container knows no setuid */
	assert_has(text, "active 0\nports \nerror \n");
}

int main(int argc, char **argv)
{
	static char exe[PATH_MAX];
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_select_nothing),
		cmocka_unit_test(parses_ports),
		cmocka_unit_test(refuses_what_is_no_port_rule),
		cmocka_unit_test(a_full_list_of_rules_is_full),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(refuses_bad_values_of_each_setting),
		cmocka_unit_test(takes_good_values_of_each_setting),
		cmocka_unit_test(demands_on_a_chain_need_one_that_is_verified),
		cmocka_unit_test(the_key_log_needs_both_variables),
		cmocka_unit_test(quotes_the_start_of_a_long_value),
		cmocka_unit_test(passes_over_what_is_not_ours),
		cmocka_unit_test(the_first_of_two_counts),
		cmocka_unit_test(
			the_first_error_is_kept_and_so_is_what_was_good),
		cmocka_unit_test(parses_server_names),
		cmocka_unit_test(parses_times),
		cmocka_unit_test(parses_the_linger),
		cmocka_unit_test(parses_the_log),
		cmocka_unit_test(copies_its_strings),
		cmocka_unit_test(keeps_relative_paths_from_chdir),
		cmocka_unit_test(a_lost_working_directory_is_an_error),
		cmocka_unit_test(storage_is_enough_for_any_settings),
		cmocka_unit_test(too_little_storage_is_an_error),
		cmocka_unit_test(the_table_is_complete),
		cmocka_unit_test(an_empty_environment_is_idle),
		cmocka_unit_test(settings_without_ports_are_idle),
		cmocka_unit_test(
			ports_are_active_though_the_environment_is_wiped),
		cmocka_unit_test(an_error_is_active),
		cmocka_unit_test(the_log_file_is_made_for_the_first_line),
		cmocka_unit_test(an_unopenable_log_file_is_an_error),
		cmocka_unit_test(
			others_wait_and_the_reader_itself_has_what_was_parsed),
		cmocka_unit_test(secure_execution_selects_nothing),
	};

	if (argc > 1 && !strcmp(argv[1], "subject"))
		return be_the_subject();
	if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) < 0)
		return 1;
	self = exe;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
