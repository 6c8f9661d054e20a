/* SPDX-License-Identifier: MIT */
/*
 * A peer that sends other things than data: what is allowed, and where it
 * ends.
 */
#include "engine_lab.h"

#include <openssl/ssl.h>
#include "engine/control.h"

static const struct tls_engine *const tls = &tlsshim_engine;

static void rekey(struct lab *l, int kind)
{
	assert_int_equal(SSL_key_update(l->server, kind), 1);
	assert_int_equal(SSL_do_handshake(l->server), 1);
}

static void give_ticket(struct lab *l)
{
	assert_int_equal(SSL_new_session_ticket(l->server), 1);
	assert_int_equal(SSL_do_handshake(l->server), 1);
}

static enum tls_result read_one(struct lab *l)
{
	char c;
	size_t n;

	return lab_read(l, &c, 1, &n);
}

static void assert_flood(struct lab *l, const char *what)
{
	assert_int_equal(read_one(l), TLS_FAILED);
	lab_assert_failure(l, TLS_FAIL_RECORD, what,
		"without end and no data between them", NULL);
	assert_int_equal(tls->probe(l->client), TLS_FAILED);
}

static void thirty_two_key_updates_in_a_row_are_a_peers_affair(void **state)
{
	struct lab l;
	int i, round;

	(void)state;
	lab_connect_quiet(&l, NULL);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 30; i++)
			rekey(&l, SSL_KEY_UPDATE_NOT_REQUESTED);
		assert_int_equal(tls->probe(l.client), TLS_WANT_READ);
		lab_server_write(&l, "x", 1);
		assert_int_equal(read_one(&l), TLS_OK);
	}
	lab_close(&l);
}

static void more_key_updates_in_a_row_end_the_session(void **state)
{
	struct lab l;
	int i;

	(void)state;
	lab_connect_quiet(&l, NULL);
	for (i = 0; i < 1000; i++)
		rekey(&l, SSL_KEY_UPDATE_NOT_REQUESTED);
	assert_flood(&l, "key updates");
	/* most of them were not even looked at */
	assert_true(lab_in_flight(&l) + 65536 >= 1000 * 27);
	lab_close(&l);
}

static void they_end_it_a_few_at_a_time_as_well(void **state)
{
	enum tls_result r = TLS_WANT_READ;
	struct lab l;
	int i;

	(void)state;
	lab_connect_quiet(&l, NULL);
	for (i = 0; i < 1000 && r == TLS_WANT_READ; i++) {
		rekey(&l, SSL_KEY_UPDATE_NOT_REQUESTED);
		r = tls->probe(l.client);
	}
	assert_int_equal(r, TLS_FAILED);
	assert_true(i > 30 && i < 40);
	assert_flood(&l, "key updates");
	lab_close(&l);
}

static void what_we_send_counts_as_data(void **state)
{
	struct lab l;
	size_t n;
	int i;

	(void)state;
	lab_connect_quiet(&l, NULL);
	for (i = 0; i < 200; i++) {
		rekey(&l, SSL_KEY_UPDATE_REQUESTED);
		assert_int_equal(tls->probe(l.client), TLS_WANT_READ);
		assert_int_equal(lab_write_some(&l, "x", 1, &n), TLS_OK);
		lab_serve(&l);
	}
	assert_int_equal(l.n_got, 200);
	lab_close(&l);
}

/* A connection may be idle for months, and its peer changes keys now and
 * then. */
static void what_came_a_minute_ago_is_forgiven(void **state)
{
	struct lab l;
	int i, round;

	(void)state;
	lab_connect_quiet(&l, NULL);
	for (round = 0; round < 10; round++) {
		for (i = 0; i < 30; i++)
			rekey(&l, SSL_KEY_UPDATE_NOT_REQUESTED);
		assert_int_equal(tls->probe(l.client), TLS_WANT_READ);
		l.client->control.since -= CONTROL_SECONDS;
	}
	/* What came within the minute is not. */
	for (i = 0; i < 20; i++)
		rekey(&l, SSL_KEY_UPDATE_NOT_REQUESTED);
	assert_int_equal(tls->probe(l.client), TLS_WANT_READ);
	for (i = 0; i < 20; i++)
		rekey(&l, SSL_KEY_UPDATE_NOT_REQUESTED);
	assert_flood(&l, "key updates");
	lab_close(&l);
}

