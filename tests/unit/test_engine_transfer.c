/* SPDX-License-Identifier: MIT */
/*
 * Plaintext through an open session: reading, writing, what is readable, and
 * how it ends.
 */
#include "engine_lab.h"

#include <errno.h>

#define BIG ((size_t)3 << 20)

static const struct tls_engine *const tls = &tlsshim_engine;

/* Connected, and the tickets of the server read. */
static void connect_quiet(struct lab *l, const struct lab_options *o)
{
	lab_connect(l, o);
	assert_int_equal(tls->probe(l->client), TLS_WANT_READ);
	l->recvs = l->sends = 0;
}

/* ---- reading ---- */

static void session_tickets_are_not_readable(void **state)
{
	size_t n, avail;
	struct lab l;
	char c;

	(void)state;
	lab_connect(&l, NULL);
	assert_true(lab_in_flight(&l) > 0);
	assert_int_equal(tls->probe(l.client), TLS_WANT_READ);
	assert_int_equal(lab_in_flight(&l), 0);
	assert_int_equal(tls->fill(l.client, 1, &avail), TLS_WANT_READ);
	assert_int_equal(avail, 0);
	assert_int_equal(lab_read(&l, &c, 1, &n), TLS_WANT_READ);
	assert_int_equal(n, 0);
	lab_close(&l);
}

static void half_a_record_is_not_readable(void **state)
{
	struct lab l;
	char buf[10];
	size_t n;

	(void)state;
	connect_quiet(&l, NULL);
	lab_server_write(&l, "hello", 5);
	l.recv_budget = lab_in_flight(&l) - 1;
	assert_int_equal(tls->probe(l.client), TLS_WANT_READ);
	assert_int_equal(lab_read(&l, buf, sizeof(buf), &n), TLS_WANT_READ);
	l.recv_budget = 1;
	assert_int_equal(tls->probe(l.client), TLS_OK);
	assert_int_equal(lab_read(&l, buf, sizeof(buf), &n), TLS_OK);
	assert_int_equal(n, 5);
	assert_memory_equal(buf, "hello", 5);
	lab_close(&l);
}

static void a_read_fills_the_buffers_across_records(void **state)
{
	char a[7], b[1], c[100];
	struct iovec iov[] = {{a, 7}, {NULL, 0}, {b, 1}, {c, 100}};
	struct lab l;
	size_t n;

	(void)state;
	connect_quiet(&l, NULL);
	lab_server_write(&l, "one", 3);
	lab_server_write(&l, "two", 3);
	lab_server_write(&l, "three", 5);
	assert_int_equal(tls->readv(l.client, iov, 4, &n), TLS_OK);
	assert_int_equal(n, 11);
	assert_memory_equal(a, "onetwot", 7);
	assert_memory_equal(b, "h", 1);
	assert_memory_equal(c, "ree", 3);
	assert_int_equal(tls->readv(l.client, iov, 4, &n), TLS_WANT_READ);
	assert_int_equal(n, 0);
	lab_close(&l);
}

static void a_record_is_read_in_pieces(void **state)
{
	struct lab l;
	char buf[3];
	size_t n;

	(void)state;
	connect_quiet(&l, NULL);
	lab_server_write(&l, "hello", 5);
	assert_int_equal(lab_read(&l, buf, 3, &n), TLS_OK);
	assert_memory_equal(buf, "hel", 3);
	assert_int_equal(tls->probe(l.client), TLS_OK);
	assert_int_equal(lab_read(&l, buf, 3, &n), TLS_OK);
	assert_int_equal(n, 2);
	assert_memory_equal(buf, "lo", 2);
	lab_close(&l);
}

/* One recv() brings it; that it was short says that there is no more. */
static void a_drained_transport_is_not_asked_again(void **state)
{
	struct lab l;
	char buf[100];
	size_t n;

	(void)state;
	connect_quiet(&l, NULL);
	lab_server_write(&l, "hello", 5);
	assert_int_equal(lab_read(&l, buf, sizeof(buf), &n), TLS_OK);
	assert_int_equal(l.recvs, 1);
	lab_close(&l);
}

static void a_read_that_has_nothing_always_asks_the_transport(void **state)
{
	struct lab l;
	char buf[100];
	size_t n;

	(void)state;
	connect_quiet(&l, NULL);
	lab_server_write(&l, "a", 1);
	lab_read(&l, buf, 1, &n);
	lab_server_write(&l, "b", 1);
	assert_int_equal(lab_read(&l, buf, 100, &n), TLS_OK);
	assert_memory_equal(buf, "b", 1);
	lab_server_write(&l, "c", 1);
	assert_int_equal(tls->probe(l.client), TLS_OK);
	lab_read(&l, buf, 100, &n);
	lab_server_write(&l, "d", 1);
	assert_int_equal(tls->probe(l.client), TLS_OK);
	lab_close(&l);
}

