/* SPDX-License-Identifier: MIT */
/*
 * Who is accepted as the peer and who is not, and what is said then.  Each
 * case is a handshake.
 */
#include "engine_lab.h"

#include <arpa/inet.h>

static const struct tls_engine *const tls = &tlsshim_engine;

static struct tls_identity named(const char *name)
{
	return (struct tls_identity){.names = {name}, .n_names = 1};
}

static struct tls_identity at(const char *ip)
{
	struct tls_identity id = {0};
	bool is_v6 = strchr(ip, ':');

	inet_pton(is_v6 ? AF_INET6 : AF_INET, ip, id.ip);
	id.ip_len = is_v6 ? 16 : 4;
	return id;
}

/* Shows the certificate to a client that expects the identity. */
static enum tls_result show(struct lab *l, const struct lab_cert *cert,
	const struct lab_cert *extra, const struct tls_identity *id)
{
	struct lab_options o = {.cert = cert, .extra = extra, .id = id};

	lab_open(l, &o);
	return lab_shake(l);
}

static void assert_accepted(const struct lab_cert *cert, struct tls_identity id)
{
	struct lab l;

	if (show(&l, cert, NULL, &id) != TLS_OK)
		fail_msg("%s", tls->failure(l.client)->text);
	lab_close(&l);
}

/* Refused for trust, with a text that has both parts (or NULL), with the
 * alert sent and without a byte accepted. */
static void assert_refused(const struct lab_cert *cert, struct tls_identity id,
	const char *a, const char *b)
{
	struct lab l;
	size_t n;
	char c;

	assert_int_equal(show(&l, cert, NULL, &id), TLS_FAILED);
	lab_assert_failure(&l, TLS_FAIL_TRUST, a, b, NULL);
	assert_false(SSL_is_init_finished(l.server));
	assert_int_equal(l.server_error, SSL_ERROR_SSL);
	assert_uint_in_range(l.server_reason, SSL_AD_REASON_OFFSET + 1,
		SSL_AD_REASON_OFFSET + 255);
	assert_int_equal(tls->pending_out(l.client), 0);
	assert_int_equal(lab_read(&l, &c, 1, &n), TLS_FAILED);
	assert_int_equal(lab_write_some(&l, "x", 1, &n), TLS_FAILED);
	assert_int_equal(l.n_got, 0);
	lab_close(&l);
}

static struct lab_cert leaf_for(const char *san)
{
	return lab_make(&(struct lab_spec){
		.cn = "cn.example.com", .san = san, .issuer = lab_ca()});
}

/* ---- names ---- */

static void the_name_must_be_in_the_certificate(void **state)
{
	(void)state;
	assert_accepted(lab_leaf(), named("db.example.com"));
	assert_accepted(lab_leaf(), named("DB.Example.COM"));
	assert_refused(lab_leaf(), named("dbx.example.com"),
		"certificate is not valid for the name dbx.example.com "
		"(it is for db.example.com, *.wild.example.com, 10.0.0.1",
		"CN=db, issuer CN=Lab CA)");
	assert_refused(lab_leaf(), named("example.com"), NULL, NULL);
	assert_refused(lab_leaf(), named("x.db.example.com"), NULL, NULL);
}

static void a_wildcard_is_one_whole_label(void **state)
{
	struct lab_cert part = leaf_for("DNS:w*.example.com");
	struct lab_cert top = leaf_for("DNS:*.com,DNS:*");

	(void)state;
	assert_accepted(lab_leaf(), named("a.wild.example.com"));
	assert_refused(lab_leaf(), named("wild.example.com"), NULL, NULL);
	assert_refused(lab_leaf(), named("a.b.wild.example.com"), NULL, NULL);
	assert_refused(&part, named("www.example.com"), NULL, NULL);
	assert_refused(&top, named("example.com"), NULL, NULL);
	assert_refused(&top, named("com"), NULL, NULL);
}

static void the_common_name_never_counts(void **state)
{
	struct lab_cert none = leaf_for(NULL);
	struct lab_cert other = leaf_for("IP:10.0.0.9");

	(void)state;
	assert_refused(&none, named("cn.example.com"), "it is for no name",
		"CN=cn.example.com");
	assert_refused(&other, named("cn.example.com"), "10.0.0.9", NULL);
}

