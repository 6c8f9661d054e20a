/* SPDX-License-Identifier: MIT */
/*
 * Files that change under a context: new sessions go by the new ones, what is
 * bad keeps the old, and after preloading no file is looked at any more.  The
 * files are looked at once a second at most, hence the sleeps.
 */
#include "engine_lab.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static const struct tls_engine *const tls = &tlsshim_engine;
static atomic_uint complaints;
static char complaint[1024];

static void complain(const char *text)
{
	snprintf(complaint, sizeof(complaint), "%s", text);
	complaints++;
}

static struct tls_context *context_with(struct tls_settings settings)
{
	struct tls_failure why;
	struct tls_context *ctx;

	settings.complain = complain;
	ctx = tls->context_new(&settings, &why);
	assert_non_null(ctx);
	complaints = 0;
	return ctx;
}

static struct tls_context *context(const char *ca_file)
{
	return context_with((struct tls_settings){.ca_file = ca_file});
}

static void pass_a_second(void)
{
	usleep(1100000);
}

/* Is the laboratory's server accepted?  And by a ticket? */
static bool accepts(struct tls_context *ctx, bool *resumed)
{
	static const struct tls_identity id = {.sni = "db.example.com",
		.names = {"db.example.com"},
		.n_names = 1,
		.cache_key = "db.example.com:5432"};
	static SSL_CTX *server_ctx;
	struct lab_options o = {.ctx = ctx, .id = &id};
	struct tls_info info;
	enum tls_result r;
	char byte;
	size_t n;
	struct lab l;

	if (!server_ctx)
		server_ctx = lab_server_ctx(&o);
	o.server_ctx = server_ctx;
	lab_open(&l, &o);
	r = lab_shake(&l);
	if (r == TLS_OK) {
		lab_read(&l, &byte, 1, &n); /* takes the tickets */
		tls->info(l.client, &info);
		if (resumed)
			*resumed = info.resumed;
	}
	lab_close(&l);
	return r == TLS_OK;
}

static struct lab_cert other_ca(void)
{
	return lab_make(&(struct lab_spec){.cn = "Other CA", .ca = true});
}

/* As a careful program would: the new file takes the old one's place. */
static void replace(const char *path, const struct lab_cert *cert)
{
	assert_int_equal(0, rename(lab_pem(cert, NULL), path));
}

static void a_changed_file_holds_for_new_sessions(void **state)
{
	const char *path = lab_pem(lab_ca(), NULL);
	struct tls_context *ctx = context(path);
	struct lab_cert other = other_ca();
	struct lab open;
	struct lab_options o = {.ctx = ctx};

	(void)state;
	lab_connect(&open, &o);
	assert_true(accepts(ctx, NULL));
	replace(path, &other);
	pass_a_second();
	assert_false(accepts(ctx, NULL));
	replace(path, lab_ca());
	pass_a_second();
	assert_true(accepts(ctx, NULL));
	assert_int_equal(0, complaints);
	/* One that was open all the time still is. */
	lab_server_write(&open, "x", 1);
	assert_int_equal(TLS_OK, tls->probe(open.client));
	lab_close(&open);
}

static void a_ticket_does_not_outlive_its_files(void **state)
{
	const char *path = lab_pem(lab_ca(), NULL);
	struct tls_context *ctx = context(path);
	bool resumed = true;

	(void)state;
	assert_true(accepts(ctx, &resumed));
	assert_false(resumed);
	assert_true(accepts(ctx, &resumed));
	assert_true(resumed);
	replace(path, lab_ca());
	pass_a_second();
	assert_true(accepts(ctx, &resumed));
	assert_false(resumed);
}

/* The path of what lab_write_hashed() made. */
static const char *hashed_path(const char *dir, const struct lab_cert *cert)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%08lx.0", dir,
		X509_subject_name_hash(cert->cert));
	return path;
}

/* One of the same name and another key: its hashed name is the same. */
static struct lab_cert namesake_ca(void)
{
	return lab_make(&(struct lab_spec){.cn = "Lab CA", .ca = true});
}

