/* SPDX-License-Identifier: MIT */
/*
 * Session tickets: used again only where the verification that they stand
 * for was the same one.
 */
#include "engine/session.h"
#include "engine/tickets.h"
#include "engine_lab.h"

#include <malloc.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const struct tls_engine *const tls = &tlsshim_engine;

#define HOUR 3600
#define DAY (24 * HOUR)

/* ---- clocks that a test sets, of the engine and of OpenSSL ---- */

static time_t date_ahead, boot_ahead;

int clock_gettime(clockid_t clock, struct timespec *now)
{
	long result = syscall(SYS_clock_gettime, clock, now);

	now->tv_sec += clock == CLOCK_BOOTTIME	 ? boot_ahead
		       : clock == CLOCK_REALTIME ? date_ahead
						 : 0;
	return (int)result;
}

time_t time(time_t *to)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (to)
		*to = now.tv_sec;
	return now.tv_sec;
}

static int reset_clocks(void **state)
{
	(void)state;
	date_ahead = boot_ahead = 0;
	return 0;
}

static void pass(time_t seconds)
{
	date_ahead += seconds;
	boot_ahead += seconds;
}

/* One server that remembers; contexts of a client that do not. */
struct setup {
	struct lab_options o;
	struct tls_identity id;
};

static struct setup start_with(int max_version, struct tls_settings settings,
	const struct lab_cert *cert, const struct lab_cert *extra)
{
	struct setup s = {.o = {.max_version = max_version,
				  .cert = cert,
				  .extra = extra}};
	struct tls_failure why;

	if (!settings.ca_file)
		settings.ca_file = lab_pem(lab_ca(), NULL);
	s.id = (struct tls_identity){.sni = "db.example.com",
		.names = {"db.example.com"},
		.n_names = 1,
		.cache_key = "db.example.com:5432"};
	s.o.server_ctx = lab_server_ctx(&s.o);
	SSL_CTX_set_timeout(s.o.server_ctx, 7 * DAY);
	s.o.ctx = tls->context_new(&settings, &why);
	assert_non_null(s.o.ctx);
	return s;
}

static struct setup start(int max_version)
{
	return start_with(max_version, (struct tls_settings){0}, NULL, NULL);
}

static void stop_server(struct setup *s)
{
	SSL_CTX_free(s->o.server_ctx);
}

/* A connection; was it resumed, as both sides see it? */
static bool connects_resumed(struct setup *s)
{
	struct tls_info info;
	struct lab l;

	s->o.id = &s->id;
	lab_connect(&l, &s->o);
	tls->probe(l.client); /* the tickets of TLS 1.3 */
	tls->info(l.client, &info);
	assert_int_equal(info.resumed, SSL_session_reused(l.server));
	assert_non_null(strstr(info.subject, "CN=db,O=Lab"));
	lab_close(&l);
	return info.resumed;
}

static void a_second_connection_resumes(void **state)
{
	struct setup s = start(0);

	(void)state;
	assert_false(connects_resumed(&s));
	assert_true(connects_resumed(&s));
	assert_true(connects_resumed(&s));
	stop_server(&s);
}

static void a_second_connection_of_tls_1_2_resumes(void **state)
{
	struct setup s = start(TLS1_2_VERSION);

	(void)state;
	assert_false(connects_resumed(&s));
	assert_true(connects_resumed(&s));
	assert_true(connects_resumed(&s));
	stop_server(&s);
}

static void a_resumed_session_carries_data(void **state)
{
	struct setup s = start(0);
	struct lab l;
	char buf[9];
	size_t n;

	(void)state;
	connects_resumed(&s);
	lab_connect(&l, &s.o);
	assert_int_equal(lab_write_some(&l, "hello", 5, &n), TLS_OK);
	lab_serve(&l);
	assert_memory_equal(l.got, "hello", 5);
	lab_server_write(&l, "there", 5);
	assert_int_equal(lab_read(&l, buf, 9, &n), TLS_OK);
	assert_memory_equal(buf, "there", 5);
	lab_close(&l);
	stop_server(&s);
}

