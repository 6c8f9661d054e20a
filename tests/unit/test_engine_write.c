/* SPDX-License-Identifier: MIT */
/*
 * Writing through an open session: how bytes become records, and what happens
 * when the transport takes its time.
 */
#include "engine_lab.h"

#include <errno.h>

#define BIG ((size_t)3 << 20)

static const struct tls_engine *const tls = &tlsshim_engine;

static void several_small_buffers_share_one_record(void **state)
{
	struct iovec iov[] = {{(char *)(uintptr_t) "one", 3}, {NULL, 0},
		{(char *)(uintptr_t) "two", 3}};
	struct lab l;
	size_t n;

	(void)state;
	lab_connect_quiet(&l, NULL);
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
	lab_connect_quiet(&l, NULL);
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
	lab_connect_quiet(&l, NULL);
	assert_int_equal(lab_write_some(&l, data, sizeof(data), &n), TLS_OK);
	assert_int_equal(n, sizeof(data));
	/* 64 records: windows of 1, 2, 2, 2 ... */
	assert_true(l.sends <= 34);
	lab_close(&l);
}

static void nothing_is_taken_while_output_is_pending(void **state)
{
	static char data[1 << 20];
	size_t n, pending;
	struct lab l;

	(void)state;
	lab_connect_quiet(&l, NULL);
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

static void a_window_never_exceeds_32_kib(void **state)
{
	static char data[1 << 20];
	struct lab l;
	size_t n;

	(void)state;
	lab_connect_quiet(&l, NULL);
	lab_write_some(&l, data, sizeof(data), &n);
	l.send_budget = 0;
	assert_int_equal(lab_write_some(&l, data, sizeof(data), &n), TLS_OK);
	assert_int_equal(n, 32768);
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
	lab_connect_quiet(&l, NULL);
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
	lab_connect_quiet(&l, NULL);
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
	lab_connect_quiet(&l, NULL);
	lab_server_write(&l, "413 too big", 11);
	l.send_error = EPIPE;
	assert_int_equal(lab_write_some(&l, "x", 1, &n), TLS_FAILED);
	assert_int_equal(n, 0);
	lab_assert_failure(&l, TLS_FAIL_TRANSPORT, "Broken pipe", NULL);
	assert_int_equal(tls->failure(l.client)->transport_errno, EPIPE);
	assert_int_equal(lab_read(&l, buf, sizeof(buf), &n), TLS_OK);
	assert_memory_equal(buf, "413 too big", 11);
	assert_int_equal(tls->pending_out(l.client), 0);
	assert_int_equal(tls->flush(l.client), TLS_FAILED);
	lab_close(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(several_small_buffers_share_one_record),
		cmocka_unit_test(a_small_and_a_big_buffer_arrive_in_order),
		cmocka_unit_test(several_records_leave_in_one_send),
		cmocka_unit_test(nothing_is_taken_while_output_is_pending),
		cmocka_unit_test(a_window_never_exceeds_32_kib),
		cmocka_unit_test(a_big_transfer_leaves_whole_by_random_steps),
		cmocka_unit_test(a_write_of_no_bytes_sends_no_record),
		cmocka_unit_test(reading_goes_on_when_writing_broke),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
