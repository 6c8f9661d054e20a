/* SPDX-License-Identifier: MIT */
/*
 * The handshake: that it succeeds however the bytes are cut, and what is said
 * when it does not.
 */
#include "engine_lab.h"

#include <errno.h>

static const struct tls_engine *const tls = &tlsshim_engine;

static void a_handshake_speaks_tls_1_3_with_a_verified_peer(void **state)
{
	struct tls_info info;
	struct lab l;

	(void)state;
	lab_connect(&l, NULL);
	tls->info(l.client, &info);
	assert_string_equal(info.version, "TLSv1.3");
	assert_string_equal(SSL_get_version(l.server), "TLSv1.3");
	assert_string_equal(info.cipher, SSL_get_cipher_name(l.server));
	assert_string_equal(info.subject, "CN=db,O=Lab");
	assert_string_equal(info.issuer, "CN=Lab CA,O=Lab");
	assert_true(strlen(info.group) > 0);
	assert_false(info.resumed);
	assert_string_equal(
		SSL_get_servername(l.server, TLSEXT_NAMETYPE_host_name),
		"db.example.com");
	lab_close(&l);
}

static int note_compression(SSL *ssl, int *alert, void *offered)
{
	const unsigned char *data;
	size_t len;

	(void)alert;
	/* RFC 8879: compress_certificate */
	*(int *)offered = SSL_client_hello_get0_ext(ssl, 27, &data, &len);
	return SSL_CLIENT_HELLO_SUCCESS;
}

static void compressed_certificates_are_not_offered(void **state)
{
	struct lab_options o = {0};
	struct lab l;
	int offered = -1;

	(void)state;
	o.server_ctx = lab_server_ctx(&o);
	SSL_CTX_set_client_hello_cb(o.server_ctx, note_compression, &offered);
	lab_connect(&l, &o);
	assert_int_equal(offered, 0);
	lab_close(&l);
	SSL_CTX_free(o.server_ctx);
}

static void a_server_of_tls_1_2_will_do(void **state)
{
	struct lab_options o = {.max_version = TLS1_2_VERSION};
	struct tls_info info;
	struct lab l;

	(void)state;
	lab_connect(&l, &o);
	tls->info(l.client, &info);
	assert_string_equal(info.version, "TLSv1.2");
	lab_close(&l);
}

static void a_server_of_tls_1_1_is_refused(void **state)
{
	struct lab_options o = {
		.max_version = TLS1_1_VERSION, .min_version = TLS1_VERSION};
	struct lab l;

	(void)state;
	lab_open(&l, &o);
	assert_int_equal(lab_shake(&l), TLS_FAILED);
	lab_assert_failure(
		&l, TLS_FAIL_PROTOCOL, "alert protocol_version", NULL);
	lab_close(&l);
}

/* One that answers with TLS 1.1 without asking. */
static void a_server_hello_of_tls_1_1_is_refused(void **state)
{
	static const unsigned char hello[] = "\x16\x03\x02\x00\x2a"
					     "\x02\x00\x00\x26\x03\x02"
					     "0123456789abcdef0123456789abcdef"
					     "\x00\xc0\x13\x00";
	struct lab l;

	(void)state;
	lab_open(&l, NULL);
	assert_int_equal(tls->handshake(l.client), TLS_WANT_READ);
	BIO_write(l.to_client, hello, sizeof(hello) - 1);
	assert_int_equal(tls->handshake(l.client), TLS_FAILED);
	lab_assert_failure(
		&l, TLS_FAIL_PROTOCOL, "no TLS version of 1.2 or later", NULL);
	lab_close(&l);
}

static void a_handshake_survives_bytes_that_come_one_by_one(void **state)
{
	struct lab l;

	(void)state;
	lab_open(&l, NULL);
	l.recv_step = l.send_step = 1;
	assert_int_equal(lab_shake(&l), TLS_OK);
	assert_true(SSL_is_init_finished(l.server));
	lab_close(&l);
}

static void an_unsent_hello_waits_for_the_transport(void **state)
{
	struct lab l;

	(void)state;
	lab_open(&l, NULL);
	l.send_budget = 10;
	assert_int_equal(tls->handshake(l.client), TLS_WANT_WRITE);
	assert_true(tls->pending_out(l.client) > 0);
	assert_int_equal(tls->handshake(l.client), TLS_WANT_WRITE);
	l.send_budget = SIZE_MAX;
	assert_int_equal(tls->handshake(l.client), TLS_WANT_READ);
	assert_int_equal(tls->pending_out(l.client), 0);
	assert_int_equal(lab_shake(&l), TLS_OK);
	lab_close(&l);
}