/* RFC 8446, appendix C.4: two connections with one ticket can be linked. */
static void a_ticket_of_tls_1_3_is_used_once(void **state)
{
	struct setup s = start(0);
	struct lab l[3];
	int i;

	(void)state;
	assert_false(connects_resumed(&s)); /* gives two tickets */
	s.o.id = &s.id;
	for (i = 0; i < 3; i++)
		lab_open(&l[i], &s.o);
	for (i = 0; i < 3; i++) {
		assert_int_equal(lab_shake(&l[i]), TLS_OK);
		assert_int_equal(SSL_session_reused(l[i].server), i < 2);
	}
	for (i = 0; i < 3; i++)
		lab_close(&l[i]);
	stop_server(&s);
}

static void another_identity_does_not_resume(void **state)
{
	struct setup s = start(0);
	struct tls_identity usual = s.id;

	(void)state;
	assert_false(connects_resumed(&s));
	s.id.cache_key = "db.example.com:5433";
	assert_false(connects_resumed(&s));
	s.id = usual;
	s.id.sni = "a.wild.example.com";
	assert_false(connects_resumed(&s));
	s.id = usual;
	s.id.sni = NULL;
	assert_false(connects_resumed(&s));
	s.id = usual;
	s.id.names[0] = "a.wild.example.com";
	assert_false(connects_resumed(&s));
	s.id = usual;
	s.id.names[s.id.n_names++] = "a.wild.example.com";
	assert_false(connects_resumed(&s));
	s.id = usual;
	s.id.or_localhost = true;
	assert_false(connects_resumed(&s));
	s.id = usual;
	memcpy(s.id.ip, "\x0a\x00\x00\x01", 4);
	s.id.ip_len = 4;
	assert_false(connects_resumed(&s));
	s.id.ip[3] = 2;
	assert_false(connects_resumed(&s));
	s.id = usual;
	assert_true(connects_resumed(&s));
	stop_server(&s);
}

static void a_forbidden_name_is_refused_despite_tickets(void **state)
{
	struct setup s = start(0);
	struct lab l;

	(void)state;
	assert_false(connects_resumed(&s));
	s.id.names[0] = "evil.example.com";
	s.o.id = &s.id;
	lab_open(&l, &s.o);
	assert_int_equal(lab_shake(&l), TLS_FAILED);
	lab_assert_failure(&l, TLS_FAIL_TRUST, "evil.example.com", NULL);
	lab_close(&l);
	stop_server(&s);
}

static void another_context_does_not_resume(void **state)
{
	struct tls_settings settings = {
		.ca_file = lab_pem(lab_ca(), lab_leaf())};
	struct setup s = start(0);
	struct tls_failure why;

	(void)state;
	assert_false(connects_resumed(&s));
	s.o.ctx = tls->context_new(&settings, &why);
	assert_false(connects_resumed(&s));
	stop_server(&s);
}

static void without_a_key_nothing_is_kept(void **state)
{
	struct setup s = start(0);

	(void)state;
	s.id.cache_key = NULL;
	assert_false(connects_resumed(&s));
	assert_false(connects_resumed(&s));
	stop_server(&s);
}

static void a_refused_ticket_means_a_full_handshake(void **state)
{
	struct setup s = start(0);
	SSL_CTX *other = lab_server_ctx(&s.o);

	(void)state;
	assert_false(connects_resumed(&s));
	SSL_CTX_free(s.o.server_ctx);
	s.o.server_ctx = other;
	assert_false(connects_resumed(&s));
	assert_true(connects_resumed(&s));
	stop_server(&s);
}

/* It resumes nobody: the parent has the same tickets. */
static void a_forked_child_leaves_the_tickets_to_its_parent(void **state)
{
	struct setup s = start(0);

	(void)state;
	assert_false(connects_resumed(&s));
	tls->fork_child();
	assert_false(connects_resumed(&s));
	assert_true(connects_resumed(&s));
	stop_server(&s);
}

/* Contexts, trust and tickets are shared; sessions are each thread's own. */
static void *connect_often(void *arg)
{
	struct setup *s = arg;
	struct lab l;
	int i;

	for (i = 0; i < 20; i++) {
		lab_open(&l, &s->o);
		if (lab_shake(&l) != TLS_OK)
			return arg;
		tls->probe(l.client);
		lab_close(&l);
	}
	return NULL;
}

