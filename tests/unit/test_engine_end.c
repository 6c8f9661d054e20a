/* SPDX-License-Identifier: MIT */
/*
 * How an open session ends, and what TLS does beside carrying data.
 */
#include "engine_lab.h"

#include <errno.h>

static const struct tls_engine *const tls = &tlsshim_engine;

static void close_notify_of_the_peer_is_the_end_and_writing_goes_on(
	void **state)
{
	struct lab l;
	char buf[9];
	size_t n;

	(void)state;
	lab_connect_quiet(&l, NULL);
	lab_server_write(&l, "bye", 3);
	SSL_shutdown(l.server);
	l.end = true;
	assert_int_equal(lab_read(&l, buf, sizeof(buf), &n), TLS_OK);
	assert_int_equal(n, 3);
	assert_int_equal(lab_read(&l, buf, sizeof(buf), &n), TLS_EOF);
	assert_int_equal(lab_read(&l, buf, sizeof(buf), &n), TLS_EOF);
	assert_int_equal(lab_write_some(&l, "still", 5, &n), TLS_OK);
	lab_serve(&l);
	assert_memory_equal(l.got, "still", 5);
	lab_close(&l);
}

static void shutdown_sends_close_notify_once_and_reading_goes_on(void **state)
{
	char buf[20];
	struct lab l;
	size_t n, sent;

	(void)state;
	lab_connect_quiet(&l, NULL);
	lab_write_some(&l, "last", 4, &n);
	assert_int_equal(tls->shutdown(l.client), TLS_OK);
	sent = BIO_ctrl_pending(l.to_server);
	lab_server_write(&l, "answer", 6);
	assert_int_equal(tls->shutdown(l.client), TLS_OK);
	assert_int_equal(BIO_ctrl_pending(l.to_server), sent);
	lab_serve(&l);
	assert_memory_equal(l.got, "last", 4);
	assert_int_equal(l.server_error, SSL_ERROR_ZERO_RETURN);
	assert_int_equal(lab_read(&l, buf, sizeof(buf), &n), TLS_OK);
	assert_memory_equal(buf, "answer", 6);
	assert_int_equal(lab_write_some(&l, "x", 1, &n), TLS_FAILED);
	assert_int_equal(tls->failure(l.client)->transport_errno, EPIPE);
	lab_close(&l);
}

static void close_notify_waits_behind_pending_output(void **state)
{
	static char data[20000];
	struct lab l;
	size_t n;

	(void)state;
	lab_connect_quiet(&l, NULL);
	l.send_budget = 10;
	lab_write_some(&l, data, 16384, &n);
	assert_int_equal(tls->shutdown(l.client), TLS_WANT_WRITE);
	l.send_budget = SIZE_MAX;
	assert_int_equal(tls->shutdown(l.client), TLS_OK);
	lab_serve(&l);
	assert_int_equal(l.n_got, 16384);
	assert_int_equal(l.server_error, SSL_ERROR_ZERO_RETURN);
	lab_close(&l);
}

static void after_close_notify_the_rest_can_be_sent_without_the_session(
	void **state)
{
	static char data[20000];
	const void *bytes;
	struct lab l;
	size_t n, len;

	(void)state;
	lab_connect_quiet(&l, NULL);
	l.send_budget = 10;
	lab_write_some(&l, data, 16384, &n);
	assert_false(tls->rest(l.client, &bytes, &len));
	assert_int_equal(tls->shutdown(l.client), TLS_WANT_WRITE);
	assert_true(tls->rest(l.client, &bytes, &len));
	assert_int_equal(len, tls->pending_out(l.client));
	assert_int_equal(BIO_write(l.to_server, bytes, (int)len), len);
	lab_serve(&l);
	assert_int_equal(l.n_got, 16384);
	assert_int_equal(l.server_error, SSL_ERROR_ZERO_RETURN);
	lab_close(&l);
}

static void no_rest_is_left_where_there_is_nothing_to_send_to(void **state)
{
	const void *bytes;
	struct lab l;
	size_t len;

	(void)state;
	lab_open(&l, NULL);
	tls->handshake(l.client);
	tls->shutdown(l.client);
	assert_false(tls->rest(l.client, &bytes, &len));
	lab_close(&l);
	lab_connect_quiet(&l, NULL);
	l.send_error = EPIPE;
	assert_int_equal(tls->shutdown(l.client), TLS_FAILED);
	assert_false(tls->rest(l.client, &bytes, &len));
	lab_close(&l);
}

