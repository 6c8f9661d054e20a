/* SPDX-License-Identifier: MIT */
/*
 * Our own certificate and key.
 */
#include "engine/credentials.h"

#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <string.h>
#include "engine/arena.h"
#include "engine/describe.h"
#include "engine/failure.h"
#include "engine/text.h"

#define FILE_SCHEME "file:"

/* One file or URI being read. */
struct load {
	const char *setting; /* TLSSHIM_CERT or TLSSHIM_KEY */
	const char *uri;
	const char *password;
	bool asked; /* for a password */
	int begun;  /* certificates, as far as one can tell */
	STACK_OF(X509) * certs;
	EVP_PKEY *key;
	struct tls_failure *why;
};

static bool fail(const struct load *l, const char *problem)
{
	failure_set(l->why, TLS_FAIL_SETUP, "%s: cannot use %s: %s", l->setting,
		l->uri, problem);
	return false;
}

static const char *last_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	return reason ? reason : "unknown error";
}

/* The path of a file, be it given as one or as a URI; NULL: another URI. */
static const char *path_of(const char *uri)
{
	if (!uri || uri[0] == '/')
		return uri;
	if (strncmp(uri, FILE_SCHEME, strlen(FILE_SCHEME)) != 0)
		return NULL;
	uri += strlen(FILE_SCHEME);
	return strncmp(uri, "//", 2) == 0 ? uri + 2 : uri;
}

/* pem_password_cb(3).  Never the program's terminal. */
static int give_password(char *buf, int size, int writing, void *arg)
{
	struct load *l = arg;
	size_t n = l->password ? strlen(l->password) : 0;

	(void)writing;
	l->asked = true;
	if (!l->password || n >= (size_t)size)
		return -1;
	memcpy(buf, l->password, n + 1);
	return (int)n;
}

/* How many certificates does it begin, as PEM?  OSSL_STORE passes over those
 * that are cut short, and over much else, with the same error. */
static int count_begun(const char *buf, size_t len)
{
	static const char begin[] = "-----BEGIN ", kind[] = "CERTIFICATE-----";
	const char *end = buf + len, *p = buf;
	int n = 0;

	while ((p = memmem(p, (size_t)(end - p), begin, strlen(begin)))) {
		size_t line;

		p += strlen(begin);
		line = (size_t)(end - p) < 40 ? (size_t)(end - p) : 40;
		n += memmem(p, line, kind, strlen(kind)) != NULL;
	}
	return n;
}

static void take_all(struct load *l, OSSL_STORE_CTX *store)
{
	while (!OSSL_STORE_eof(store)) {
		OSSL_STORE_INFO *info = OSSL_STORE_load(store);
		int type = info ? OSSL_STORE_INFO_get_type(info) : 0;

		if (type == OSSL_STORE_INFO_CERT && l->certs)
			sk_X509_push(l->certs, OSSL_STORE_INFO_get1_CERT(info));
		if (type == OSSL_STORE_INFO_PKEY && !l->key)
			l->key = OSSL_STORE_INFO_get1_PKEY(info);
		OSSL_STORE_INFO_free(info);
	}
}

static bool read_store(struct load *l, OSSL_STORE_CTX *store)
{
	if (!store)
		return fail(l, last_reason());
	OSSL_STORE_expect(
		store, l->certs ? OSSL_STORE_INFO_CERT : OSSL_STORE_INFO_PKEY);
	take_all(l, store);
	OSSL_STORE_close(store);
	if (l->certs && sk_X509_num(l->certs) < l->begun)
		return fail(l, "a certificate in it is damaged");
	if (l->certs ? sk_X509_num(l->certs) > 0 : l->key != NULL)
		return true;
	if (l->asked && !l->password)
		return fail(l,
			"it is encrypted: set TLSSHIM_KEY_PASSWORD_FILE to a "
			"file with the password");
	if (l->asked)
		return fail(l,
			"the password of TLSSHIM_KEY_PASSWORD_FILE does not "
			"open it");
	return fail(l, l->certs ? "no certificate in it"
				: "no private key in it that can be read "
				  "(TLSSHIM_KEY names the file of the key)");
}

static bool read_path(struct load *l, const char *path, UI_METHOD *ui)
{
	char *buf = NULL;
	size_t len = 0;
	int error = files_read(path, &buf, &len);
	BIO *bio;
	bool ok;

	if (error)
		return fail(l, files_error_text(error));
	bio = BIO_new_mem_buf(buf, (int)len);
	l->begun = count_begun(buf, len);
	ok = bio && read_store(l, OSSL_STORE_attach(bio, "file", NULL, NULL, ui,
					  l, NULL, NULL, NULL));
	BIO_free(bio);
	files_free_secret(buf, len);
	return ok;
}