static void a_read_of_no_bytes_takes_none(void **state)
{
	struct lab l;
	size_t n = 9;

	(void)state;
	connect_quiet(&l, NULL);
	lab_server_write(&l, "x", 1);
	assert_int_equal(tls->readv(l.client, NULL, 0, &n), TLS_OK);
	assert_int_equal(n, 0);
	assert_int_equal(tls->probe(l.client), TLS_OK);
	lab_close(&l);
}

static void a_big_transfer_arrives_whole_by_random_steps(void **state)
{
	unsigned char *data = malloc(BIG);
	size_t n, got = 0;
	struct lab l;

	(void)state;
	lab_pattern(data, BIG, 0);
	connect_quiet(&l, NULL);
	l.random_steps = true;
	lab_server_write(&l, data, BIG);
	memset(data, 0, BIG);
	while (got < BIG) {
		size_t want = 1 + (size_t)rand() % 100000;

		if (want > BIG - got)
			want = BIG - got;
		assert_int_equal(lab_read(&l, data + got, want, &n), TLS_OK);
		got += n;
	}
	lab_assert_pattern(data, BIG, 0);
	assert_int_equal(tls->probe(l.client), TLS_WANT_READ);
	lab_close(&l);
	free(data);
}

/* ---- peeking ---- */

static void fill_holds_what_peekv_shows_and_readv_takes(void **state)
{
	char buf[100] = "";
	struct iovec iov = {buf, 4};
	size_t n, avail;
	struct lab l;

	(void)state;
	connect_quiet(&l, NULL);
	lab_server_write(&l, "one", 3);
	lab_server_write(&l, "two", 3);
	assert_int_equal(tls->fill(l.client, 1, &avail), TLS_OK);
	assert_int_equal(avail, 6);
	assert_int_equal(tls->peekv(l.client, &iov, 1), 4);
	assert_memory_equal(buf, "onet", 4);
	assert_int_equal(tls->probe(l.client), TLS_OK);
	assert_int_equal(lab_read(&l, buf, 2, &n), TLS_OK);
	assert_memory_equal(buf, "on", 2);
	lab_server_write(&l, "three", 5);
	assert_int_equal(tls->fill(l.client, 1, &avail), TLS_OK);
	assert_int_equal(avail, 9);
	lab_server_write(&l, "four", 4);
	assert_int_equal(lab_read(&l, buf, 100, &n), TLS_OK);
	assert_memory_equal(buf, "etwothree", 9);
	lab_close(&l);
}

static void fill_asks_again_while_fewer_than_wanted_are_there(void **state)
{
	size_t avail;
	struct lab l;

	(void)state;
	connect_quiet(&l, NULL);
	lab_server_write(&l, "hello", 5);
	tls->fill(l.client, 5, &avail);
	assert_int_equal(l.recvs, 1);
	lab_server_write(&l, "hello", 5);
	l.recvs = 0;
	assert_int_equal(tls->fill(l.client, 11, &avail), TLS_OK);
	assert_int_equal(avail, 10);
	assert_int_equal(l.recvs, 2);
	lab_close(&l);
}

static void fill_never_holds_more_than_a_mebibyte(void **state)
{
	unsigned char *data = malloc(BIG);
	size_t n, got, avail;
	struct lab l;

	(void)state;
	lab_pattern(data, BIG, 0);
	connect_quiet(&l, NULL);
	lab_server_write(&l, data, BIG);
	memset(data, 0, BIG);
	assert_int_equal(tls->fill(l.client, BIG, &avail), TLS_OK);
	assert_int_equal(avail, 1 << 20);
	lab_read(&l, data, 1000, &got);
	assert_int_equal(tls->fill(l.client, 1, &avail), TLS_OK);
	assert_int_equal(avail, 1 << 20);
	while (got < BIG) {
		assert_int_equal(
			lab_read(&l, data + got, BIG - got, &n), TLS_OK);
		got += n;
	}
	lab_assert_pattern(data, BIG, 0);
	lab_close(&l);
	free(data);
}

static void fill_tells_the_end_once_all_is_read(void **state)
{
	size_t n, avail;
	struct lab l;
	char c;

	(void)state;
	connect_quiet(&l, NULL);
	lab_server_write(&l, "x", 1);
	SSL_shutdown(l.server);
	assert_int_equal(tls->fill(l.client, 10, &avail), TLS_OK);
	assert_int_equal(avail, 1);
	assert_int_equal(tls->probe(l.client), TLS_OK);
	lab_read(&l, &c, 1, &n);
	assert_int_equal(tls->fill(l.client, 10, &avail), TLS_EOF);
	assert_int_equal(avail, 0);
	assert_int_equal(tls->probe(l.client), TLS_EOF);
	lab_close(&l);
}

