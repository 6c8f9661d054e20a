/* SPDX-License-Identifier: MIT */
/*
 * The file of TLSSHIM_CONFIG: what is an error, on which line, and which
 * section a connection comes to.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/config.h"
#include "config/policy.h"
#include "config/rules.h"

static struct config config;

/* Parses a file, and up to two variables. */
static const struct config *parse(
	const char *text, const char *first, const char *second)
{
	static char *storage;
	char *envp[] = {
		(char *)(uintptr_t)first, (char *)(uintptr_t)second, NULL};
	struct rules_file file = {"/x.ini", text, strlen(text)};
	size_t size = CONFIG_STORAGE_MAX + rules_storage(&file);

	free(storage);
	storage = malloc(size); /* a sanitizer sees the end of it */
	errno = EXDEV;
	config_parse_with(&config, envp, &file, storage, size);
	assert_int_equal(EXDEV, errno);
	return &config;
}

static union policy_addr address(const char *text, uint16_t port)
{
	union policy_addr a = {.in6 = {.sin6_family = AF_INET6}};

	if (inet_pton(AF_INET6, text, &a.in6.sin6_addr) == 1) {
		a.in6.sin6_port = htons(port);
		return a;
	}
	a.in.sin_family = AF_INET;
	a.in.sin_port = htons(port);
	assert_int_equal(1, inet_pton(AF_INET, text, &a.in.sin_addr));
	return a;
}

/* "8443 line 3", "plain", "refused", "443 base" */
static const char *choice_text(
	const char *ip, uint16_t port, const struct names_found *found)
{
	static char text[64];
	union policy_addr a = address(ip, port);
	struct policy_choice choice =
		policy_choose(&config, &a.any, sizeof(a.in6), found);

	if (choice.verdict == POLICY_PLAIN)
		return "plain";
	if (choice.verdict == POLICY_REFUSE)
		return "refused";
	if (choice.dest == &config.base) {
		snprintf(text, sizeof(text), "%u base", choice.port);
		return text;
	}
	for (unsigned i = 0; i < config.n_sections; i++)
		if (choice.dest == &config.sections[i].dest)
			snprintf(text, sizeof(text), "%u line %u", choice.port,
				config.sections[i].line);
	return text;
}

/* names: "a b", the latest first; "?" some were lost; "" none; "~a" the only
 * name, but not by its result. */
static struct names_found names(const char *list)
{
	struct names_found found = {.source = NAMES_NONE};
	char copy[128], *name, *rest = copy;

	snprintf(copy, sizeof(copy), "%s", list);
	while ((name = strsep(&rest, " ")))
		if (!strcmp(name, "?"))
			found.source = NAMES_UNSURE;
		else if (*name)
			strcpy(found.names[found.n++], name);
	if (found.n)
		found.source = found.n > 1 ? NAMES_SEVERAL : NAMES_IDENTITY;
	if (found.names[0][0] == '~') {
		memmove(found.names[0], found.names[0] + 1, NAMES_NAME_MAX - 1);
		found.source = NAMES_ONLY;
	}
	return found;
}

struct choice_row {
	const char *names, *ip;
	uint16_t port;
	const char *choice;
};

static void assert_choices(const struct choice_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct names_found found = names(rows[i].names);
		const char *choice =
			choice_text(rows[i].ip, rows[i].port, &found);

		if (strcmp(choice, rows[i].choice) != 0)
			fail_msg("%s %s:%u: \"%s\", not \"%s\"", rows[i].names,
				rows[i].ip, rows[i].port, choice,
				rows[i].choice);
	}
}

