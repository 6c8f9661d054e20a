/* SPDX-License-Identifier: MIT */
/*
 * The laboratory's certificates and the files that they are written to.
 */
#include "engine_lab.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <ftw.h>
#include <unistd.h>

static char root[] = "/tmp/engine-lab-XXXXXX";

static int remove_one(
	const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void remove_root(void)
{
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A folder for this process' files. */
static const char *files(void)
{
	static bool made;

	if (!made) {
		assert_non_null(mkdtemp(root));
		atexit(remove_root);
		made = true;
	}
	return root;
}

static void add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *e;
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

static void set_name(X509 *x, const char *cn)
{
	X509_NAME *name = X509_get_subject_name(x);

	X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
		(const unsigned char *)"Lab", -1, -1, 0);
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
				 (const unsigned char *)cn, -1, -1, 0),
		1);
}

/* All that were made: whoever asked for one need not free it. */
static struct lab_cert made[128];
static unsigned n_made;

struct lab_cert lab_make(const struct lab_spec *spec)
{
	static long serial = 0x1000;
	struct lab_cert c = {X509_new(), EVP_EC_gen("P-256")};
	const struct lab_cert *issuer = spec->issuer ? spec->issuer : &c;
	bool usual = !spec->from_days && !spec->to_days;
	long day = 24 * 3600;

	X509_set_version(c.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c.cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(c.cert),
		(usual ? -1 : spec->from_days) * day);
	X509_gmtime_adj(
		X509_getm_notAfter(c.cert), (usual ? 1 : spec->to_days) * day);
	set_name(c.cert, spec->cn);
	X509_set_issuer_name(c.cert, X509_get_subject_name(issuer->cert));
	X509_set_pubkey(c.cert, c.key);
	if (spec->ca)
		add_extension(c.cert, issuer->cert, NID_basic_constraints,
			"critical,CA:TRUE");
	if (spec->eku)
		add_extension(
			c.cert, issuer->cert, NID_ext_key_usage, spec->eku);
	if (spec->san)
		add_extension(
			c.cert, issuer->cert, NID_subject_alt_name, spec->san);
	if (spec->must_staple)
		add_extension(
			c.cert, issuer->cert, NID_tlsfeature, "status_request");
	assert_true(X509_sign(c.cert, issuer->key, EVP_sha256()) > 0);
	assert_true(n_made < sizeof(made) / sizeof(made[0]));
	made[n_made++] = c;
	return c;
}

const struct lab_cert *lab_ca(void)
{
	static struct lab_cert ca;

	if (!ca.cert)
		ca = lab_make(&(struct lab_spec){.cn = "Lab CA", .ca = true});
	return &ca;
}

const struct lab_cert *lab_leaf(void)
{
	static struct lab_cert leaf;

	if (!leaf.cert)
		leaf = lab_make(&(struct lab_spec){.cn = "db",
			.san = "DNS:db.example.com,DNS:*.wild.example.com,"
			       "IP:10.0.0.1",
			.issuer = lab_ca()});
	return &leaf;
}

static const char *new_path(void)
{
	static char paths[64][64];
	static unsigned n;

	assert_true(n < 64);
	snprintf(paths[n], sizeof(paths[n]), "%s/%u", files(), n);
	return paths[n++];
}

void lab_write(const char *path, const void *bytes, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	fclose(f);
}

static void write_pem(
	const char *path, const struct lab_cert *a, const struct lab_cert *b)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	PEM_write_X509(f, a->cert);
	if (b)
		PEM_write_X509(f, b->cert);
	fclose(f);
}

const char *lab_pem(const struct lab_cert *a, const struct lab_cert *b)
{
	const char *path = new_path();

	write_pem(path, a, b);
	return path;
}

const char *lab_dir(void)
{
	const char *path = new_path();

	assert_int_equal(mkdir(path, 0700), 0);
	return path;
}

void lab_write_hashed(const char *dir, const struct lab_cert *c)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%08lx.0", dir,
		X509_subject_name_hash(c->cert));
	write_pem(path, c, NULL);
}

struct tls_context *lab_context(void)
{
	static struct tls_context *ctx;
	struct tls_settings settings = {0};
	struct tls_failure why;

	if (ctx)
		return ctx;
	settings.ca_file = lab_pem(lab_ca(), NULL);
	ctx = tlsshim_engine.context_new(&settings, &why);
	if (!ctx)
		fail_msg("context: %s", why.text);
	return ctx;
}