/* ---- writing ---- */

static void several_small_buffers_share_one_record(void **state)
{
	struct iovec iov[] = {{(char *)(uintptr_t) "one", 3}, {NULL, 0},
		{(char *)(uintptr_t) "two", 3}};
	struct lab l;
	size_t n;

	(void)state;
	connect_quiet(&l, NULL);
	assert_int_equal(tls->writev(l.client, iov, 3, &n), TLS_OK);
	assert_int_equal(n, 6);
	assert_int_equal(l.sends, 1);
	/* header, text, type, tag */
	assert_int_equal(BIO_ctrl_pending(l.to_server), 5 + 6 + 1 + 16);
	lab_serve(&l);
	assert_int_equal(l.n_got, 6);
	assert_memory_equal(l.got, "onetwo", 6);
	lab_close(&l);
}

static void a_small_and_a_big_buffer_arrive_in_order(void **state)
{
	size_t sizes[] = {3, 16384, 1, 40000, 0, 16385, 20};
	unsigned char *data = malloc(100000);
	struct iovec iov[7];
	size_t i, n, total = 0;
	struct lab l;

	(void)state;
	lab_pattern(data, 100000, 0);
	for (i = 0; i < 7; i++) {
		iov[i] = (struct iovec){data + total, sizes[i]};
		total += sizes[i];
	}
	connect_quiet(&l, NULL);
	assert_int_equal(tls->writev(l.client, iov, 7, &n), TLS_OK);
	assert_int_equal(n, total);
	lab_serve(&l);
	assert_int_equal(l.n_got, total);
	lab_assert_pattern(l.got, total, 0);
	lab_close(&l);
	free(data);
}

static void several_records_leave_in_one_send(void **state)
{
	static char data[1 << 20];
	struct lab l;
	size_t n;

	(void)state;
	connect_quiet(&l, NULL);
	assert_int_equal(lab_write_some(&l, data, sizeof(data), &n), TLS_OK);
	assert_int_equal(n, sizeof(data));
	/* 64 records: windows of 1, 2, 4, 4, 4 ... */
	assert_true(l.sends <= 18);
	lab_close(&l);
}

static void nothing_is_taken_while_output_is_pending(void **state)
{
	static char data[1 << 20];
	size_t n, pending;
	struct lab l;

	(void)state;
	connect_quiet(&l, NULL);
	l.send_budget = 100;
	assert_int_equal(lab_write_some(&l, data, sizeof(data), &n), TLS_OK);
	assert_int_equal(n, 16384);
	pending = tls->pending_out(l.client);
	assert_true(pending > 16384 - 100 && pending < 16384 + 100);
	assert_int_equal(lab_write_some(&l, data, 1, &n), TLS_WANT_WRITE);
	assert_int_equal(n, 0);
	assert_int_equal(tls->pending_out(l.client), pending);
	assert_int_equal(tls->flush(l.client), TLS_WANT_WRITE);
	l.send_budget = SIZE_MAX;
	assert_int_equal(tls->flush(l.client), TLS_OK);
	assert_int_equal(tls->pending_out(l.client), 0);
	lab_serve(&l);
	assert_int_equal(l.n_got, 16384);
	lab_close(&l);
}

static void a_window_never_exceeds_64_kib(void **state)
{
	static char data[1 << 20];
	struct lab l;
	size_t n;

	(void)state;
	connect_quiet(&l, NULL);
	lab_write_some(&l, data, sizeof(data), &n);
	l.send_budget = 0;
	assert_int_equal(lab_write_some(&l, data, sizeof(data), &n), TLS_OK);
	assert_int_equal(n, 65536);
	l.send_budget = SIZE_MAX;
	tls->flush(l.client);
	/* and starts again with one record */
	l.send_budget = 0;
	assert_int_equal(lab_write_some(&l, data, sizeof(data), &n), TLS_OK);
	assert_int_equal(n, 16384);
	lab_close(&l);
}