/* The directory itself does not change when a file in it is written to. */
static void a_file_of_a_directory_that_is_written_to_is_noticed(void **state)
{
	const char *dir = lab_dir();
	struct lab_cert namesake = namesake_ca();
	struct tls_context *ctx;
	bool resumed = true;

	(void)state;
	lab_write_hashed(dir, lab_ca());
	ctx = context_with((struct tls_settings){.ca_dir = dir});
	assert_true(accepts(ctx, NULL));
	lab_write_hashed(dir, &namesake);
	pass_a_second();
	assert_false(accepts(ctx, NULL));
	lab_write_hashed(dir, lab_ca());
	pass_a_second();
	assert_true(accepts(ctx, &resumed));
	assert_false(resumed);
	assert_int_equal(0, complaints);
}

/* As in /etc/ssl/certs, where hashed names are symbolic links. */
static void a_file_that_a_directory_points_to_is_noticed(void **state)
{
	const char *dir = lab_dir(), *file = lab_pem(lab_ca(), NULL);
	struct lab_cert namesake = namesake_ca();
	struct tls_context *ctx;

	(void)state;
	assert_int_equal(0, symlink(file, hashed_path(dir, lab_ca())));
	setenv("SSL_CERT_DIR", dir, 1);
	ctx = context_with((struct tls_settings){0});
	assert_true(accepts(ctx, NULL));
	replace(file, &namesake);
	pass_a_second();
	assert_false(accepts(ctx, NULL));
	unsetenv("SSL_CERT_DIR");
}

static void a_bad_file_keeps_the_old_one_and_is_told_once(void **state)
{
	const char *path = lab_pem(lab_ca(), NULL);
	struct tls_context *ctx = context(path);

	(void)state;
	lab_write(path, "-----BEGIN CERTIFICATE-----\nAAAA", 32);
	pass_a_second();
	assert_true(accepts(ctx, NULL));
	pass_a_second();
	assert_true(accepts(ctx, NULL));
	assert_int_equal(1, complaints);
	assert_non_null(strstr(complaint, path));
	assert_non_null(strstr(complaint, "stays in force"));
}

static void after_preloading_no_file_is_looked_at(void **state)
{
	const char *path = lab_pem(lab_ca(), NULL);
	struct tls_context *ctx = context(path);
	struct lab_cert other = other_ca();

	(void)state;
	tls->context_preload(ctx);
	replace(path, &other);
	pass_a_second();
	assert_true(accepts(ctx, NULL));
	assert_int_equal(0, complaints);
}

static atomic_bool stop;

static void *make_sessions(void *ctx)
{
	static const struct tls_identity id = {
		.names = {"a.test"}, .n_names = 1};
	static const struct tls_transport none;
	unsigned n = 0;

	while (!stop) {
		tls->session_free(tls->session_new(ctx, &id, &none, NULL));
		n++;
	}
	return (void *)(uintptr_t)n;
}

static void sessions_are_made_while_files_change(void **state)
{
	const char *path = lab_pem(lab_ca(), NULL);
	struct tls_context *ctx = context(path);
	pthread_t threads[3];
	void *made;

	(void)state;
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, make_sessions, ctx);
	for (int i = 0; i < 3; i++) {
		replace(path, lab_ca());
		pass_a_second();
	}
	stop = true;
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], &made);
		assert_non_null(made);
	}
	assert_true(accepts(ctx, NULL));
	assert_int_equal(0, complaints);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_changed_file_holds_for_new_sessions),
		cmocka_unit_test(a_ticket_does_not_outlive_its_files),
		cmocka_unit_test(
			a_file_of_a_directory_that_is_written_to_is_noticed),
		cmocka_unit_test(a_file_that_a_directory_points_to_is_noticed),
		cmocka_unit_test(a_bad_file_keeps_the_old_one_and_is_told_once),
		cmocka_unit_test(after_preloading_no_file_is_looked_at),
		cmocka_unit_test(sessions_are_made_while_files_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
