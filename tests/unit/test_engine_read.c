/* SPDX-License-Identifier: MIT */
/*
 * Reading through an open session: what is readable, what a read takes, and
 * what can be seen before it is taken.
 */
#include "engine_lab.h"

#define BIG ((size_t)3 << 20)

static const struct tls_engine *const tls = &tlsshim_engine;

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
	lab_connect_quiet(&l, NULL);
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
	lab_connect_quiet(&l, NULL);
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
	lab_connect_quiet(&l, NULL);
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
	lab_connect_quiet(&l, NULL);
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
	lab_connect_quiet(&l, NULL);
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
	lab_connect_quiet(&l, NULL);
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
	lab_connect_quiet(&l, NULL);
	l.random_steps = true;
	lab_server_write(&l, data, BIG);
	memset(data, 0, BIG);
	while (got < BIG) {
		size_t want = 1 + (size_t)rand() % 100000;
		enum tls_result r;

		if (want > BIG - got)
			want = BIG - got;
		r = lab_read(&l, data + got, want, &n);
		if (r != TLS_WANT_READ) /* half a record, so far */
			assert_int_equal(r, TLS_OK);
		got += n;
	}
	lab_assert_pattern(data, BIG, 0);
	assert_int_equal(tls->probe(l.client), TLS_WANT_READ);
	lab_close(&l);
	free(data);
}

static void pending_in_tells_what_the_kernel_no_longer_has(void **state)
{
	struct lab l;
	char buf[9];
	size_t n;

	(void)state;
	lab_connect_quiet(&l, NULL);
	assert_false(tls->pending_in(l.client));
	lab_server_write(&l, "one", 3);
	assert_false(tls->pending_in(l.client));
	assert_int_equal(lab_read(&l, buf, 1, &n), TLS_OK);
	assert_true(tls->pending_in(l.client));
	assert_int_equal(lab_read(&l, buf, 9, &n), TLS_OK);
	assert_false(tls->pending_in(l.client));
	lab_server_write(&l, "two", 3);
	SSL_shutdown(l.server);
	assert_int_equal(lab_read(&l, buf, 3, &n), TLS_OK);
	assert_true(tls->pending_in(l.client));
	assert_int_equal(lab_read(&l, buf, 3, &n), TLS_EOF);
	assert_true(tls->pending_in(l.client));
	lab_close(&l);
}

/* ---- peeking ---- */

static void fill_holds_what_peekv_shows_and_readv_takes(void **state)
{
	char buf[100] = "";
	struct iovec iov = {buf, 4};
	size_t n, avail;
	struct lab l;

	(void)state;
	lab_connect_quiet(&l, NULL);
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
	lab_connect_quiet(&l, NULL);
	lab_server_write(&l, "hello", 5);
	tls->fill(l.client, 5, &avail);
	assert_int_equal(l.recvs, 1);
	lab_server_write(&l, "hello", 5);
	l.recvs = 0;
	assert_int_equal(tls->fill(l.client, 11, &avail), TLS_WANT_READ);
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
	lab_connect_quiet(&l, NULL);
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

static void fill_tells_the_end_behind_what_waits(void **state)
{
	size_t n, avail;
	struct lab l;
	char c;

	(void)state;
	lab_connect_quiet(&l, NULL);
	lab_server_write(&l, "x", 1);
	SSL_shutdown(l.server);
	assert_int_equal(tls->fill(l.client, 1, &avail), TLS_OK);
	assert_int_equal(tls->fill(l.client, 10, &avail), TLS_EOF);
	assert_int_equal(avail, 1);
	assert_int_equal(tls->probe(l.client), TLS_OK);
	lab_read(&l, &c, 1, &n);
	assert_int_equal(tls->fill(l.client, 10, &avail), TLS_EOF);
	assert_int_equal(avail, 0);
	assert_int_equal(tls->probe(l.client), TLS_EOF);
	lab_close(&l);
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
		cmocka_unit_test(
			pending_in_tells_what_the_kernel_no_longer_has),
		cmocka_unit_test(fill_holds_what_peekv_shows_and_readv_takes),
		cmocka_unit_test(
			fill_asks_again_while_fewer_than_wanted_are_there),
		cmocka_unit_test(fill_never_holds_more_than_a_mebibyte),
		cmocka_unit_test(fill_tells_the_end_behind_what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