static void the_last_flight_may_wait_while_the_peer_is_verified(void **state)
{
	struct lab l;

	(void)state;
	lab_open(&l, NULL);
	tls->handshake(l.client);
	lab_serve(&l);
	l.send_budget = 7;
	assert_int_equal(tls->handshake(l.client), TLS_OK);
	assert_true(tls->pending_out(l.client) > 0);
	assert_int_equal(tls->flush(l.client), TLS_WANT_WRITE);
	l.send_budget = SIZE_MAX;
	assert_int_equal(tls->flush(l.client), TLS_OK);
	lab_serve(&l);
	assert_true(SSL_is_init_finished(l.server));
	lab_close(&l);
}

static void nothing_is_read_or_written_before_it_is_done(void **state)
{
	size_t n = 99, avail = 99;
	struct lab l;
	char c = 'x';

	(void)state;
	lab_open(&l, NULL);
	assert_int_equal(lab_write_some(&l, &c, 1, &n), TLS_WANT_READ);
	assert_int_equal(n, 0);
	assert_int_equal(lab_read(&l, &c, 1, &n), TLS_WANT_READ);
	assert_int_equal(tls->probe(l.client), TLS_WANT_READ);
	assert_int_equal(tls->fill(l.client, 1, &avail), TLS_WANT_READ);
	assert_int_equal(avail, 0);
	assert_int_equal(tls->shutdown(l.client), TLS_OK);
	assert_int_equal(BIO_ctrl_pending(l.to_server), 0);
	assert_int_equal(lab_shake(&l), TLS_OK);
	lab_close(&l);
}

static void errno_is_left_as_found(void **state)
{
	struct lab l;
	size_t n;
	char c = 'x';

	(void)state;
	lab_open(&l, NULL);
	errno = ENOTTY;
	tls->handshake(l.client);
	assert_int_equal(errno, ENOTTY);
	assert_int_equal(lab_shake(&l), TLS_OK);
	errno = ENOTTY;
	lab_write_some(&l, &c, 1, &n);
	lab_read(&l, &c, 1, &n);
	tls->probe(l.client);
	tls->shutdown(l.client);
	assert_int_equal(errno, ENOTTY);
	lab_close(&l);
}

/* ---- peers that are not TLS servers ---- */

static void answer(struct lab *l, const void *bytes, size_t len)
{
	lab_open(l, NULL);
	assert_int_equal(tls->handshake(l->client), TLS_WANT_READ);
	BIO_write(l->to_client, bytes, (int)len);
}

static void a_plaintext_server_is_quoted(void **state)
{
	static const char banner[] = "220 mail.example.com ESMTP \"x\"\r\n";
	struct lab l;

	(void)state;
	answer(&l, banner, strlen(banner));
	assert_int_equal(tls->handshake(l.client), TLS_FAILED);
	lab_assert_failure(&l, TLS_FAIL_PROTOCOL,
		"the server does not speak TLS on this port",
		"(it answered \"220 mail.example.com ESMTP \\\"x\\\"\\r\\n\")",
		NULL);
	lab_close(&l);
}

static void a_short_plaintext_answer_is_enough(void **state)
{
	struct lab l;

	(void)state;
	answer(&l, "OK", 2);
	assert_int_equal(tls->handshake(l.client), TLS_FAILED);
	lab_assert_failure(&l, TLS_FAIL_PROTOCOL, "answered \"OK\"", NULL);
	lab_close(&l);
}

static void garbage_is_quoted_escaped_and_cut(void **state)
{
	unsigned char garbage[100];
	struct lab l;

	(void)state;
	memset(garbage, 0xfe, sizeof(garbage));
	answer(&l, garbage, sizeof(garbage));
	assert_int_equal(tls->handshake(l.client), TLS_FAILED);
	lab_assert_failure(&l, TLS_FAIL_PROTOCOL, "\"\\xfe\\xfe", NULL);
	assert_true(strlen(tls->failure(l.client)->text) < 250);
	lab_close(&l);
}

static void garbage_behind_a_good_header_is_a_protocol_failure(void **state)
{
	static const char bad[] = "\x16\x03\x03\x00\x04\x63\x00\x00\x00";
	struct lab l;

	(void)state;
	answer(&l, bad, sizeof(bad) - 1);
	assert_int_equal(tls->handshake(l.client), TLS_FAILED);
	lab_assert_failure(
		&l, TLS_FAIL_PROTOCOL, "TLS handshake failed: ", NULL);
	lab_close(&l);
}