static void a_name_that_means_any_name_to_openssl_is_refused(void **state)
{
	(void)state;
	assert_refused(lab_leaf(), named(""), NULL, NULL);
	assert_refused(lab_leaf(), named(".example.com"), NULL, NULL);
	assert_refused(lab_leaf(), named("*.wild.example.com"), NULL, NULL);
}

static void all_of_several_names_must_match(void **state)
{
	struct tls_identity id = {
		.names = {"db.example.com", "a.wild.example.com"},
		.n_names = 2};

	(void)state;
	assert_accepted(lab_leaf(), id);
	id.names[1] = "evil.example.com";
	assert_refused(lab_leaf(), id, "the name evil.example.com", NULL);
	id.names[0] = "evil.example.com";
	id.names[1] = "db.example.com";
	assert_refused(lab_leaf(), id, "the name evil.example.com", NULL);
}

static void an_address_must_be_in_the_certificate(void **state)
{
	struct lab_cert six = leaf_for("IP:2001:db8::1");

	(void)state;
	assert_accepted(lab_leaf(), at("10.0.0.1"));
	assert_refused(lab_leaf(), at("10.0.0.2"),
		"certificate is not valid for the address 10.0.0.2", NULL);
	assert_accepted(&six, at("2001:db8::1"));
	assert_refused(&six, at("2001:db8::2"), "address 2001:db8::2 ",
		"it is for 2001:db8::1;");
	/* A name of digits is no address, nor the reverse. */
	assert_accepted(lab_leaf(), named("10.0.0.1"));
	assert_refused(lab_leaf(), named("10.0.0.2"), "address", NULL);
}

static void names_count_and_not_the_address_beside_them(void **state)
{
	struct tls_identity id = at("10.0.0.1");

	(void)state;
	id.names[0] = "evil.example.com";
	id.n_names = 1;
	assert_refused(lab_leaf(), id, "evil.example.com", NULL);
}

static void localhost_will_do_for_a_loopback_address(void **state)
{
	struct lab_cert local = leaf_for("DNS:localhost");
	struct tls_identity id = at("127.0.0.1");

	(void)state;
	assert_refused(&local, id, "address 127.0.0.1", NULL);
	id.or_localhost = true;
	assert_accepted(&local, id);
	assert_refused(lab_leaf(), id, "address 127.0.0.1", NULL);
	id.names[0] = "db.example.com";
	id.n_names = 1;
	assert_refused(&local, id, "db.example.com", NULL);
}

static void another_name_will_do_for_an_address(void **state)
{
	struct lab_cert local = leaf_for("DNS:me.test");
	struct tls_identity id = at("127.0.0.1");

	(void)state;
	id.or_name = "me.test";
	assert_accepted(&local, id);
	id.or_name = "you.test";
	assert_refused(&local, id, "address 127.0.0.1", NULL);
	id.or_name = "";
	assert_refused(&local, id, "address 127.0.0.1", NULL);
	id.or_name = "me.test";
	id.names[0] = "db.example.com";
	id.n_names = 1;
	assert_refused(&local, id, "db.example.com", NULL);
}

static void nobody_is_accepted_when_nothing_can_be_checked(void **state)
{
	struct tls_identity id = {.sni = "db.example.com"};

	(void)state;
	assert_refused(lab_leaf(), id, "no name is known", NULL);
}

static void an_invalid_identity_makes_no_session(void **state)
{
	struct tls_transport transport = {0};
	struct tls_identity id = named(NULL);

	(void)state;
	assert_null(tls->session_new(lab_context(), &id, &transport, NULL));
	id.n_names = TLS_NAMES_MAX + 1;
	assert_null(tls->session_new(lab_context(), &id, &transport, NULL));
	id = named("a");
	id.ip_len = 5;
	assert_null(tls->session_new(lab_context(), &id, &transport, NULL));
}

static void a_certificate_cannot_forge_the_text(void **state)
{
	struct lab_cert c = lab_make(&(struct lab_spec){
		.cn = "a\n\x1b[31m\xc3\xa9\"", .issuer = lab_ca()});
	struct tls_identity id = named("db.example.com");
	struct lab_options o = {.cert = &c, .id = &id, .traced = true};
	struct lab l;
	const char *p;

	(void)state;
	lab_open(&l, &o);
	assert_int_equal(lab_shake(&l), TLS_FAILED);
	lab_assert_failure(
		&l, TLS_FAIL_TRUST, "CN=a\\n\\x1b[31m\\xc3\\xa9\\\"", NULL);
	for (p = l.trace; *p; p++)
		assert_true(*p == '\n' || (*p >= ' ' && *p <= '~'));
	assert_null(strstr(l.trace, "\n["));
	lab_close(&l);
}

