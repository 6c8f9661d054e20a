/* SPDX-License-Identifier: MIT */
/*
 * The policy: which addresses are selected, where they are dialled, and whom
 * the peer must prove to be for each source of a name.
 */
#include "fdtab_fake.h"
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "config/policy.h"

/* "1.2.3.4" or "::1" and a port, as a program would fill it in. */
static union policy_addr address(const char *text, uint16_t port)
{
	union policy_addr a = {0};

	if (strchr(text, ':')) {
		a.in6.sin6_family = AF_INET6;
		a.in6.sin6_port = htons(port);
		a.in6.sin6_scope_id = 7;
		assert_int_equal(
			1, inet_pton(AF_INET6, text, &a.in6.sin6_addr));
	} else {
		a.in.sin_family = AF_INET;
		a.in.sin_port = htons(port);
		assert_int_equal(1, inet_pton(AF_INET, text, &a.in.sin_addr));
	}
	return a;
}

static enum policy_verdict policy_select(
	const struct config *config, const struct sockaddr *addr, socklen_t len)
{
	return policy_choose(config, addr, len, NULL).verdict;
}

static const struct config rules = {
	.ports = {{443, 443, 0}, {6379, 6379, 6380}, {8000, 8010, 0},
		{9000, 9001, 9443}, {65535, 65535, 1}},
	.n_ports = 5,
};

static void selects_by_port(void **state)
{
	static const struct {
		uint16_t port;
		enum policy_verdict verdict;
		uint16_t dialled;
	} rows[] = {
		{0, POLICY_PLAIN, 0},
		{1, POLICY_PLAIN, 0},
		{442, POLICY_PLAIN, 0},
		{443, POLICY_TLS, 443},
		{444, POLICY_PLAIN, 0},
		{6379, POLICY_TLS, 6380},
		{6380, POLICY_PLAIN, 0},
		{7999, POLICY_PLAIN, 0},
		{8000, POLICY_TLS, 8000},
		{8005, POLICY_TLS, 8005},
		{8010, POLICY_TLS, 8010},
		{8011, POLICY_PLAIN, 0},
		{9000, POLICY_TLS, 9443},
		{9001, POLICY_TLS, 9443},
		{9443, POLICY_PLAIN, 0},
		{65534, POLICY_PLAIN, 0},
		{65535, POLICY_TLS, 1},
	};
	static const char *const hosts[] = {"192.0.2.1", "2001:db8::1"};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows) * 2; i++) {
		uint16_t port = rows[i / 2].port;
		union policy_addr a = address(hosts[i % 2], port);

		struct policy_choice choice = policy_choose(&rules, &a.any,
			i % 2 ? sizeof(a.in6) : sizeof(a.in), NULL);

		assert_int_equal(rows[i / 2].verdict, choice.verdict);
		assert_int_equal(rows[i / 2].dialled, choice.port);
	}
}

static void leaves_to_the_kernel_what_is_no_address(void **state)
{
	union policy_addr v4 = address("192.0.2.1", 443);
	union policy_addr v6 = address("2001:db8::1", 443);
	union policy_addr none = address("192.0.2.1", 443);
	struct config bad = {.error = "bad"};

	(void)state;
	none.any.sa_family = AF_UNSPEC;
	assert_int_equal(POLICY_TLS, policy_select(&rules, &v4.any, 16));
	assert_int_equal(POLICY_PLAIN, policy_select(&rules, &v4.any, 15));
	assert_int_equal(POLICY_TLS, policy_select(&rules, &v6.any, 28));
	assert_int_equal(POLICY_TLS, policy_select(&rules, &v6.any, 24));
	assert_int_equal(POLICY_PLAIN, policy_select(&rules, &v6.any, 23));
	assert_int_equal(POLICY_PLAIN, policy_select(&rules, &v6.any, 0));
	assert_int_equal(POLICY_PLAIN, policy_select(&rules, NULL, 16));
	assert_int_equal(POLICY_PLAIN, policy_select(&rules, &none.any, 16));
	assert_int_equal(POLICY_PLAIN, policy_select(&bad, &none.any, 16));
	none.any.sa_family = AF_UNIX;
	assert_int_equal(POLICY_PLAIN, policy_select(&rules, &none.any, 16));
	assert_int_equal(POLICY_PLAIN, policy_select(&bad, &none.any, 16));
}