static void the_most_specific_section_wins(void **state)
{
	static const char text[] = "[*:443]\n"			 /* 1 */
				   "[10.0.0.0/8:443]\n"		 /* 2 */
				   "[10.1.0.0/16:443]\n"	 /* 3 */
				   "[10.1.2.3:443]\n"		 /* 4 */
				   "[*.example:443]\n"		 /* 5 */
				   "[*.corp.example:443]\n"	 /* 6 */
				   "[db.corp.example:443]\n"	 /* 7 */
				   "[db.corp.example:440-450]\n" /* 8 */
				   "connect-port = 8443\n"
				   "[[2001:db8::]/32:8000-8010]\n" /* 10 */
				   "[[2001:db8::1]:8000]\n"	   /* 11 */
				   "[10.9.0.0/16:443]\n"	   /* 12 */
				   "plaintext = allow\n"
				   "[odd.example:1-10]\n"  /* 14 */
				   "[odd.example:5-14]\n"; /* 15 */
	static const struct choice_row rows[] = {
		{"", "192.0.2.1", 443, "443 line 1"},
		{"", "10.2.0.1", 443, "443 line 2"},
		{"", "::ffff:10.2.0.1", 443, "443 line 2"},
		{"", "10.1.0.1", 443, "443 line 3"},
		{"", "10.1.2.3", 443, "443 line 4"},
		{"", "10.9.2.3", 443, "plain"},
		{"a.example", "10.1.2.3", 443, "443 line 5"},
		{"a.b.example", "10.9.2.3", 443, "443 line 5"},
		{"example", "10.1.2.3", 443, "443 line 4"},
		{"x.corp.example", "10.1.2.3", 443, "443 line 6"},
		{"db.corp.example", "10.1.2.3", 443, "443 line 7"},
		{"db.corp.example", "10.1.2.3", 444, "8443 line 8"},
		{"xdb.corp.example", "10.1.2.3", 444, "plain"},
		{"corp.example", "192.0.2.1", 443, "443 line 5"},
		{"", "2001:db8::1", 8000, "8000 line 11"},
		{"", "2001:db8::1", 8001, "8001 line 10"},
		{"", "2001:db8:ffff::2", 8010, "8010 line 10"},
		{"", "2001:db9::1", 8010, "plain"},
		{"odd.example", "192.0.2.1", 4, "4 line 14"},
		{"odd.example", "192.0.2.1", 7, "7 line 14"},
		{"odd.example", "192.0.2.1", 12, "12 line 15"},
		/* Several names must agree. */
		{"x.corp.example y.corp.example", "10.1.2.3", 443,
			"443 line 6"},
		{"x.corp.example db.corp.example", "10.1.2.3", 443, "refused"},
		{"other.test db.corp.example", "10.1.2.3", 443, "refused"},
	};

	(void)state;
	parse(text, NULL, NULL);
	assert_string_equal("", config.error);
	assert_choices(rows, N_ROWS(rows));
}

static void the_latest_name_chooses_where_that_is_set(void **state)
{
	static const struct choice_row rows[] = {
		{"a.test b.test", "192.0.2.1", 1, "1 line 1"},
		{"b.test a.test", "192.0.2.1", 1, "1 line 2"},
		{"c.test a.test", "192.0.2.1", 1, "plain"},
	};

	(void)state;
	parse("[a.test:1]\n[b.test:1]\n", "TLSSHIM_NAMES=latest", NULL);
	assert_choices(rows, N_ROWS(rows));
}

/* A program that looks names up by itself must not get plaintext. */
static void a_nameless_connection_to_a_named_port_is_tls(void **state)
{
	static const struct choice_row rows[] = {
		{"", "192.0.2.1", 5432, "5432 base"},
		{"?", "192.0.2.1", 5432, "5432 base"},
		{"other.test", "192.0.2.1", 5432, "plain"},
		{"", "192.0.2.1", 5433, "plain"},
		/* An exemption holds for what has no name, not for what may
		 * have one. */
		{"", "10.0.0.1", 5432, "plain"},
		{"?", "10.0.0.1", 5432, "5432 base"},
		{"?", "10.0.0.1", 6000, "plain"},
	};

	(void)state;
	parse("[db.test:5432]\n[10.0.0.0/8:*]\nplaintext=allow\n", NULL, NULL);
	assert_string_equal("", config.error);
	assert_choices(rows, N_ROWS(rows));
}

static void a_section_exempts_from_the_ports(void **state)
{
	static const struct choice_row rows[] = {
		{"", "192.0.2.1", 443, "8443 base"},
		{"", "127.0.0.1", 443, "plain"},
		{"old.test", "192.0.2.1", 443, "plain"},
	};

	(void)state;
	parse("[127.0.0.0/8:443]\nplaintext = allow\n[old.test:443]\n"
	      "plaintext = allow\n",
		"TLSSHIM_PORTS=443:8443", NULL);
	assert_choices(rows, N_ROWS(rows));
}

