/* SPDX-License-Identifier: MIT */
/*
 * Where trust anchors come from, and what is said when there are none.
 */
#include "engine_lab.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct tls_engine *const tls = &tlsshim_engine;

static struct tls_context *context(const char *file, const char *dir)
{
	struct tls_settings settings = {.ca_file = file, .ca_dir = dir};
	struct tls_failure why;
	struct tls_context *ctx = tls->context_new(&settings, &why);

	if (!ctx)
		fail_msg("%s", why.text);
	assert_int_equal(why.kind, TLS_FAIL_NONE);
	return ctx;
}

/* No context, and a text of these parts. */
static void assert_no_context(
	const char *file, const char *dir, const char *a, const char *b)
{
	struct tls_settings settings = {.ca_file = file, .ca_dir = dir};
	struct tls_failure why = {0};
	int saved = errno = ENOTTY;

	assert_null(tls->context_new(&settings, &why));
	assert_int_equal(errno, saved);
	assert_int_equal(why.kind, TLS_FAIL_SETUP);
	if (!strstr(why.text, a) || !strstr(why.text, b))
		fail_msg("%s", why.text);
}

static enum tls_result try(struct tls_context *ctx, const struct lab_cert *cert)
{
	struct lab_options o = {.ctx = ctx, .cert = cert};
	enum tls_result r;
	struct lab l;

	lab_open(&l, &o);
	r = lab_shake(&l);
	if (r == TLS_FAILED)
		lab_assert_failure(&l, TLS_FAIL_TRUST, NULL);
	lab_close(&l);
	return r;
}

static struct lab_cert other_ca(void)
{
	return lab_make(&(struct lab_spec){.cn = "Other CA", .ca = true});
}

static struct lab_cert leaf_of(const struct lab_cert *ca)
{
	return lab_make(&(struct lab_spec){
		.cn = "x", .san = "DNS:db.example.com", .issuer = ca});
}

static void a_ca_file_is_all_that_is_trusted(void **state)
{
	struct lab_cert ca = other_ca(), leaf = leaf_of(&ca);

	(void)state;
	assert_int_equal(try(context(lab_pem(&ca, NULL), NULL), &leaf), TLS_OK);
	assert_int_equal(
		try(context(lab_pem(&ca, NULL), NULL), NULL), TLS_FAILED);
	assert_int_equal(
		try(context(lab_pem(&ca, lab_ca()), NULL), NULL), TLS_OK);
}

static void a_certificate_named_by_the_user_is_trusted_itself(void **state)
{
	(void)state;
	assert_int_equal(
		try(context(lab_pem(lab_leaf(), NULL), NULL), NULL), TLS_OK);
}

/* A root that is for TLS clients alone, and one that has expired. */
static void a_roots_restrictions_hold_beside_its_intermediate(void **state)
{
	struct lab_spec roots[] = {
		{.cn = "Root", .ca = true, .eku = "clientAuth"},
		{.cn = "Root", .ca = true, .from_days = -9, .to_days = -1}};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct lab_cert root = lab_make(&roots[i]);
		struct lab_cert mid = lab_make(&(struct lab_spec){
			.cn = "Mid", .ca = true, .issuer = &root});
		struct lab_cert leaf = leaf_of(&mid);
		struct tls_context *both = context(lab_pem(&root, &mid), NULL);
		struct tls_context *alone = context(lab_pem(&mid, NULL), NULL);

		assert_int_equal(try(both, &leaf), TLS_FAILED);
		assert_int_equal(try(alone, &leaf), TLS_OK);
	}
}

static void partial_chains_can_be_switched_off(void **state)
{
	struct lab_cert mid = lab_make(&(struct lab_spec){
		.cn = "Mid", .ca = true, .issuer = lab_ca()});
	struct lab_cert leaf = leaf_of(&mid);
	struct tls_settings settings = {
		.ca_file = lab_pem(&mid, NULL), .no_partial_chain = true};
	struct tls_failure why;
	struct tls_context *ctx = tls->context_new(&settings, &why);

	(void)state;
	assert_int_equal(try(ctx, &leaf), TLS_FAILED);
}

