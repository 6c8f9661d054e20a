/* SPDX-License-Identifier: MIT */
/*
 * The steps of a handshake as the debug log shows them.
 */
#include "engine_lab.h"

static const struct tls_engine *const tls = &tlsshim_engine;

/* All parts stand in the trace in this order; NULL ends the list. */
static void assert_trace(const struct lab *l, ...)
{
	const char *at = l->trace, *part;
	va_list ap;

	va_start(ap, l);
	while ((part = va_arg(ap, const char *))) {
		const char *found = strstr(at, part);

		if (!found)
			fail_msg("no \"%s\" in:\n%s", part, at);
		at = found + strlen(part);
	}
	va_end(ap);
}

static void each_step_of_tls_1_3_is_told(void **state)
{
	struct lab_options o = {.traced = true};
	struct lab l;

	(void)state;
	lab_connect(&l, &o);
	tls->probe(l.client);
	tls->shutdown(l.client);
	assert_trace(&l, "sent ClientHello: offers TLSv1.3 TLSv1.2, ",
		" cipher suites", ", server name db.example.com\n",
		"received ServerHello: chooses TLSv1.3, TLS_AES_256_GCM_SHA384",
		"received EncryptedExtensions\n", "received Certificate\n",
		"certificate 0: CN=db,O=Lab; issuer CN=Lab CA,O=Lab; serial ",
		"; valid 20", " to 20", "; key EC 256 bits\n",
		"received CertificateVerify\n", "received Finished\n",
		"sent Finished\n", "received NewSessionTicket\n",
		"sent warning alert close_notify\n", NULL);
	lab_close(&l);
}

static void each_step_of_tls_1_2_is_told(void **state)
{
	struct lab_options o = {.traced = true, .max_version = TLS1_2_VERSION};
	struct lab l;

	(void)state;
	lab_connect(&l, &o);
	assert_trace(&l,
		"received ServerHello: chooses TLSv1.2, ECDHE-ECDSA-AES256",
		"received Certificate\n", "certificate accepted",
		"received ServerKeyExchange\n", "received ServerHelloDone\n",
		"sent ClientKeyExchange\n", "sent ChangeCipherSpec\n",
		"sent Finished\n", "received Finished\n", NULL);
	lab_close(&l);
}

static void alerts_and_refused_certificates_are_told(void **state)
{
	struct tls_identity id = {.names = {"other"}, .n_names = 1};
	struct lab_options o = {.traced = true, .id = &id};
	struct lab l;

	(void)state;
	lab_open(&l, &o);
	assert_int_equal(lab_shake(&l), TLS_FAILED);
	assert_trace(&l, "certificate 0: CN=db",
		"sent fatal alert bad_certificate\n", NULL);
	assert_null(strstr(l.trace, "certificate accepted"));
	assert_null(strstr(l.trace, "server name"));
	lab_close(&l);
}

static void a_retry_is_told(void **state)
{
	struct lab_options o = {.traced = true};
	struct lab l;

	(void)state;
	o.server_ctx = lab_server_ctx(&o);
	SSL_CTX_set1_groups_list(o.server_ctx, "P-384");
	lab_connect(&l, &o);
	assert_trace(&l, "sent ClientHello", "received HelloRetryRequest",
		"sent ClientHello", "received ServerHello", NULL);
	lab_close(&l);
	SSL_CTX_free(o.server_ctx);
}

/* Lengths that lie must not lead the parser out of the message. */
static void a_hello_of_lies_is_survived(void **state)
{
	unsigned char hello[60];
	unsigned i;

	(void)state;
	for (i = 0; i < 2000; i++) {
		struct lab_options o = {.traced = true};
		struct lab l;
		size_t n = 4 + (size_t)rand() % 40, j;

		lab_open(&l, &o);
		tls->handshake(l.client);
		memcpy(hello, "\x16\x03\x03\x00", 4);
		hello[4] = (unsigned char)n;
		memcpy(hello + 5, "\x02\x00\x00", 3);
		hello[8] = (unsigned char)(n - 4);
		for (j = 9; j < n + 5; j++)
			hello[j] = (unsigned char)(rand() % 3 * 127);
		BIO_write(l.to_client, hello, (int)n + 5);
		assert_int_equal(tls->handshake(l.client), TLS_FAILED);
		lab_close(&l);
	}
}

static void without_a_wish_nothing_is_told(void **state)
{
	struct lab l;

	(void)state;
	lab_connect(&l, NULL);
	assert_int_equal(l.n_trace, 0);
	lab_close(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_step_of_tls_1_3_is_told),
		cmocka_unit_test(each_step_of_tls_1_2_is_told),
		cmocka_unit_test(alerts_and_refused_certificates_are_told),
		cmocka_unit_test(a_retry_is_told),
		cmocka_unit_test(a_hello_of_lies_is_survived),
		cmocka_unit_test(without_a_wish_nothing_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