static void an_end_without_close_notify_is_a_truncation(void **state)
{
	struct lab l;
	char buf[9];
	size_t n;

	(void)state;
	lab_connect_quiet(&l, NULL);
	lab_server_write(&l, "part", 4);
	l.end = true;
	assert_int_equal(lab_read(&l, buf, sizeof(buf), &n), TLS_OK);
	assert_int_equal(n, 4);
	assert_int_equal(lab_read(&l, buf, sizeof(buf), &n), TLS_FAILED);
	lab_assert_failure(
		&l, TLS_FAIL_TRUNCATED, "without close_notify", NULL);
	assert_int_equal(tls->probe(l.client), TLS_FAILED);
	assert_int_equal(lab_write_some(&l, "x", 1, &n), TLS_FAILED);
	lab_close(&l);
}

static void an_end_within_a_record_is_a_truncation(void **state)
{
	struct lab l;
	char buf[9];
	size_t n;

	(void)state;
	lab_connect_quiet(&l, NULL);
	lab_server_write(&l, "part", 4);
	l.recv_budget = 9;
	assert_int_equal(lab_read(&l, buf, sizeof(buf), &n), TLS_WANT_READ);
	BIO_reset(l.to_client);
	l.recv_budget = SIZE_MAX;
	l.end = true;
	assert_int_equal(tls->probe(l.client), TLS_FAILED);
	lab_assert_failure(&l, TLS_FAIL_TRUNCATED, NULL);
	lab_close(&l);
}

static void a_reset_is_passed_on(void **state)
{
	struct lab l;
	char buf[9];
	size_t n;

	(void)state;
	lab_connect_quiet(&l, NULL);
	l.recv_error = ECONNRESET;
	assert_int_equal(lab_read(&l, buf, sizeof(buf), &n), TLS_FAILED);
	lab_assert_failure(
		&l, TLS_FAIL_TRANSPORT, "Connection reset by peer", NULL);
	assert_int_equal(tls->failure(l.client)->transport_errno, ECONNRESET);
	lab_close(&l);
}

static void a_forged_byte_is_a_bad_record(void **state)
{
	struct lab l;
	char buf[20];
	char *wire;
	size_t n;

	(void)state;
	lab_connect_quiet(&l, NULL);
	lab_server_write(&l, "good", 4);
	n = lab_in_flight(&l);
	lab_server_write(&l, "forged", 6);
	BIO_get_mem_data(l.to_client, &wire);
	wire[n + 7] ^= 1;
	assert_int_equal(lab_read(&l, buf, sizeof(buf), &n), TLS_OK);
	assert_int_equal(n, 4);
	assert_int_equal(lab_read(&l, buf, sizeof(buf), &n), TLS_FAILED);
	lab_assert_failure(&l, TLS_FAIL_RECORD, "bad record", NULL);
	/* and the peer is told */
	lab_serve(&l);
	assert_int_equal(l.server_error, SSL_ERROR_SSL);
	assert_int_equal(lab_write_some(&l, "x", 1, &n), TLS_FAILED);
	lab_assert_failure(&l, TLS_FAIL_RECORD, "bad record", NULL);
	lab_close(&l);
}

static void plaintext_in_the_stream_is_a_bad_record(void **state)
{
	struct lab l;
	char c;
	size_t n;

	(void)state;
	lab_connect_quiet(&l, NULL);
	BIO_write(l.to_client, "HTTP/1.1 400 Bad Request\r\n", 26);
	assert_int_equal(lab_read(&l, &c, 1, &n), TLS_FAILED);
	lab_assert_failure(&l, TLS_FAIL_RECORD, "bad record", NULL);
	lab_close(&l);
}

/* ---- what TLS does beside ---- */