static void a_directory_of_hashed_names_is_looked_up_when_needed(void **state)
{
	struct lab_cert ca = other_ca(), leaf = leaf_of(&ca);
	const char *dir = lab_dir();
	struct tls_context *ctx;

	(void)state;
	lab_write_hashed(dir, lab_ca());
	ctx = context(NULL, dir);
	assert_int_equal(try(ctx, NULL), TLS_OK);
	assert_int_equal(try(ctx, NULL), TLS_OK);
	assert_int_equal(try(ctx, &leaf), TLS_FAILED);
	lab_write_hashed(dir, &ca);
	assert_int_equal(try(ctx, &leaf), TLS_OK);
}

static void a_file_and_a_directory_add_up(void **state)
{
	struct lab_cert ca = other_ca(), leaf = leaf_of(&ca);
	const char *dir = lab_dir();
	struct tls_context *ctx;

	(void)state;
	lab_write_hashed(dir, &ca);
	ctx = context(lab_pem(lab_ca(), NULL), dir);
	assert_int_equal(try(ctx, NULL), TLS_OK);
	assert_int_equal(try(ctx, &leaf), TLS_OK);
}

/* As a chroot() would change what the path means. */
static void after_preloading_the_directory_is_not_looked_at(void **state)
{
	struct lab_cert ca = other_ca(), leaf = leaf_of(&ca);
	const char *dir = lab_dir();
	struct tls_context *ctx;
	char path[300];

	(void)state;
	lab_write_hashed(dir, lab_ca());
	ctx = context(NULL, dir);
	tls->context_preload(ctx);
	tls->context_preload(ctx);
	snprintf(path, sizeof(path), "%s/%08lx.0", dir,
		X509_subject_name_hash(lab_ca()->cert));
	assert_int_equal(unlink(path), 0);
	lab_write_hashed(dir, &ca);
	assert_int_equal(try(ctx, NULL), TLS_OK);
	assert_int_equal(try(ctx, &leaf), TLS_FAILED);
}

static void the_default_directory_is_used_when_it_has_hashed_names(void **state)
{
	const char *dir = lab_dir();
	struct tls_context *ctx;

	(void)state;
	lab_write_hashed(dir, lab_ca());
	unsetenv("SSL_CERT_FILE");
	setenv("SSL_CERT_DIR", dir, 1);
	ctx = context(NULL, NULL);
	unsetenv("SSL_CERT_DIR");
	assert_int_equal(try(ctx, NULL), TLS_OK);
}

static void the_default_file_is_used_when_the_variable_names_it(void **state)
{
	struct tls_context *ctx;

	(void)state;
	setenv("SSL_CERT_FILE", lab_pem(lab_ca(), NULL), 1);
	setenv("SSL_CERT_DIR", lab_dir(), 1);
	ctx = context(NULL, NULL);
	assert_int_equal(try(ctx, NULL), TLS_OK);
	setenv("SSL_CERT_FILE", "/nonexistent/file", 1);
	assert_no_context(NULL, NULL, "no trust anchors", "/nonexistent/file");
	unsetenv("SSL_CERT_DIR");
	unsetenv("SSL_CERT_FILE");
}

static void an_unknown_server_is_refused_by_the_default(void **state)
{
	(void)state;
	assert_int_equal(try(context(NULL, NULL), NULL), TLS_FAILED);
}

static void a_missing_file_is_named(void **state)
{
	(void)state;
	assert_no_context("/nonexistent/ca.pem", NULL,
		"cannot read /nonexistent/ca.pem: No such file or directory",
		"");
	assert_no_context("", NULL, "cannot read", "No such file");
}

static void a_file_without_a_certificate_is_named(void **state)
{
	const char *empty = lab_pem(lab_ca(), NULL);

	(void)state;
	lab_write(empty, "", 0);
	assert_no_context(empty, NULL, "no certificate in ", empty);
	lab_write(empty, "hello\n\0world", 12);
	assert_no_context(empty, NULL, "no certificate in ", empty);
}