static void tickets_without_end_end_the_session(void **state)
{
	struct lab l;
	int i;

	(void)state;
	lab_connect_quiet(&l, NULL);
	for (i = 0; i < 25; i++)
		give_ticket(&l);
	assert_int_equal(tls->probe(l.client), TLS_WANT_READ);
	for (i = 0; i < 100; i++)
		give_ticket(&l);
	assert_flood(&l, "session tickets");
	lab_close(&l);
}

static void renegotiation_asked_for_without_end_ends_the_session(void **state)
{
	struct lab_options o = {.max_version = TLS1_2_VERSION};
	enum tls_result r = TLS_WANT_READ;
	struct lab l;
	int i;

	(void)state;
	lab_connect_quiet(&l, &o);
	for (i = 0; i < 1000 && r == TLS_WANT_READ; i++) {
		SSL_renegotiate(l.server);
		SSL_do_handshake(l.server);
		r = tls->probe(l.client);
	}
	assert_int_equal(r, TLS_FAILED);
	assert_true(i < 40);
	assert_flood(&l, "requests to renegotiate");
	lab_close(&l);
}

/* Else one read of a big buffer is as expensive as the peer likes. */
static void key_updates_between_single_bytes_are_spread_over_calls(void **state)
{
	enum tls_result r;
	unsigned calls = 0;
	char buf[1000];
	size_t n = 0, got = 0;
	struct lab l;
	int i;

	(void)state;
	lab_connect_quiet(&l, NULL);
	for (i = 0; i < 500; i++) {
		rekey(&l, SSL_KEY_UPDATE_NOT_REQUESTED);
		lab_server_write(&l, "x", 1);
	}
	do {
		r = lab_read(&l, buf, sizeof(buf), &n);
		assert_true(n <= 32);
		got += n;
		calls++;
	} while (r == TLS_OK || r == TLS_PAUSED);
	assert_int_equal(r, TLS_WANT_READ);
	assert_int_equal(got, 500);
	assert_true(calls >= 500 / 32);
	for (i = 0; i < 100; i++) {
		rekey(&l, SSL_KEY_UPDATE_NOT_REQUESTED);
		lab_server_write(&l, "x", 1);
	}
	assert_int_equal(tls->fill(l.client, 100, &n), TLS_PAUSED);
	assert_true(n <= 32);
	lab_close(&l);
}

static void answers_that_the_peer_does_not_take_are_bounded(void **state)
{
	enum tls_result r = TLS_OK;
	struct lab l;
	int i;

	(void)state;
	lab_connect_quiet(&l, NULL);
	l.send_budget = 0;
	for (i = 0; i < 20000 && (r == TLS_OK || r == TLS_PAUSED); i++) {
		rekey(&l, SSL_KEY_UPDATE_REQUESTED);
		lab_server_write(&l, "x", 1);
		r = read_one(&l);
		assert_true(tls->pending_out(l.client) <= 256 << 10);
	}
	assert_int_equal(r, TLS_FAILED);
	lab_assert_failure(&l, TLS_FAIL_RECORD,
		"demands answers without end and takes none", NULL);
	lab_close(&l);
}

/* A HelloRequest is allowed at any time and no part of the handshake. */
static void a_handshake_without_end_is_a_failure(void **state)
{
	static unsigned char record[5 + 16384] = {0x16, 3, 3, 0x40, 0};
	enum tls_result r = TLS_WANT_READ;
	struct lab l;
	size_t fed = 0;

	(void)state;
	lab_open(&l, NULL);
	assert_int_equal(tls->handshake(l.client), TLS_WANT_READ);
	while (r == TLS_WANT_READ && fed < 10 << 20) {
		BIO_write(l.to_client, record, sizeof(record));
		fed += sizeof(record);
		r = tls->handshake(l.client);
	}
	assert_int_equal(r, TLS_FAILED);
	assert_true(fed <= (256 + 32) << 10);
	lab_assert_failure(&l, TLS_FAIL_PROTOCOL, "has no end", NULL);
	lab_close(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			thirty_two_key_updates_in_a_row_are_a_peers_affair),
		cmocka_unit_test(more_key_updates_in_a_row_end_the_session),
		cmocka_unit_test(they_end_it_a_few_at_a_time_as_well),
		cmocka_unit_test(what_we_send_counts_as_data),
		cmocka_unit_test(what_came_a_minute_ago_is_forgiven),
		cmocka_unit_test(tickets_without_end_end_the_session),
		cmocka_unit_test(
			renegotiation_asked_for_without_end_ends_the_session),
		cmocka_unit_test(
			key_updates_between_single_bytes_are_spread_over_calls),
		cmocka_unit_test(
			answers_that_the_peer_does_not_take_are_bounded),
		cmocka_unit_test(a_handshake_without_end_is_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