static void a_big_transfer_leaves_whole_by_random_steps(void **state)
{
	unsigned char *data = malloc(BIG);
	size_t n, sent = 0;
	struct lab l;

	(void)state;
	lab_pattern(data, BIG, 0);
	connect_quiet(&l, NULL);
	l.random_steps = true;
	while (sent < BIG || tls->pending_out(l.client)) {
		size_t want = 1 + (size_t)rand() % 100000;

		if (want > BIG - sent)
			want = BIG - sent;
		l.send_budget = (size_t)rand() % 100000;
		switch (lab_write_some(&l, data + sent, want, &n)) {
		case TLS_OK:
			assert_true(n > 0 || want == 0);
			break;
		case TLS_WANT_WRITE:
			assert_int_equal(n, 0);
			break;
		default:
			fail();
		}
		sent += n;
		lab_serve(&l);
	}
	assert_int_equal(l.n_got, BIG);
	lab_assert_pattern(l.got, BIG, 0);
	lab_close(&l);
	free(data);
}

static void a_write_of_no_bytes_sends_no_record(void **state)
{
	struct lab l;
	size_t n = 9;

	(void)state;
	connect_quiet(&l, NULL);
	assert_int_equal(tls->writev(l.client, NULL, 0, &n), TLS_OK);
	assert_int_equal(n, 0);
	assert_int_equal(BIO_ctrl_pending(l.to_server), 0);
	lab_close(&l);
}

static void reading_goes_on_when_writing_broke(void **state)
{
	char buf[20];
	struct lab l;
	size_t n;

	(void)state;
	connect_quiet(&l, NULL);
	lab_server_write(&l, "413 too big", 11);
	l.send_error = EPIPE;
	assert_int_equal(lab_write_some(&l, "x", 1, &n), TLS_OK);
	assert_int_equal(lab_write_some(&l, "x", 1, &n), TLS_FAILED);
	lab_assert_failure(&l, TLS_FAIL_TRANSPORT, "Broken pipe", NULL);
	assert_int_equal(tls->failure(l.client)->transport_errno, EPIPE);
	assert_int_equal(lab_read(&l, buf, sizeof(buf), &n), TLS_OK);
	assert_memory_equal(buf, "413 too big", 11);
	assert_int_equal(tls->pending_out(l.client), 0);
	assert_int_equal(tls->flush(l.client), TLS_FAILED);
	lab_close(&l);
}

/* ---- the end ---- */

static void close_notify_of_the_peer_is_the_end_and_writing_goes_on(
	void **state)
{
	struct lab l;
	char buf[9];
	size_t n;

	(void)state;
	connect_quiet(&l, NULL);
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
	connect_quiet(&l, NULL);
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
	connect_quiet(&l, NULL);
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

static void an_end_without_close_notify_is_a_truncation(void **state)
{
	struct lab l;
	char buf[9];
	size_t n;

	(void)state;
	connect_quiet(&l, NULL);
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
	connect_quiet(&l, NULL);
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
	connect_quiet(&l, NULL);
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
	connect_quiet(&l, NULL);
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
	connect_quiet(&l, NULL);
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
	connect_quiet(&l, NULL);
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
	connect_quiet(&l, NULL);
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
	connect_quiet(&l, &o);
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
	connect_quiet(&l, &o);
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
		cmocka_unit_test(session_tickets_are_not_readable),
		cmocka_unit_test(half_a_record_is_not_readable),
		cmocka_unit_test(a_read_fills_the_buffers_across_records),
		cmocka_unit_test(a_record_is_read_in_pieces),
		cmocka_unit_test(a_drained_transport_is_not_asked_again),
		cmocka_unit_test(
			a_read_that_has_nothing_always_asks_the_transport),
		cmocka_unit_test(a_read_of_no_bytes_takes_none),
		cmocka_unit_test(a_big_transfer_arrives_whole_by_random_steps),
		cmocka_unit_test(fill_holds_what_peekv_shows_and_readv_takes),
		cmocka_unit_test(
			fill_asks_again_while_fewer_than_wanted_are_there),
		cmocka_unit_test(fill_never_holds_more_than_a_mebibyte),
		cmocka_unit_test(fill_tells_the_end_once_all_is_read),
		cmocka_unit_test(several_small_buffers_share_one_record),
		cmocka_unit_test(a_small_and_a_big_buffer_arrive_in_order),
		cmocka_unit_test(several_records_leave_in_one_send),
		cmocka_unit_test(nothing_is_taken_while_output_is_pending),
		cmocka_unit_test(a_window_never_exceeds_64_kib),
		cmocka_unit_test(a_big_transfer_leaves_whole_by_random_steps),
		cmocka_unit_test(a_write_of_no_bytes_sends_no_record),
		cmocka_unit_test(reading_goes_on_when_writing_broke),
		cmocka_unit_test(
			close_notify_of_the_peer_is_the_end_and_writing_goes_on),
		cmocka_unit_test(
			shutdown_sends_close_notify_once_and_reading_goes_on),
		cmocka_unit_test(close_notify_waits_behind_pending_output),
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