/* Whoever owns a name chooses the address that it stands for. */
static void a_guessed_name_never_weakens(void **state)
{
	static const struct choice_row ports[] = {
		/* An exemption, beside TLSSHIM_PORTS. */
		{"metrics.test", "192.0.2.1", 443, "plain"},
		{"~metrics.test", "192.0.2.1", 443, "refused"},
		{"~metrics.test", "127.0.0.1", 443, "refused"},
		{"~a.free.test", "192.0.2.1", 443, "refused"},
		{"a.free.test b.free.test", "192.0.2.1", 443, "refused"},
		/* Nothing holds for the address, or plaintext does. */
		{"~metrics.test", "192.0.2.1", 80, "plain"},
		{"~metrics.test", "10.0.0.1", 443, "plain"},
		/* A lower level of verification, or another CA. */
		{"old.test", "192.0.2.1", 443, "443 line 7"},
		{"~old.test", "192.0.2.1", 443, "refused"},
		{"~old.test", "192.0.2.1", 444, "444 line 7"},
		{"corp.test", "192.0.2.1", 443, "443 line 9"},
		{"~corp.test", "192.0.2.1", 443, "refused"},
		/* More is no weakening, nor are credentials. */
		{"~pinned.test", "192.0.2.1", 443, "8443 line 11"},
		{"~pinned.test", "10.0.0.1", 443, "8443 line 11"},
		/* A section for the address says the same. */
		{"~corp.test", "10.1.0.1", 443, "443 line 9"},
	};
	/* The ports of other names guard what cannot be told apart. */
	static const struct choice_row others[] = {
		{"~old.test", "192.0.2.1", 443, "refused"},
		{"~free.test", "192.0.2.1", 443, "refused"},
		{"~db.test", "192.0.2.1", 443, "443 line 1"},
		{"~old.test", "192.0.2.1", 80, "80 line 5"},
		{"~free.test", "192.0.2.1", 90, "plain"},
	};
	static const struct choice_row denied[] = {
		{"free.test", "192.0.2.1", 80, "plain"},
		{"~free.test", "192.0.2.1", 80, "refused"},
		{"~free.test", "192.0.2.1", 90, "refused"},
	};

	(void)state;
	parse("[metrics.test:*]\nplaintext=allow\n"
	      "[*.free.test:443]\nplaintext=allow\n"
	      "[10.0.0.0/16:443]\nplaintext=allow\n"
	      "[old.test:443-444]\nverify=insecure-no-name\n"
	      "[corp.test:443]\nca-file=/corp\n"
	      "[pinned.test:443]\nconnect-port=8443\ncert=/c\n"
	      "min-version=TLSv1.3\ncrl-file=/crl\n"
	      "[10.1.0.0/16:443]\nca-file=/corp\n",
		"TLSSHIM_PORTS=443", NULL);
	assert_string_equal("", config.error);
	assert_choices(ports, N_ROWS(ports));
	parse("[db.test:443]\nca-file=/db\n"
	      "[old.test:443]\nverify=insecure-none\n"
	      "[old.test:80]\nverify=insecure-none\n"
	      "[free.test:443]\nplaintext=allow\n"
	      "[free.test:90]\nplaintext=allow\n",
		NULL, NULL);
	assert_choices(others, N_ROWS(others));
	parse("[free.test:80]\nplaintext=allow\n", "TLSSHIM_PLAINTEXT=deny",
		NULL);
	assert_choices(denied, N_ROWS(denied));
}

/* Many programs know by themselves what "localhost" is. */
static void a_loopback_address_is_localhost(void **state)
{
	static const struct choice_row rows[] = {
		{"", "127.0.0.1", 443, "443 line 1"},
		{"", "127.9.9.9", 443, "443 line 1"},
		{"", "::1", 443, "443 line 1"},
		{"", "0.0.0.0", 443, "443 line 1"},
		{"", "192.0.2.1", 443, "443 line 7"},
		{"localhost", "127.0.0.1", 443, "443 line 1"},
		{"~localhost", "127.0.0.1", 443, "443 line 1"},
		{"~localhost", "192.0.2.1", 443, "443 line 1"},
		/* A name that has no section of its own changes nothing. */
		{"~db.test", "127.0.0.1", 443, "443 line 1"},
		{"~own.test", "127.0.0.1", 443, "443 line 5"},
		{"own.test localhost", "127.0.0.1", 443, "refused"},
		/* It exempts, but not from a section of the address. */
		{"", "127.0.0.1", 80, "plain"},
		{"~localhost", "127.0.0.1", 80, "plain"},
		{"", "127.0.0.2", 80, "80 line 8"},
		{"~localhost", "127.0.0.2", 80, "80 line 8"},
		{"localhost", "127.0.0.2", 80, "plain"},
	};

	(void)state;
	parse("[localhost:443]\ncert=/c\n"
	      "[localhost:80]\nplaintext=allow\n"
	      "[own.test:443]\ncert=/d\n"
	      "[*:443]\n"
	      "[127.0.0.2:80]\n",
		"TLSSHIM_PORTS=80", NULL);
	assert_string_equal("", config.error);
	assert_choices(rows, N_ROWS(rows));
}