static void several_threads_share_a_context(void **state)
{
	const char *dir = lab_dir();
	struct tls_settings settings = {.ca_dir = dir};
	struct setup s = start(0);
	struct tls_failure why;
	pthread_t thread[4];
	void *result;
	int i;

	(void)state;
	lab_write_hashed(dir, lab_ca());
	s.o.ctx = tls->context_new(&settings, &why);
	s.o.id = &s.id;
	for (i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, connect_often, &s);
	for (i = 0; i < 4; i++) {
		pthread_join(thread[i], &result);
		assert_null(result);
	}
	assert_true(connects_resumed(&s));
	stop_server(&s);
}

/* ---- how long a verification holds ---- */

static void a_renewed_session_counts_from_the_full_handshake(void **state)
{
	static const int versions[] = {0, TLS1_2_VERSION};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct setup s = start(versions[i]);

		assert_false(connects_resumed(&s));
		for (int n = 0; n < 5; n++) {
			pass(HOUR / 6);
			assert_true(connects_resumed(&s));
		}
		pass(HOUR / 6);
		assert_false(connects_resumed(&s));
		assert_true(connects_resumed(&s));
		stop_server(&s);
	}
}

/* One may be set, and the other stands still in a machine that is restored. */
static void either_clock_ends_it(void **state)
{
	struct setup s = start(0);

	(void)state;
	assert_false(connects_resumed(&s));
	date_ahead += HOUR;
	assert_false(connects_resumed(&s));
	assert_true(connects_resumed(&s));
	boot_ahead += HOUR;
	assert_false(connects_resumed(&s));
	assert_true(connects_resumed(&s));
	/* Certificates that are valid now may not have been then. */
	date_ahead -= 10;
	assert_false(connects_resumed(&s));
	stop_server(&s);
}

static void the_setting_says_how_long(void **state)
{
	struct setup s = start_with(
		0, (struct tls_settings){.resume_seconds = 60}, NULL, NULL);
	struct setup off = start_with(
		0, (struct tls_settings){.no_resume = true}, NULL, NULL);

	(void)state;
	assert_false(connects_resumed(&s));
	pass(50);
	assert_true(connects_resumed(&s));
	pass(10);
	assert_false(connects_resumed(&s));
	assert_false(connects_resumed(&off));
	assert_false(connects_resumed(&off));
	stop_server(&s);
	stop_server(&off);
}

static bool is_refused(struct setup *s, const char *because)
{
	struct lab l;
	bool refused;

	s->o.id = &s->id;
	lab_open(&l, &s->o);
	refused = lab_shake(&l) == TLS_FAILED;
	if (refused)
		lab_assert_failure(&l, TLS_FAIL_TRUST, because, NULL);
	lab_close(&l);
	return refused;
}

/* The certificates of a chain end one after the other. */
static void it_ends_with_any_certificate_of_the_chain(void **state)
{
	static const struct {
		int ca, inter, leaf;
	} days[] = {{9, 9, 2}, {9, 2, 9}, {2, 9, 9}};

	for (int i = 0; i < 3; i++) {
		struct lab_cert ca = lab_make(&(struct lab_spec){.cn = "CA",
			.ca = true,
			.from_days = -1,
			.to_days = days[i].ca});
		struct lab_cert inter = lab_make(&(struct lab_spec){.cn = "I",
			.ca = true,
			.from_days = -1,
			.to_days = days[i].inter,
			.issuer = &ca});
		struct lab_cert leaf = lab_make(&(struct lab_spec){.cn = "db",
			.san = "DNS:db.example.com",
			.from_days = -1,
			.to_days = days[i].leaf,
			.issuer = &inter});
		struct setup s = start_with(0,
			(struct tls_settings){.ca_file = lab_pem(&ca, NULL),
				.resume_seconds = 7 * DAY},
			&leaf, &inter);

		assert_false(connects_resumed(&s));
		pass(DAY);
		assert_true(connects_resumed(&s));
		pass(DAY + HOUR);
		assert_true(is_refused(&s, "certificate expired"));
		stop_server(&s);
		reset_clocks(state);
	}
}

/* ---- stapled responses ---- */

struct staple {
	int status;
	long seconds; /* until the next one is due; 0: it does not say */
};