static void an_alert_is_named(void **state)
{
	struct lab l;

	(void)state;
	answer(&l, "\x15\x03\x03\x00\x02\x02\x70", 7);
	assert_int_equal(tls->handshake(l.client), TLS_FAILED);
	lab_assert_failure(&l, TLS_FAIL_PROTOCOL,
		"the server sent the alert unrecognized_name", NULL);
	assert_int_equal(tls->handshake(l.client), TLS_FAILED);
	lab_close(&l);
}

static void an_end_during_the_handshake_is_a_reset(void **state)
{
	struct lab l;

	(void)state;
	lab_open(&l, NULL);
	l.end = true;
	assert_int_equal(tls->handshake(l.client), TLS_FAILED);
	lab_assert_failure(&l, TLS_FAIL_TRANSPORT,
		"the server closed the connection during the handshake", NULL);
	assert_int_equal(tls->failure(l.client)->transport_errno, ECONNRESET);
	lab_close(&l);
}

static void close_notify_during_the_handshake_is_a_reset(void **state)
{
	struct lab l;

	(void)state;
	answer(&l, "\x15\x03\x03\x00\x02\x01\x00", 7);
	assert_int_equal(tls->handshake(l.client), TLS_FAILED);
	lab_assert_failure(&l, TLS_FAIL_TRANSPORT,
		"the server closed the connection during the handshake", NULL);
	assert_int_equal(tls->failure(l.client)->transport_errno, ECONNRESET);
	lab_close(&l);
}

static void an_error_of_the_transport_is_passed_on(void **state)
{
	struct lab l;

	(void)state;
	lab_open(&l, NULL);
	l.recv_error = EHOSTUNREACH;
	assert_int_equal(tls->handshake(l.client), TLS_FAILED);
	lab_assert_failure(&l, TLS_FAIL_TRANSPORT, "No route to host", NULL);
	assert_int_equal(tls->failure(l.client)->transport_errno, EHOSTUNREACH);
	lab_close(&l);
}

static void an_error_while_sending_is_passed_on(void **state)
{
	struct lab l;

	(void)state;
	lab_open(&l, NULL);
	l.send_error = EPIPE;
	assert_int_equal(tls->handshake(l.client), TLS_FAILED);
	lab_assert_failure(&l, TLS_FAIL_TRANSPORT, "Broken pipe", NULL);
	assert_int_equal(tls->failure(l.client)->transport_errno, EPIPE);
	lab_close(&l);
}

/* The alert arrived before the connection broke: it is the better reason. */
static void an_alert_wins_over_a_broken_pipe(void **state)
{
	struct lab l;

	(void)state;
	answer(&l, "\x15\x03\x03\x00\x02\x02\x28", 7);
	l.send_error = EPIPE;
	assert_int_equal(tls->handshake(l.client), TLS_FAILED);
	lab_assert_failure(
		&l, TLS_FAIL_PROTOCOL, "alert handshake_failure", NULL);
	lab_close(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_handshake_speaks_tls_1_3_with_a_verified_peer),
		cmocka_unit_test(compressed_certificates_are_not_offered),
		cmocka_unit_test(a_server_of_tls_1_2_will_do),
		cmocka_unit_test(a_server_of_tls_1_1_is_refused),
		cmocka_unit_test(a_server_hello_of_tls_1_1_is_refused),
		cmocka_unit_test(
			a_handshake_survives_bytes_that_come_one_by_one),
		cmocka_unit_test(an_unsent_hello_waits_for_the_transport),
		cmocka_unit_test(
			the_last_flight_may_wait_while_the_peer_is_verified),
		cmocka_unit_test(nothing_is_read_or_written_before_it_is_done),
		cmocka_unit_test(errno_is_left_as_found),
		cmocka_unit_test(a_plaintext_server_is_quoted),
		cmocka_unit_test(a_short_plaintext_answer_is_enough),
		cmocka_unit_test(garbage_is_quoted_escaped_and_cut),
		cmocka_unit_test(
			garbage_behind_a_good_header_is_a_protocol_failure),
		cmocka_unit_test(an_alert_is_named),
		cmocka_unit_test(an_end_during_the_handshake_is_a_reset),
		cmocka_unit_test(close_notify_during_the_handshake_is_a_reset),
		cmocka_unit_test(an_error_of_the_transport_is_passed_on),
		cmocka_unit_test(an_error_while_sending_is_passed_on),
		cmocka_unit_test(an_alert_wins_over_a_broken_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