static void bad_settings_refuse_every_port(void **state)
{
	struct config bad = rules;
	union policy_addr selected = address("192.0.2.1", 443);
	union policy_addr other = address("::1", 22);

	(void)state;
	strcpy(bad.error, "TLSSHIM_PROTS is not a setting");
	assert_int_equal(POLICY_REFUSE,
		policy_select(&bad, &selected.any, sizeof(selected.in)));
	assert_int_equal(POLICY_REFUSE,
		policy_select(&bad, &other.any, sizeof(other.in6)));
}

static void reads_an_address_at_any_alignment(void **state)
{
	char room[64];
	union policy_addr a = address("192.0.2.1", 443);
	struct sockaddr *odd = (struct sockaddr *)(room + 1);
	char text[32];

	(void)state;
	memcpy(room + 1, &a, sizeof(a));
	assert_int_equal(POLICY_TLS, policy_select(&rules, odd, 16));
	policy_destination(text, sizeof(text), NULL, odd);
	assert_string_equal("192.0.2.1:443", text);
}

/* Whom the peer must be, as one line: "sni=... names=a,b ip=... localhost" */
static void describe(char *buf, size_t size, const struct tls_identity *id)
{
	char ip[INET6_ADDRSTRLEN] = "-";

	if (id->ip_len)
		inet_ntop(id->ip_len == 4 ? AF_INET : AF_INET6, id->ip, ip,
			sizeof(ip));
	snprintf(buf, size, "sni=%s names=", id->sni ? id->sni : "-");
	for (unsigned i = 0; i < id->n_names; i++) {
		strncat(buf, i ? "," : "", size - strlen(buf) - 1);
		strncat(buf, id->names[i], size - strlen(buf) - 1);
	}
	snprintf(buf + strlen(buf), size - strlen(buf), " ip=%s%s", ip,
		id->or_localhost ? " or localhost" : "");
	if (id->or_name)
		snprintf(buf + strlen(buf), size - strlen(buf), " or %s",
			id->or_name);
}

static const struct names_found nothing = {.source = NAMES_NONE};
static const struct names_found identity = {
	.source = NAMES_IDENTITY, .n = 1, .names = {"a.test"}};
static const struct names_found only = {
	.source = NAMES_ONLY, .n = 1, .names = {"a.test"}};
static const struct names_found two = {
	.source = NAMES_SEVERAL, .n = 2, .names = {"latest.test", "b.test"}};
static const struct names_found eight = {.source = NAMES_SEVERAL,
	.n = 8,
	.names = {"1.test", "2.test", "3.test", "4.test", "5.test", "6.test",
		"7.test", "8.test"}};
static const struct names_found own = {
	.source = NAMES_ONLY, .n = 1, .names = {"me.test"}, .own = {true}};
static const struct names_found own_identity = {
	.source = NAMES_IDENTITY, .n = 1, .names = {"me.test"}, .own = {true}};
static const struct names_found own_latest = {.source = NAMES_SEVERAL,
	.n = 2,
	.names = {"me.test", "b.test"},
	.own = {true, false}};
static const struct names_found own_and_two = {NAMES_SEVERAL, 3,
	{"latest.test", "me.test", "b.test"}, .own = {false, true, false}};
static const struct names_found unsure = {.source = NAMES_UNSURE};