static unsigned char *make_response(
	const struct lab_cert *cert, const struct staple *st, int *len)
{
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id =
		OCSP_cert_to_id(EVP_sha1(), cert->cert, lab_ca()->cert);
	ASN1_TIME *this_update = X509_gmtime_adj(NULL, -10);
	ASN1_TIME *next =
		st->seconds ? X509_gmtime_adj(NULL, st->seconds) : NULL;
	ASN1_TIME *revoked = st->status == V_OCSP_CERTSTATUS_REVOKED
				     ? X509_gmtime_adj(NULL, -5)
				     : NULL;
	OCSP_RESPONSE *response;
	unsigned char *der = NULL;

	assert_non_null(OCSP_basic_add1_status(basic, id, st->status,
		OCSP_REVOKED_STATUS_NOSTATUS, revoked, this_update, next));
	assert_int_equal(OCSP_basic_sign(basic, lab_ca()->cert, lab_ca()->key,
				 EVP_sha256(), NULL, 0),
		1);
	response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	*len = i2d_OCSP_RESPONSE(response, &der);
	OCSP_RESPONSE_free(response);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(this_update);
	ASN1_TIME_free(next);
	ASN1_TIME_free(revoked);
	return der;
}

static const struct lab_cert *stapled_cert;

static int give_staple(SSL *ssl, void *arg)
{
	int len;
	unsigned char *der = make_response(stapled_cert, arg, &len);

	SSL_set_tlsext_status_ocsp_resp(ssl, der, len);
	return SSL_TLSEXT_ERR_OK;
}

static struct setup start_stapling(
	const struct lab_cert *cert, struct staple *staple)
{
	struct setup s = start_with(0,
		(struct tls_settings){.resume_seconds = 7 * DAY}, cert, NULL);

	stapled_cert = cert;
	SSL_CTX_set_tlsext_status_cb(s.o.server_ctx, give_staple);
	SSL_CTX_set_tlsext_status_arg(s.o.server_ctx, staple);
	return s;
}

static void it_ends_with_the_stapled_response(void **state)
{
	struct staple staple = {V_OCSP_CERTSTATUS_GOOD, HOUR};
	struct setup s = start_stapling(lab_leaf(), &staple);

	(void)state;
	assert_false(connects_resumed(&s));
	pass(HOUR - 60);
	assert_true(connects_resumed(&s));
	pass(120);
	assert_false(connects_resumed(&s));
	staple.status = V_OCSP_CERTSTATUS_REVOKED;
	pass(HOUR);
	assert_true(is_refused(&s, "is revoked"));
	stop_server(&s);
}

/* A handshake that resumes a session brings no response. */
static void a_certificate_that_must_be_stapled_never_resumes(void **state)
{
	static struct lab_cert must;
	struct staple staple = {V_OCSP_CERTSTATUS_GOOD, HOUR};
	struct setup s;

	(void)state;
	must = lab_make(&(struct lab_spec){.cn = "db",
		.san = "DNS:db.example.com",
		.must_staple = true,
		.issuer = lab_ca()});
	s = start_stapling(&must, &staple);
	assert_false(connects_resumed(&s));
	assert_false(connects_resumed(&s));
	staple.status = V_OCSP_CERTSTATUS_REVOKED;
	assert_true(is_refused(&s, "is revoked"));
	stop_server(&s);
}

/* RFC 8446, section 6.2. */
static void a_connection_that_failed_leaves_no_ticket(void **state)
{
	static const char record[] = "\x17\x03\x03\x00\x20"
				     "thirty-two bytes that are no TLS";
	struct setup s = start(0);
	struct lab l;
	char byte;
	size_t n;

	(void)state;
	s.o.id = &s.id;
	lab_connect(&l, &s.o);
	assert_int_equal(tls->probe(l.client), TLS_WANT_READ);
	BIO_write(l.to_client, record, sizeof(record) - 1);
	assert_int_equal(lab_read(&l, &byte, 1, &n), TLS_FAILED);
	lab_close(&l);
	assert_false(connects_resumed(&s));
	assert_true(connects_resumed(&s));
	stop_server(&s);
}

/* ---- the cache by itself ---- */

#define ANY_AGE (7 * DAY)

/* Of the client where there is one, else as a server has it: without a peer. */
static SSL_SESSION *session_of(bool client)
{
	struct lab_options o = {.max_version = TLS1_2_VERSION};
	SSL_SESSION *session;
	struct lab l;

	lab_connect(&l, &o);
	session = SSL_SESSION_dup(
		SSL_get_session(client ? l.client->ssl : l.server));
	lab_close(&l);
	return session;
}