/* ---- chains ---- */

static void an_expired_certificate_is_refused(void **state)
{
	struct lab_cert c = lab_make(&(struct lab_spec){.cn = "old",
		.san = "DNS:db.example.com",
		.from_days = -20,
		.to_days = -10,
		.issuer = lab_ca()});
	struct tm tm;
	char text[64];
	time_t then = time(NULL) - 10 * 24 * 3600;

	(void)state;
	gmtime_r(&then, &tm);
	strftime(text, sizeof(text), "certificate expired %Y-%m-%d", &tm);
	assert_refused(&c, named("db.example.com"), text,
		" (CN=old, issuer CN=Lab CA)");
}

static void a_certificate_of_the_future_is_refused(void **state)
{
	struct lab_cert c = lab_make(&(struct lab_spec){.cn = "new",
		.san = "DNS:db.example.com",
		.from_days = 10,
		.to_days = 20,
		.issuer = lab_ca()});

	(void)state;
	assert_refused(&c, named("db.example.com"),
		"certificate is not valid before 20",
		" (CN=new, issuer CN=Lab CA)");
}

static void a_self_signed_certificate_is_refused(void **state)
{
	struct lab_cert c = lab_make(
		&(struct lab_spec){.cn = "me", .san = "DNS:db.example.com"});

	(void)state;
	assert_refused(&c, named("db.example.com"),
		"self-signed certificate (CN=me, issuer CN=me)", NULL);
}

static void an_unknown_issuer_is_refused(void **state)
{
	struct lab_cert ca =
		lab_make(&(struct lab_spec){.cn = "Evil CA", .ca = true});
	struct lab_cert c = lab_make(&(struct lab_spec){
		.cn = "x", .san = "DNS:db.example.com", .issuer = &ca});
	struct tls_identity id = named("db.example.com");
	struct lab l;

	(void)state;
	assert_refused(&c, id,
		"certificate of an unknown issuer (CN=x, issuer CN=Evil CA)",
		NULL);
	assert_int_equal(show(&l, &c, &ca, &id), TLS_FAILED);
	lab_assert_failure(&l, TLS_FAIL_TRUST,
		"certificate of a CA that is not trusted "
		"(depth 1, CN=Evil CA, issuer CN=Evil CA)",
		NULL);
	lab_close(&l);
}

/* The same name as the CA that is trusted, another key. */
static void a_namesake_of_the_ca_is_refused(void **state)
{
	struct lab_cert ca =
		lab_make(&(struct lab_spec){.cn = "Lab CA", .ca = true});
	struct lab_cert c = lab_make(&(struct lab_spec){
		.cn = "x", .san = "DNS:db.example.com", .issuer = &ca});

	(void)state;
	assert_refused(&c, named("db.example.com"), NULL, NULL);
}

static void an_intermediate_ca_is_followed(void **state)
{
	struct lab_cert mid = lab_make(&(struct lab_spec){
		.cn = "Mid CA", .ca = true, .issuer = lab_ca()});
	struct lab_cert c = lab_make(&(struct lab_spec){
		.cn = "x", .san = "DNS:db.example.com", .issuer = &mid});
	struct tls_identity id = named("db.example.com");
	struct lab l;

	(void)state;
	assert_int_equal(show(&l, &c, &mid, &id), TLS_OK);
	lab_close(&l);
	assert_refused(&c, id, "certificate of an unknown issuer", "Mid CA");
}

/* What cannot be read must not look like an issuer that is not known. */
static void a_malformed_extension_is_named(void **state)
{
	struct lab_cert c = leaf_for(NULL);
	ASN1_OCTET_STRING *junk = ASN1_OCTET_STRING_new();
	X509_EXTENSION *e;

	(void)state;
	ASN1_OCTET_STRING_set(junk, (const unsigned char *)"\x30\x03\x02", 3);
	e = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, junk);
	X509_add_ext(c.cert, e, -1);
	assert_true(X509_sign(c.cert, lab_ca()->key, EVP_sha256()) > 0);
	X509_EXTENSION_free(e);
	ASN1_OCTET_STRING_free(junk);
	assert_refused(&c, named("db.example.com"),
		"certificate's extension subjectAltName is malformed "
		"(CN=cn.example.com",
		NULL);
}