static const struct identity_row {
	const char *setting;
	const char *dialled;
	const struct names_found *found;
	const char *source; /* NULL: refused */
	const char *id;
} identity_rows[] = {
	{NULL, "192.0.2.1", &identity, "lookup",
		"sni=a.test names=a.test "
		"ip=-"},
	{NULL, "192.0.2.1", &only, "only name",
		"sni=a.test names=a.test "
		"ip=-"},
	{NULL, "127.0.0.1", &only, "only name",
		"sni=a.test names=a.test "
		"ip=-"},
	{NULL, "192.0.2.1", &two, "2 names",
		"sni=latest.test names=latest.test,b.test ip=-"},
	{NULL, "192.0.2.1", &eight, "8 names",
		"sni=1.test names=1.test,2.test,3.test,4.test,5.test,6.test,"
		"7.test,8.test ip=-"},
	{NULL, "192.0.2.1", &unsure, NULL, NULL},
	/* This machine's own name. */
	{NULL, "127.0.0.1", &own, "only name",
		"sni=me.test names= ip=127.0.0.1 or localhost or me.test"},
	{NULL, "192.0.2.1", &own, "only name",
		"sni=me.test names=me.test ip=-"},
	{NULL, "127.0.0.1", &own_identity, "lookup",
		"sni=me.test names=me.test ip=-"},
	{NULL, "127.0.1.1", &own_latest, "2 names",
		"sni=b.test names=b.test ip=-"},
	{NULL, "::1", &own_latest, "2 names", "sni=b.test names=b.test ip=-"},
	{NULL, "192.0.2.1", &own_latest, "2 names",
		"sni=me.test names=me.test,b.test ip=-"},
	{NULL, "127.0.0.1", &own_and_two, "3 names",
		"sni=latest.test names=latest.test,b.test ip=-"},
	/* No name. */
	{NULL, "192.0.2.1", &nothing, "address", "sni=- names= ip=192.0.2.1"},
	{NULL, "2001:db8::5", &nothing, "address",
		"sni=- names= ip=2001:db8::5"},
	{NULL, "fe80::1", &nothing, "address", "sni=- names= ip=fe80::1"},
	{NULL, "::ffff:192.0.2.1", &nothing, "address",
		"sni=- names= ip=192.0.2.1"},
	{NULL, "127.0.0.1", &nothing, "address",
		"sni=- names= ip=127.0.0.1 or localhost"},
	{NULL, "127.255.0.9", &nothing, "address",
		"sni=- names= ip=127.255.0.9 or localhost"},
	{NULL, "128.0.0.1", &nothing, "address", "sni=- names= ip=128.0.0.1"},
	{NULL, "::1", &nothing, "address", "sni=- names= ip=::1 or localhost"},
	{NULL, "::2", &nothing, "address", "sni=- names= ip=::2"},
	{NULL, "::ffff:127.0.0.1", &nothing, "address",
		"sni=- names= ip=127.0.0.1 or localhost"},
	{NULL, "0.0.0.0", &nothing, "address",
		"sni=- names= ip=127.0.0.1 or localhost"},
	{NULL, "::", &nothing, "address", "sni=- names= ip=::1 or localhost"},
	{NULL, "::ffff:0.0.0.0", &nothing, "address",
		"sni=- names= ip=127.0.0.1 or localhost"},
	/* The setting is above all. */
	{"set.test", "192.0.2.1", &identity, "setting",
		"sni=set.test names=set.test ip=-"},
	{"set.test", "192.0.2.1", &two, "setting",
		"sni=set.test names=set.test ip=-"},
	{"set.test", "192.0.2.1", &unsure, "setting",
		"sni=set.test names=set.test ip=-"},
	{"set.test", "127.0.0.1", &nothing, "setting",
		"sni=set.test names=set.test ip=-"},
	{"198.51.100.7", "192.0.2.1", &two, "setting",
		"sni=- names= ip=198.51.100.7"},
	{"2001:db8::7", "192.0.2.1", &two, "setting",
		"sni=- names= ip=2001:db8::7"},
	{"::ffff:198.51.100.7", "192.0.2.1", &nothing, "setting",
		"sni=- names= ip=198.51.100.7"},
	{"127.0.0.1", "127.0.0.1", &nothing, "setting",
		"sni=- names= ip=127.0.0.1"},
};