static struct identity *identity_number(unsigned i)
{
	struct tls_identity from = {0};
	char key[20];

	snprintf(key, sizeof(key), "host:%u", i);
	from.cache_key = key;
	return identity_new(&from);
}

static bool keep(struct tickets *t, unsigned number, SSL_SESSION *s)
{
	struct identity *id = identity_number(number);
	struct verdict v;
	bool kept;

	verdict_begin(&v);
	kept = tickets_put(t, id, s, &v);
	identity_free(id);
	return kept;
}

static bool is_there(struct tickets *t, unsigned number)
{
	struct identity *id = identity_number(number);
	struct verdict v;
	SSL_SESSION *s = tickets_take(t, id, ANY_AGE, &v);
	bool there = s != NULL;

	SSL_SESSION_free(s);
	identity_free(id);
	return there;
}

static void a_session_without_a_peer_is_not_kept(void **state)
{
	SSL_SESSION *s = session_of(false);
	struct tickets t = {0};

	(void)state;
	assert_false(keep(&t, 1, s));
	assert_false(is_there(&t, 1));
	SSL_SESSION_free(s);
}

static void the_oldest_of_too_many_make_room(void **state)
{
	SSL_SESSION *s = session_of(true);
	struct tickets t = {0}, other = {0};
	unsigned i;

	(void)state;
	assert_true(keep(&other, 0, s));
	for (i = 0; i < TICKETS_MAX + 9; i++)
		assert_true(keep(&t, i, s));
	assert_false(is_there(&other, 0));
	for (i = 0; i < TICKETS_MAX + 9; i++)
		assert_int_equal(is_there(&t, i), i >= 9);
	tickets_clear(&t);
	assert_false(is_there(&t, TICKETS_MAX));
	SSL_SESSION_free(s);
}

/* Taken while it lasts: so many were there. */
static void the_oldest_of_an_identity_makes_room(void **state)
{
	SSL_SESSION *s = session_of(true);
	struct identity *id = identity_number(2);
	struct tickets t = {0};
	struct verdict v = {0};
	unsigned i, n = 0;

	(void)state;
	assert_true(keep(&t, 1, s));
	SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION);
	for (i = 0; i < TICKETS_PER_KEY + 3; i++) {
		verdict_begin(&v);
		v.until = v.since + DAY + i;
		assert_true(tickets_put(&t, id, s, &v));
	}
	while (is_there(&t, 2))
		n++;
	assert_int_equal(n, TICKETS_PER_KEY);
	assert_true(is_there(&t, 1));
	tickets_clear(&t);
	identity_free(id);
	SSL_SESSION_free(s);
}

static void forgotten_is_one_identity_of_one_cache(void **state)
{
	SSL_SESSION *s = session_of(true);
	struct identity *id = identity_number(1);
	struct tickets t = {0}, other = {0};

	(void)state;
	keep(&t, 1, s);
	keep(&t, 2, s);
	keep(&other, 1, s);
	tickets_forget(&t, id);
	assert_false(is_there(&t, 1));
	assert_true(is_there(&t, 2));
	assert_true(is_there(&other, 1));
	tickets_clear(&t);
	tickets_clear(&other);
	identity_free(id);
	SSL_SESSION_free(s);
}

/* ---- a hostile server: 45 KB a ticket, 84 KB a chain ---- */

static int fatten(SSL *ssl, void *arg)
{
	static const char fat[45000];

	(void)arg;
	return SSL_SESSION_set1_ticket_appdata(
		SSL_get_session(ssl), fat, sizeof(fat));
}