/* As Linux connects it. */
static void no_address_at_all_is_this_host(void **state)
{
	static const struct choice_row rows[] = {
		{"", "0.0.0.0", 1, "1 line 1"},
		{"", "::ffff:0.0.0.0", 1, "1 line 1"},
		{"", "::", 1, "plain"},
		{"", "::", 2, "2 line 2"},
		{"", "0.0.0.0", 2, "plain"},
		{"", "127.0.0.1", 3, "3 line 3"},
		{"", "0.0.0.0", 3, "3 line 3"},
		{"", "::1", 4, "4 line 4"},
		{"", "0.0.0.0", 5, "5 line 5"},
		{"", "::", 6, "6 line 6"},
		{"", "0.0.0.1", 1, "plain"},
	};

	(void)state;
	parse("[127.0.0.1:1]\n[[::1]:2]\n[0.0.0.0:3]\n[[::]:4]\n"
	      "[0.0.0.0/0:5]\n[[::]/0:6]\n",
		NULL, NULL);
	assert_string_equal("", config.error);
	assert_choices(rows, N_ROWS(rows));
}

static void plaintext_can_be_denied(void **state)
{
	static const struct choice_row deny[] = {
		{"", "192.0.2.1", 443, "443 base"},
		{"", "192.0.2.1", 80, "refused"},
		{"", "127.0.0.1", 80, "refused"},
		{"", "::1", 80, "refused"},
		{"ok.test", "192.0.2.1", 80, "plain"},
	};
	static const struct choice_row loopback[] = {
		{"", "192.0.2.1", 80, "refused"},
		{"", "127.9.9.9", 80, "plain"},
		{"", "::1", 80, "plain"},
		{"", "0.0.0.0", 80, "plain"},
		{"", "::", 80, "plain"},
		{"", "::ffff:127.0.0.1", 80, "plain"},
		{"", "::2", 80, "refused"},
		{"", "127.0.0.1", 443, "443 base"},
	};

	(void)state;
	parse("[ok.test:80]\nplaintext=allow\n", "TLSSHIM_PORTS=443",
		"TLSSHIM_PLAINTEXT=deny");
	assert_choices(deny, N_ROWS(deny));
	parse("", "TLSSHIM_PORTS=443", "TLSSHIM_PLAINTEXT=loopback");
	assert_choices(loopback, N_ROWS(loopback));
}

static void what_is_set_where(void **state)
{
	const struct config_section *s;

	(void)state;
	parse("# comment\r\n"
	      "; another\r\n"
	      "[a.test:1]\r\n"
	      "ca_file = /a ; not a comment\r\n"
	      "  handshake-timeout=2  \r\n"
	      "sni = none\n"
	      "[default]\n"
	      "ports = 443 8000-8010\n"
	      "ca-file = /default\n"
	      "crl-file = /crl\n"
	      "alpn = h2\n"
	      "log-level = debug\n"
	      "[b.test:1]\n"
	      "server-name = Other.Test.\n"
	      "sni = front.test\n"
	      "[c.test:1]",
		"TLSSHIM_ALPN=http/1.1", "TLSSHIM_PORTS=80");
	assert_string_equal("", config.error);
	assert_int_equal(3, config.n_sections);
	assert_int_equal(1, config.n_ports);
	assert_int_equal(80, config.ports[0].first);
	assert_int_equal(LOG_LEVEL_DEBUG, config.log_level);
	assert_string_equal("/default", config.base.tls.ca_file);
	assert_string_equal("http/1.1", config.base.tls.alpn);
	s = config.sections;
	assert_string_equal("/a ; not a comment", s[0].dest.tls.ca_file);
	assert_string_equal("/crl", s[0].dest.tls.crl_file);
	assert_string_equal("http/1.1", s[0].dest.tls.alpn);
	assert_int_equal(2000, s[0].dest.handshake_timeout_ms);
	assert_string_equal("", s[0].dest.sni);
	assert_string_equal("other.test", s[1].dest.server_name);
	assert_string_equal("front.test", s[1].dest.sni);
	/* Equal settings of TLS share a context, others never. */
	assert_int_equal(0, config.base.context);
	assert_int_equal(1, s[0].dest.context);
	assert_int_equal(0, s[1].dest.context);
	assert_int_equal(0, s[2].dest.context);
}