static void says_whom_the_peer_must_be(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(identity_rows); i++) {
		const struct identity_row *row = &identity_rows[i];
		struct config config = {.base = {.server_name = row->setting}};
		union policy_addr a = address(row->dialled, 443);
		struct tls_identity id;
		const char *source = NULL;
		char text[512];
		bool sure;

		memset(&id, 0x5a, sizeof(id));
		errno = EXDEV;
		sure = policy_identity(&config, &config.base, &a.any,
			row->found, &id, &source);
		assert_int_equal(EXDEV, errno);
		assert_int_equal(row->source != NULL, sure);
		if (!sure) {
			assert_non_null(strstr(source, "TLSSHIM_SERVER_NAME"));
			continue;
		}
		describe(text, sizeof(text), &id);
		if (strcmp(row->id, text) != 0)
			fail_msg("row %zu: %s, not %s", i, text, row->id);
		assert_string_equal(row->source, source);
	}
}

/* By each key, from one side and from the other. */
static void tells_the_weaker_of_two(void **state)
{
	static const struct {
		struct config_dest a, b;
		enum policy_rank rank, reverse;
		const char *key, *reverse_key;
	} rows[] = {
#define EQUAL POLICY_AS_STRICT, POLICY_AS_STRICT, NULL, NULL
#define LESS(key) POLICY_WEAKER, POLICY_AS_STRICT, key, NULL
#define OTHER(key) POLICY_OTHER, POLICY_OTHER, key, key
		{{0}, {0}, EQUAL},
		{{.tls.verify = TLS_VERIFY_INSECURE_NO_NAME}, {0},
			LESS("verify")},
		{{.tls.verify = TLS_VERIFY_INSECURE_NONE},
			{.tls.verify = TLS_VERIFY_INSECURE_NO_NAME},
			LESS("verify")},
		{{.server_name = "x"}, {.server_name = "x"}, EQUAL},
		{{.server_name = "x"}, {0}, OTHER("server-name")},
		{{.server_name = "x"}, {.server_name = "y"},
			OTHER("server-name")},
		{{.tls.ca_file = "/a"}, {.tls.ca_file = "/a"}, EQUAL},
		{{.tls.ca_file = "/a"}, {0}, OTHER("ca-file")},
		{{.tls.ca_file = "/a"}, {.tls.ca_file = "/b"},
			OTHER("ca-file")},
		{{.tls.ca_dir = "/a"}, {0}, OTHER("ca-dir")},
		{{0}, {.tls.no_partial_chain = true}, LESS("partial-chain")},
		{{0}, {.tls.x509_strict = true}, LESS("x509-strict")},
		{{0}, {.tls.crl_file = "/a"}, LESS("crl-file")},
		{{0}, {.tls.crl_dir = "/a"}, LESS("crl-file")},
		{{.tls.crl_file = "/a"}, {.tls.crl_file = "/b"},
			OTHER("crl-file")},
		{{.tls.crl_file = "/a", .tls.crl_insecure_soft = true},
			{.tls.crl_file = "/a"}, LESS("crl")},
		{{.tls.ocsp = TLS_OCSP_OFF}, {0}, LESS("ocsp")},
		{{0}, {.tls.ocsp = TLS_OCSP_REQUIRED}, LESS("ocsp")},
		{{0}, {.tls.pins = "a"}, LESS("pin")},
		{{0}, {.tls.pin_file = "/a"}, LESS("pin-file")},
		{{.tls.pins = "a"}, {.tls.pins = "b"}, OTHER("pin")},
		{{.tls.pins = "a", .tls.pin_file = "/a"}, {.tls.pins = "a"},
			OTHER("pin-file")},
		{{0}, {.tls.min_version = TLS_VERSION_1_3},
			LESS("min-version")},
		{{.tls.min_version = TLS_VERSION_1_2}, {0}, EQUAL},
		{{.tls.openssl = "A=b"}, {0}, POLICY_WEAKER, POLICY_WEAKER,
			"openssl", "openssl"},
		{{0}, {.tls.no_resume = true}, LESS("resume")},
		{{.tls.resume_seconds = 3601}, {0}, LESS("resume")},
		{{.tls.eof_insecure_lax = true}, {0}, LESS("eof")},
		{{.keylog = true}, {0}, LESS("keylog")},
		/* Of no account. */
		{{.tls.cert = "/a",
			 .tls.key = "/b",
			 .tls.alpn = "h2",
			 .tls.max_version = TLS_VERSION_1_2,
			 .sni = "",
			 .handshake_timeout_ms = 1},
			{0}, EQUAL},
		/* Nothing is asked that could be less. */
		{{.tls.verify = TLS_VERIFY_INSECURE_NONE, .tls.ca_file = "/a"},
			{.tls.verify = TLS_VERIFY_INSECURE_NONE,
				.server_name = "x",
				.tls.crl_file = "/a"},
			EQUAL},
		{{.tls.verify = TLS_VERIFY_INSECURE_NO_NAME},
			{.tls.verify = TLS_VERIFY_INSECURE_NO_NAME,
				.server_name = "x"},
			EQUAL},
		/* The gravest counts. */
		{{.tls.ca_file = "/a", .tls.ocsp = TLS_OCSP_OFF}, {0},
			POLICY_WEAKER, POLICY_OTHER, "ocsp", "ca-file"},
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		const char *key = "", *reverse_key = "";
		enum policy_rank rank =
			policy_compare(&rows[i].a, &rows[i].b, &key);
		enum policy_rank reverse =
			policy_compare(&rows[i].b, &rows[i].a, &reverse_key);

		if (rank != rows[i].rank || reverse != rows[i].reverse)
			fail_msg("row %zu: %d and %d", i, rank, reverse);
		assert_string_equal(
			rows[i].key ? rows[i].key : "none", key ? key : "none");
		assert_string_equal(
			rows[i].reverse_key ? rows[i].reverse_key : "none",
			reverse_key ? reverse_key : "none");
	}
}

