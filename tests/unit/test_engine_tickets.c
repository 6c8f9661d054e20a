/* SPDX-License-Identifier: MIT */
/*
 * Session tickets: used again only where the verification that they stand
 * for was the same one.
 */
#include "engine_lab.h"
#include "engine/tickets.h"

#include <openssl/err.h>
#include <pthread.h>

static const struct tls_engine *const tls = &tlsshim_engine;

/* One server that remembers; contexts of a client that do not. */
struct setup {
	struct lab_options o;
	struct tls_identity id;
};

static struct setup start(int max_version)
{
	struct setup s = {.o = {.max_version = max_version}};
	struct tls_settings settings = {.ca_file = lab_pem(lab_ca(), NULL)};
	struct tls_failure why;

	s.id = (struct tls_identity){.sni = "db.example.com",
		.names = {"db.example.com"},
		.n_names = 1,
		.cache_key = "db.example.com:5432"};
	s.o.server_ctx = lab_server_ctx(&s.o);
	s.o.ctx = tls->context_new(&settings, &why);
	assert_non_null(s.o.ctx);
	return s;
}

static void stop(struct setup *s)
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
	assert_string_equal(info.subject, "CN=db,O=Lab");
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
	stop(&s);
}

static void a_second_connection_of_tls_1_2_resumes(void **state)
{
	struct setup s = start(TLS1_2_VERSION);

	(void)state;
	assert_false(connects_resumed(&s));
	assert_true(connects_resumed(&s));
	assert_true(connects_resumed(&s));
	stop(&s);
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
	stop(&s);
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
	stop(&s);
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
	stop(&s);
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
	stop(&s);
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
	stop(&s);
}

static void without_a_key_nothing_is_kept(void **state)
{
	struct setup s = start(0);

	(void)state;
	s.id.cache_key = NULL;
	assert_false(connects_resumed(&s));
	assert_false(connects_resumed(&s));
	stop(&s);
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
	stop(&s);
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
	stop(&s);
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
	stop(&s);
}

/* ---- the cache by itself ---- */

static unsigned n_freed;

static void on_free(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index,
	long argl, void *argp)
{
	(void)parent, (void)ptr, (void)data, (void)index, (void)argl;
	(void)argp;
	n_freed++;
}

/* A session as a server has it: without a peer. */
static SSL_SESSION *server_session(void)
{
	struct lab_options o = {.max_version = TLS1_2_VERSION};
	SSL_SESSION *session;
	struct lab l;

	lab_connect(&l, &o);
	session = SSL_SESSION_dup(SSL_get_session(l.server));
	lab_close(&l);
	return session;
}

static void a_session_without_a_peer_is_not_usable(void **state)
{
	struct tls_identity from = {.cache_key = "x"};
	struct identity *id = identity_new(&from);
	struct tickets t = {0};

	(void)state;
	assert_true(tickets_put(&t, id, server_session()));
	assert_null(tickets_take(&t, id));
	identity_free(id);
}

static struct identity *identity_number(unsigned i)
{
	struct tls_identity from = {0};
	char key[20];

	snprintf(key, sizeof(key), "host:%u", i);
	from.cache_key = key;
	return identity_new(&from);
}

static void the_cache_is_bounded(void **state)
{
	SSL_SESSION *one = server_session();
	struct tickets t = {0};
	struct identity *id;
	unsigned i;

	(void)state;
	SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, on_free);
	for (i = 0; i < TICKETS_MAX + 10; i++) {
		id = identity_number(i);
		assert_true(tickets_put(&t, id, SSL_SESSION_dup(one)));
		identity_free(id);
	}
	assert_int_equal(n_freed, 10);
	id = identity_number(TICKETS_MAX);
	for (i = 0; i < TICKETS_PER_KEY + 3; i++)
		assert_true(tickets_put(&t, id, SSL_SESSION_dup(one)));
	assert_int_equal(n_freed, 10 + TICKETS_PER_KEY + 3);
	identity_free(id);
	SSL_SESSION_free(one);
}

static void the_oldest_of_an_identity_makes_room(void **state)
{
	SSL_SESSION *one = server_session(), *first = SSL_SESSION_dup(one);
	struct identity *id = identity_number(1);
	struct tickets t = {0};
	unsigned i;

	(void)state;
	SSL_SESSION_up_ref(first);
	assert_true(tickets_put(&t, id, first));
	n_freed = 0;
	for (i = 0; i < TICKETS_PER_KEY - 1; i++)
		assert_true(tickets_put(&t, id, SSL_SESSION_dup(one)));
	SSL_SESSION_free(first);
	assert_int_equal(n_freed, 0);
	assert_true(tickets_put(&t, id, SSL_SESSION_dup(one)));
	assert_int_equal(n_freed, 1);
	identity_free(id);
	SSL_SESSION_free(one);
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
		cmocka_unit_test(a_session_without_a_peer_is_not_usable),
		cmocka_unit_test(the_cache_is_bounded),
		cmocka_unit_test(the_oldest_of_an_identity_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