#define HOST_EXPECTED "expected [HOST:PORT], [HOST:PORT-PORT] or [HOST:*]"

static void errors_name_the_line(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{"ca-file = /x\n",
			"/x.ini:1: \"ca-file = /x\" stands before the first "
			"[section]"},
		{"[a.test:1]\nca-file\n",
			"/x.ini:2: \"ca-file\" is no setting"},
		{"[a.test:1]\n= x\n", "/x.ini:2: \"= x\" is no setting"},
		{"[a.test:1]\nca-file =\n", "/x.ini:2: \"ca-file\" is empty"},
		{"[a.test:1]\n\n\nca-fil = /x\n",
			"/x.ini:4: \"ca-fil\" is not a setting"},
		{"[a.test:1]\nca-file = x\n",
			"/x.ini:2: \"x\" is a relative path"},
		{"[a.test:1]\nverify = no\n",
			"/x.ini:2: \"no\" is no level of verification"},
		{"[a.test:1]\nports = 1\n",
			"/x.ini:2: \"ports\" is for all connections"},
		{"[a.test:1]\nlog = stderr\n",
			"/x.ini:2: \"log\" is for all connections"},
		{"[default]\nconfig = /y\n",
			"/x.ini:2: \"config\" is for the environment alone"},
		{"[default]\nsni = x.test\n",
			"/x.ini:2: \"sni\" is not a setting"},
		{"[default]\nlog-levl = debug\n",
			"/x.ini:2: \"log-levl\" is not a setting: did you mean "
			"log-level?"},
		{"[a.test:1]\nlog-level = debug\n",
			"/x.ini:2: \"log-level\" is for all connections: it "
			"belongs in [default]"},
		{"[default]\nconfig = /x\n",
			"/x.ini:2: \"config\" is for the environment alone"},
		{"[default]\nplaintext = loop\n",
			"/x.ini:2: \"loop\" is unknown"},
		{"[a.test:1]\nplaintext = deny\n",
			"/x.ini:2: \"deny\" is not for one destination"},
		{"[a.test:1]\nconnect-port = 70000\n",
			"/x.ini:2: \"70000\" is no port"},
		{"[a.test:1]\nsni = a b\n",
			"/x.ini:2: \"a b\" is no server name"},
		{"[a.test:1]\nalpn = h2\nalpn = h2\n",
			"/x.ini:3: \"alpn\" stands twice"},
		{"[a.test:1]\nalpn = h2\n[a.test:2]\nalpn = h2\n[a.test:1]\n",
			"/x.ini:5: \"[a.test:1]\" stands twice in the file"},
		{"[A.test.:1]\n[a.test:1]\n",
			"/x.ini:2: \"[a.test:1]\" stands twice in the file"},
		{"[default]\n[default]\n",
			"/x.ini:2: \"[default]\" stands twice in the file"},
		{"[10.0.0.1/32:1]\n[10.0.0.1:1]\n",
			"/x.ini:2: \"[10.0.0.1:1]\" stands twice in the file"},
		{"[a.test:1-2]\n[a.test:1]\n[a.test:2]\n",
			"/x.ini:1: \"the section\" can never be reached"},
		{"[a.test]\n", "/x.ini:1: \"[a.test]\" is no destination: "},
		{"[a.test:]\n", "names no ports: " HOST_EXPECTED},
		{"[a.test:0]\n", "names no ports"},
		{"[a.test:5-4]\n", "names no ports"},
		{"[a.test:65536]\n", "names no ports"},
		{"[a.test:1x]\n", "names no ports"},
		{"[:1]\n", "is no destination"},
		{"[]\n", "is no destination"},
		{"[\n", "is no destination"},
		{"[a.test:1\n", "is no destination"},
		{"[a.test:1] x\n", "is no destination"},
		{"[a b:1]\n", "is no destination"},
		{"[a.*.test:1]\n", "is no destination"},
		{"[*.*.test:1]\n", "is no destination"},
		{"[*.:1]\n", "is no destination"},
		{"[*.10.0.0.1:1]\n", "is no destination"},
		{"[10.0.0.1/8:1]\n", "is no destination"},
		{"[10.0.0.0/33:1]\n", "is no destination"},
		{"[10.0.0.0/:1]\n", "is no destination"},
		{"[10.0.0.0/-1:1]\n", "is no destination"},
		{"[10.0.0.256:1]\n", "is no destination"},
		{"[2001:db8::1:1]\n", "is no destination"},
		{"[[2001:db8::1:1]\n", "is no destination"},
		{"[[2001:db8::1]/129:1]\n", "is no destination"},
		{"[[2001:db8::1]/32:1]\n", "is no destination"},
		{"[[2001:db8::1%lo]:1]\n", "is no destination"},
		{"[a.test:1]\nkey = /k\n", "/x.ini:1: TLSSHIM_KEY is set and "
					   "TLSSHIM_CERT is not"},
		{"[a.test:1]\nalpn = a\001b\n", "/x.ini:2: \"alpn = a"},
		{"garbage\n", "/x.ini:1: \"garbage\" stands before"},
		{"\xef\xbb\xbf[a.test:1]\n", "/x.ini:1: "},
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		parse(rows[i].text, NULL, NULL);
		if (!strstr(config.error, rows[i].error))
			fail_msg("%s: \"%s\", not \"%s\"", rows[i].text,
				config.error, rows[i].error);
	}
}