static void writes_destinations(void **state)
{
	static const struct {
		const char *host, *dialled;
		uint16_t port;
		const char *text;
	} rows[] = {
		{"db.test", "192.0.2.1", 5432, "db.test:5432"},
		{"2001:db8::7", "192.0.2.1", 1, "[2001:db8::7]:1"},
		{NULL, "192.0.2.1", 65535, "192.0.2.1:65535"},
		{NULL, "::ffff:192.0.2.1", 80, "192.0.2.1:80"},
		{NULL, "::", 443, "[::]:443"},
		{NULL, "::1", 443, "[::1]:443"},
		{NULL, "1::", 443, "[1::]:443"},
		{NULL, "2001:db8::ff00:42:8329", 443,
			"[2001:db8::ff00:42:8329]:443"},
		{NULL, "1:2:3:4:5:6:7:8", 443, "[1:2:3:4:5:6:7:8]:443"},
		{NULL, "1:0:3:4:5:6:7:8", 443, "[1:0:3:4:5:6:7:8]:443"},
		{NULL, "1:0:0:4:0:0:0:8", 443, "[1:0:0:4::8]:443"},
		{NULL, "1:0:0:4:5:0:0:8", 443, "[1::4:5:0:0:8]:443"},
		{NULL, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535,
			"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		union policy_addr a = address(rows[i].dialled, rows[i].port);
		char text[POLICY_DESTINATION_MAX];

		policy_destination(text, sizeof(text), rows[i].host, &a.any);
		assert_string_equal(rows[i].text, text);
		policy_destination(text, 5, rows[i].host, &a.any);
		assert_int_equal(4, strlen(text));
		assert_int_equal(0, strncmp(text, rows[i].text, 4));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(selects_by_port),
		cmocka_unit_test(leaves_to_the_kernel_what_is_no_address),
		cmocka_unit_test(bad_settings_refuse_every_port),
		cmocka_unit_test(reads_an_address_at_any_alignment),
		cmocka_unit_test(says_whom_the_peer_must_be),
		cmocka_unit_test(tells_the_weaker_of_two),
		cmocka_unit_test(writes_destinations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