static SSL_TICKET_RETURN accept_any(SSL *ssl, SSL_SESSION *session,
	const unsigned char *name, size_t len, SSL_TICKET_STATUS status,
	void *arg)
{
	(void)ssl, (void)session, (void)name, (void)len, (void)arg;
	if (status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_USE_RENEW;
	return SSL_TICKET_RETURN_IGNORE_RENEW;
}

static struct lab_cert fat_cert(void)
{
	char san[20000] = "DNS:x.example.com";

	for (unsigned i = 0; strlen(san) < sizeof(san) - 40; i++)
		snprintf(san + strlen(san), 40, ",DNS:n%u.fat.example.com", i);
	return lab_make(&(struct lab_spec){.cn = "fat", .san = san});
}

static void add_size(void *total, const void *start, size_t size)
{
	(void)start;
	*(size_t *)total += size;
}

/* Of the engine's own memory and of the program's, where OpenSSL's is here. */
static size_t memory_held(void)
{
	size_t total = mallinfo2().uordblks + mallinfo2().hblkhd;

	assert_true(tls->memory(add_size, &total));
	return total;
}

static void fat_tickets_of_many_destinations_are_bounded(void **state)
{
	struct setup s = start(0);
	struct lab_cert fat = fat_cert();
	size_t before;
	char key[32];

	(void)state;
	SSL_CTX_set_session_ticket_cb(s.o.server_ctx, fatten, accept_any, NULL);
	SSL_CTX_set_num_tickets(s.o.server_ctx, 4);
	for (int i = 0; i < 4; i++)
		SSL_CTX_add1_chain_cert(s.o.server_ctx, fat.cert);
	s.id.cache_key = key;
	snprintf(key, sizeof(key), "first");
	assert_false(connects_resumed(&s));
	assert_true(connects_resumed(&s));
	before = memory_held();
	for (int i = 0; i < 310; i++) {
		snprintf(key, sizeof(key), "host%d:443", i);
		assert_false(connects_resumed(&s));
	}
	assert_uint_in_range(memory_held() - before, 0, 3 * TICKETS_BYTES_MAX);
	assert_true(connects_resumed(&s));
	snprintf(key, sizeof(key), "first");
	assert_false(connects_resumed(&s));
	stop_server(&s);
}

static void a_chain_above_the_bound_is_refused(void **state)
{
	struct setup s = start(0);
	struct lab_cert fat = fat_cert();
	struct lab l;

	(void)state;
	for (int i = 0; i < 6; i++)
		SSL_CTX_add1_chain_cert(s.o.server_ctx, fat.cert);
	s.o.id = &s.id;
	lab_open(&l, &s.o);
	assert_int_equal(lab_shake(&l), TLS_FAILED);
	lab_assert_failure(&l, TLS_FAIL_PROTOCOL, NULL);
	lab_close(&l);
	stop_server(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_connection_resumes),
		cmocka_unit_test(a_second_connection_of_tls_1_2_resumes),
		cmocka_unit_test(a_resumed_session_carries_data),
		cmocka_unit_test(a_ticket_of_tls_1_3_is_used_once),
		cmocka_unit_test(another_identity_does_not_resume),
		cmocka_unit_test(a_forbidden_name_is_refused_despite_tickets),
		cmocka_unit_test(another_context_does_not_resume),
		cmocka_unit_test(without_a_key_nothing_is_kept),
		cmocka_unit_test(a_refused_ticket_means_a_full_handshake),
		cmocka_unit_test(
			a_forked_child_leaves_the_tickets_to_its_parent),
		cmocka_unit_test(several_threads_share_a_context),
		cmocka_unit_test_setup(
			a_renewed_session_counts_from_the_full_handshake,
			reset_clocks),
		cmocka_unit_test_setup(either_clock_ends_it, reset_clocks),
		cmocka_unit_test_setup(the_setting_says_how_long, reset_clocks),
		cmocka_unit_test_setup(
			it_ends_with_any_certificate_of_the_chain,
			reset_clocks),
		cmocka_unit_test_setup(
			it_ends_with_the_stapled_response, reset_clocks),
		cmocka_unit_test_setup(
			a_certificate_that_must_be_stapled_never_resumes,
			reset_clocks),
		cmocka_unit_test_setup(
			a_connection_that_failed_leaves_no_ticket,
			reset_clocks),
		cmocka_unit_test(a_session_without_a_peer_is_not_kept),
		cmocka_unit_test(the_oldest_of_too_many_make_room),
		cmocka_unit_test(the_oldest_of_an_identity_makes_room),
		cmocka_unit_test(forgotten_is_one_identity_of_one_cache),
		cmocka_unit_test(fat_tickets_of_many_destinations_are_bounded),
		cmocka_unit_test(a_chain_above_the_bound_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