static void a_leaf_is_no_ca(void **state)
{
	struct lab_cert c = lab_make(&(struct lab_spec){
		.cn = "x", .san = "DNS:db.example.com", .issuer = lab_leaf()});
	struct tls_identity id = named("db.example.com");
	struct lab l;

	(void)state;
	assert_int_equal(show(&l, &c, lab_leaf(), &id), TLS_FAILED);
	lab_assert_failure(&l, TLS_FAIL_TRUST, "not one of a CA", NULL);
	lab_close(&l);
}

static void an_expired_intermediate_is_told_with_its_depth(void **state)
{
	struct lab_cert mid = lab_make(&(struct lab_spec){.cn = "Mid CA",
		.ca = true,
		.from_days = -20,
		.to_days = -10,
		.issuer = lab_ca()});
	struct lab_cert c = lab_make(&(struct lab_spec){
		.cn = "x", .san = "DNS:db.example.com", .issuer = &mid});
	struct tls_identity id = named("db.example.com");
	struct lab l;

	(void)state;
	assert_int_equal(show(&l, &c, &mid, &id), TLS_FAILED);
	lab_assert_failure(&l, TLS_FAIL_TRUST, "certificate expired 20",
		"(depth 1, CN=Mid CA, issuer CN=Lab CA)", NULL);
	lab_close(&l);
}

static void a_certificate_for_clients_is_refused(void **state)
{
	struct lab_cert c = lab_make(&(struct lab_spec){.cn = "x",
		.san = "DNS:db.example.com",
		.eku = "clientAuth",
		.issuer = lab_ca()});
	struct lab_cert both = lab_make(&(struct lab_spec){.cn = "x",
		.san = "DNS:db.example.com",
		.eku = "clientAuth,serverAuth",
		.issuer = lab_ca()});

	(void)state;
	assert_refused(&c, named("db.example.com"),
		"certificate is not for TLS servers (extended key usage)",
		"CN=x");
	assert_accepted(&both, named("db.example.com"));
}

static void a_server_without_a_certificate_is_refused(void **state)
{
	struct tls_identity id = named("db.example.com");
	struct lab_options o = {.id = &id, .max_version = TLS1_2_VERSION};
	struct lab l;

	(void)state;
	o.server_ctx = lab_server_ctx(&o);
	SSL_CTX_set_cipher_list(o.server_ctx, "aNULL:@SECLEVEL=0");
	lab_open(&l, &o);
	assert_int_equal(lab_shake(&l), TLS_FAILED);
	assert_int_equal(tls->failure(l.client)->kind, TLS_FAIL_PROTOCOL);
	lab_close(&l);
	SSL_CTX_free(o.server_ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_name_must_be_in_the_certificate),
		cmocka_unit_test(a_wildcard_is_one_whole_label),
		cmocka_unit_test(the_common_name_never_counts),
		cmocka_unit_test(
			a_name_that_means_any_name_to_openssl_is_refused),
		cmocka_unit_test(all_of_several_names_must_match),
		cmocka_unit_test(an_address_must_be_in_the_certificate),
		cmocka_unit_test(names_count_and_not_the_address_beside_them),
		cmocka_unit_test(localhost_will_do_for_a_loopback_address),
		cmocka_unit_test(another_name_will_do_for_an_address),
		cmocka_unit_test(
			nobody_is_accepted_when_nothing_can_be_checked),
		cmocka_unit_test(an_invalid_identity_makes_no_session),
		cmocka_unit_test(a_certificate_cannot_forge_the_text),
		cmocka_unit_test(an_expired_certificate_is_refused),
		cmocka_unit_test(a_certificate_of_the_future_is_refused),
		cmocka_unit_test(a_self_signed_certificate_is_refused),
		cmocka_unit_test(an_unknown_issuer_is_refused),
		cmocka_unit_test(a_namesake_of_the_ca_is_refused),
		cmocka_unit_test(an_intermediate_ca_is_followed),
		cmocka_unit_test(a_malformed_extension_is_named),
		cmocka_unit_test(a_leaf_is_no_ca),
		cmocka_unit_test(
			an_expired_intermediate_is_told_with_its_depth),
		cmocka_unit_test(a_certificate_for_clients_is_refused),
		cmocka_unit_test(a_server_without_a_certificate_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