/* Errors on every line: the first is told, none is lost, none crashes. */
static void the_first_error_of_many_is_told(void **state)
{
	(void)state;
	parse("[a.test:1]\nx\n[\ny = 1\n[b.test:0]\nca-file = rel\n", NULL,
		NULL);
	assert_non_null(strstr(config.error, "/x.ini:2: \"x\" is no setting"));
}

/* Long lines are one line each: no part of a value becomes a setting. */
static void a_long_line_is_one_line(void **state)
{
	char text[3000];
	size_t n = (size_t)snprintf(text, sizeof(text), "[a.test:1]\ncert = /");

	(void)state;
	memset(text + n, 'x', 1000);
	strcpy(text + n + 1000, " verify = insecure-none\n");
	parse(text, NULL, NULL);
	assert_string_equal("", config.error);
	assert_int_equal(TLS_VERIFY_FULL, config.sections[0].dest.tls.verify);
	assert_int_equal(1000 + 24, strlen(config.sections[0].dest.tls.cert));
}

static void there_may_be_1024_sections(void **state)
{
	char *text = malloc(1025 * 20), *at = text;

	(void)state;
	for (int i = 0; i < 1024; i++)
		at += sprintf(at, "[h%d.test:1]\n", i);
	parse(text, NULL, NULL);
	assert_string_equal("", config.error);
	assert_int_equal(1024, config.n_sections);
	strcpy(at, "[x.test:1]\n");
	parse(text, NULL, NULL);
	assert_non_null(strstr(config.error, "has too many sections"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_most_specific_section_wins),
		cmocka_unit_test(the_latest_name_chooses_where_that_is_set),
		cmocka_unit_test(a_nameless_connection_to_a_named_port_is_tls),
		cmocka_unit_test(a_section_exempts_from_the_ports),
		cmocka_unit_test(a_guessed_name_never_weakens),
		cmocka_unit_test(a_loopback_address_is_localhost),
		cmocka_unit_test(no_address_at_all_is_this_host),
		cmocka_unit_test(plaintext_can_be_denied),
		cmocka_unit_test(what_is_set_where),
		cmocka_unit_test(errors_name_the_line),
		cmocka_unit_test(the_first_error_of_many_is_told),
		cmocka_unit_test(a_long_line_is_one_line),
		cmocka_unit_test(there_may_be_1024_sections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