static void a_damaged_certificate_is_named(void **state)
{
	static const char bad[] = "-----BEGIN CERTIFICATE-----\n"
				  "bm8gY2VydGlmaWNhdGU=\n"
				  "-----END CERTIFICATE-----\n";
	const char *path = lab_pem(lab_ca(), NULL);

	(void)state;
	lab_write(path, bad, strlen(bad));
	assert_no_context(path, NULL, path, "damaged");
}

static void what_is_not_a_regular_file_is_not_opened_for_long(void **state)
{
	const char *dir = lab_dir();
	char path[300];

	(void)state;
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_no_context(path, NULL, path, "not a regular file");
	assert_no_context("/dev/zero", NULL, "/dev/zero", "not a regular file");
	assert_no_context(dir, NULL, dir, "Is a directory");
}

static void a_fifo_under_a_hashed_name_does_not_hang(void **state)
{
	const char *dir = lab_dir();
	char path[300];
	struct tls_context *ctx;

	(void)state;
	snprintf(path, sizeof(path), "%s/%08lx.0", dir,
		X509_subject_name_hash(lab_ca()->cert));
	assert_int_equal(mkfifo(path, 0600), 0);
	ctx = context(NULL, dir);
	assert_int_equal(try(ctx, NULL), TLS_FAILED);
	tls->context_preload(ctx);
	assert_int_equal(try(ctx, NULL), TLS_FAILED);
}

static void a_file_that_may_not_be_read_is_named(void **state)
{
	const char *path = lab_pem(lab_ca(), NULL);
	uid_t us = geteuid();

	(void)state;
	chmod(path, 0);
	if (us == 0) /* who may read everything */
		assert_int_equal(seteuid(65534), 0);
	assert_no_context(path, NULL, path, "Permission denied");
	assert_int_equal(seteuid(us), 0);
}

static void a_directory_that_will_not_do_is_named(void **state)
{
	const char *file = lab_pem(lab_ca(), NULL), *empty = lab_dir();

	(void)state;
	assert_no_context(NULL, "/nonexistent/dir",
		"cannot read the directory /nonexistent/dir",
		"No such file or directory");
	assert_no_context(NULL, file, file, "Not a directory");
	assert_no_context(NULL, empty, empty, "openssl rehash");
}

/* A password would be asked for at the program's terminal. */
static void an_encrypted_file_asks_nobody(void **state)
{
	static const char locked[] =
		"-----BEGIN CERTIFICATE-----\n"
		"Proc-Type: 4,ENCRYPTED\n"
		"DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n"
		"\n"
		"AAECAwQFBgcICQoLDA0ODw==\n"
		"-----END CERTIFICATE-----\n";
	const char *path = lab_pem(lab_ca(), NULL);

	(void)state;
	lab_write(path, locked, strlen(locked));
	assert_no_context(path, NULL, path, "damaged");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ca_file_is_all_that_is_trusted),
		cmocka_unit_test(
			a_certificate_named_by_the_user_is_trusted_itself),
		cmocka_unit_test(
			a_roots_restrictions_hold_beside_its_intermediate),
		cmocka_unit_test(partial_chains_can_be_switched_off),
		cmocka_unit_test(
			a_directory_of_hashed_names_is_looked_up_when_needed),
		cmocka_unit_test(a_file_and_a_directory_add_up),
		cmocka_unit_test(
			after_preloading_the_directory_is_not_looked_at),
		cmocka_unit_test(
			the_default_directory_is_used_when_it_has_hashed_names),
		cmocka_unit_test(
			the_default_file_is_used_when_the_variable_names_it),
		cmocka_unit_test(an_unknown_server_is_refused_by_the_default),
		cmocka_unit_test(a_missing_file_is_named),
		cmocka_unit_test(a_file_without_a_certificate_is_named),
		cmocka_unit_test(a_damaged_certificate_is_named),
		cmocka_unit_test(
			what_is_not_a_regular_file_is_not_opened_for_long),
		cmocka_unit_test(a_fifo_under_a_hashed_name_does_not_hang),
		cmocka_unit_test(a_file_that_may_not_be_read_is_named),
		cmocka_unit_test(a_directory_that_will_not_do_is_named),
		cmocka_unit_test(an_encrypted_file_asks_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