static bool load(struct load *l)
{
	const char *path = path_of(l->uri);
	UI_METHOD *ui = UI_UTIL_wrap_read_pem_callback(give_password, 0);
	bool ok;

	ERR_clear_error();
	if (!ui)
		return fail(l, "out of memory");
	ok = path ? read_path(l, path, ui)
		  : read_store(l, OSSL_STORE_open(l->uri, ui, l, NULL, NULL));
	UI_destroy_method(ui);
	ERR_clear_error();
	return ok;
}

/* The first line of the file, as a string of *len bytes to be freed. */
static bool read_password(
	const char *path, char **password, size_t *len, struct tls_failure *why)
{
	char *buf = NULL;
	size_t n = 0;
	int error = files_read(path, &buf, &n);

	if (error) {
		failure_set(why, TLS_FAIL_SETUP,
			"TLSSHIM_KEY_PASSWORD_FILE: cannot read %s: %s", path,
			files_error_text(error));
		return false;
	}
	*len = n + 1;
	*password = arena_alloc(*len);
	if (*password) {
		memcpy(*password, buf, n);
		(*password)[n] = '\0';
		(*password)[strcspn(*password, "\r\n")] = '\0';
	}
	files_free_secret(buf, n);
	return *password != NULL;
}

/* Of OpenSSL's own, not of a provider for hardware: that one may want threads,
 * sockets and the C library's memory, which a relay has not. */
static bool is_in_memory(const EVP_PKEY *key)
{
	const OSSL_PROVIDER *provider = EVP_PKEY_get0_provider(key);
	const char *name = provider ? OSSL_PROVIDER_get0_name(provider) : "";

	return !strcmp(name, "default") || !strcmp(name, "fips");
}

static bool install(
	SSL_CTX *ctx, const struct load *cert, const struct load *key)
{
	X509 *leaf = sk_X509_shift(cert->certs);
	bool taken = SSL_CTX_use_certificate(ctx, leaf) == 1;

	X509_free(leaf);
	if (!taken)
		return fail(cert, last_reason());
	if (sk_X509_num(cert->certs) > 0 &&
		!SSL_CTX_set1_chain(ctx, cert->certs))
		return fail(cert, last_reason());
	if (SSL_CTX_use_PrivateKey(ctx, key->key) == 1 &&
		SSL_CTX_check_private_key(ctx) == 1) {
		/* RFC 8446, section 4.6.2: it may be asked for later. */
		SSL_CTX_set_post_handshake_auth(ctx, is_in_memory(key->key));
		return true;
	}
	failure_set(key->why, TLS_FAIL_SETUP,
		"the private key %s does not belong to the certificate %s "
		"(TLSSHIM_KEY, TLSSHIM_CERT)",
		key->uri, cert->uri);
	return false;
}

static void warn_if_public(
	const struct tls_settings *settings, const char *name, const char *path)
{
	char line[300];
	struct text t = text_in(line, sizeof(line));

	if (!path || !settings->complain || !files_is_public(path))
		return;
	text_add(&t, "warning: every user may read %s (%s): chmod go= it", path,
		name);
	settings->complain(line);
}

static void warn(const struct tls_settings *settings)
{
	const char *key = settings->key ? settings->key : settings->cert;

	warn_if_public(settings, "TLSSHIM_KEY", path_of(key));
	warn_if_public(settings, "TLSSHIM_KEY_PASSWORD_FILE",
		settings->key_password_file);
}

void credentials_note(struct files *files, const struct tls_settings *settings)
{
	files_note(files, path_of(settings->cert));
	files_note(files, path_of(settings->key));
	files_note(files, settings->key_password_file);
}

bool credentials_apply(SSL_CTX *ctx, const struct tls_settings *settings,
	struct tls_failure *why)
{
	struct load cert = {
		.setting = "TLSSHIM_CERT", .uri = settings->cert, .why = why};
	struct load key = {.setting = "TLSSHIM_KEY",
		.uri = settings->key ? settings->key : settings->cert,
		.why = why};
	char *password = NULL;
	size_t len = 0;
	bool ok = false;

	if (!settings->cert)
		return true;
	failure_set(why, TLS_FAIL_MEMORY, "out of memory");
	if (settings->key_password_file &&
		!read_password(
			settings->key_password_file, &password, &len, why))
		goto out;
	cert.password = key.password = password;
	cert.certs = sk_X509_new_null();
	ok = cert.certs && load(&cert) && load(&key) &&
	     install(ctx, &cert, &key);
	if (ok)
		warn(settings);
out:
	sk_X509_pop_free(cert.certs, X509_free);
	EVP_PKEY_free(key.key);
	files_free_secret(password, len);
	ERR_clear_error();
	return ok;
}