/* The answer is the peer's to wait for: it goes out before our next data. */
static void a_key_update_changes_the_keys_of_both_ways(void **state)
{
	struct lab l;
	char buf[9];
	size_t n;

	(void)state;
	lab_connect_quiet(&l, NULL);
	SSL_key_update(l.server, SSL_KEY_UPDATE_REQUESTED);
	lab_server_write(&l, "new", 3);
	assert_int_equal(lab_read(&l, buf, sizeof(buf), &n), TLS_OK);
	assert_memory_equal(buf, "new", 3);
	assert_int_equal(lab_write_some(&l, "newer", 5, &n), TLS_OK);
	assert_int_equal(n, 5);
	/* a KeyUpdate record beside that of the data */
	assert_true(BIO_ctrl_pending(l.to_server) > 5 + 5 + 1 + 16);
	lab_serve(&l);
	assert_int_equal(l.n_got, 5);
	assert_memory_equal(l.got, "newer", 5);
	lab_server_write(&l, "x", 1);
	assert_int_equal(lab_read(&l, buf, sizeof(buf), &n), TLS_OK);
	lab_close(&l);
}

/* A peer that asks for answers and never reads them must not eat memory. */
static void key_updates_without_end_are_a_failure(void **state)
{
	enum tls_result r = TLS_WANT_READ;
	struct lab l;
	char c;
	size_t n;
	int i;

	(void)state;
	lab_connect_quiet(&l, NULL);
	l.send_budget = 0;
	for (i = 0; i < 20000 && r == TLS_WANT_READ; i++) {
		SSL_key_update(l.server, SSL_KEY_UPDATE_REQUESTED);
		SSL_do_handshake(l.server);
		r = lab_read(&l, &c, 1, &n);
		assert_true(tls->pending_out(l.client) <= 256 << 10);
	}
	assert_int_equal(r, TLS_FAILED);
	lab_close(&l);
}

static void renegotiation_is_refused(void **state)
{
	struct lab_options o = {.max_version = TLS1_2_VERSION};
	struct lab l;
	char buf[9];
	size_t n;

	(void)state;
	lab_connect_quiet(&l, &o);
	SSL_renegotiate(l.server);
	SSL_do_handshake(l.server);
	assert_int_equal(tls->probe(l.client), TLS_WANT_READ);
	lab_serve(&l);
	assert_int_equal(l.server_error, SSL_ERROR_SSL);
	lab_read(&l, buf, sizeof(buf), &n);
	lab_close(&l);
}

static void a_session_of_tls_1_2_carries_data_both_ways(void **state)
{
	struct lab_options o = {.max_version = TLS1_2_VERSION};
	unsigned char *data = malloc(300000);
	size_t n, got = 0;
	struct lab l;

	(void)state;
	lab_pattern(data, 300000, 0);
	lab_connect_quiet(&l, &o);
	assert_int_equal(lab_write_some(&l, data, 300000, &n), TLS_OK);
	assert_int_equal(n, 300000);
	lab_serve(&l);
	lab_assert_pattern(l.got, 300000, 0);
	lab_server_write(&l, l.got, 300000);
	memset(data, 0, 300000);
	while (got < 300000) {
		assert_int_equal(
			lab_read(&l, data + got, 300000 - got, &n), TLS_OK);
		got += n;
	}
	lab_assert_pattern(data, 300000, 0);
	SSL_shutdown(l.server);
	assert_int_equal(tls->probe(l.client), TLS_EOF);
	lab_close(&l);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			close_notify_of_the_peer_is_the_end_and_writing_goes_on),
		cmocka_unit_test(
			shutdown_sends_close_notify_once_and_reading_goes_on),
		cmocka_unit_test(close_notify_waits_behind_pending_output),
		cmocka_unit_test(
			after_close_notify_the_rest_can_be_sent_without_the_session),
		cmocka_unit_test(
			no_rest_is_left_where_there_is_nothing_to_send_to),
		cmocka_unit_test(an_end_without_close_notify_is_a_truncation),
		cmocka_unit_test(an_end_within_a_record_is_a_truncation),
		cmocka_unit_test(a_reset_is_passed_on),
		cmocka_unit_test(a_forged_byte_is_a_bad_record),
		cmocka_unit_test(plaintext_in_the_stream_is_a_bad_record),
		cmocka_unit_test(a_key_update_changes_the_keys_of_both_ways),
		cmocka_unit_test(key_updates_without_end_are_a_failure),
		cmocka_unit_test(renegotiation_is_refused),
		cmocka_unit_test(a_session_of_tls_1_2_carries_data_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
