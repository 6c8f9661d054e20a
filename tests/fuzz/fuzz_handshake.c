/* SPDX-License-Identifier: MIT */
/*
 * The server's half of a handshake, over memory.  The first byte chooses:
 *	0	the rest is all that the server says
 *	1, 2	a real server (TLS 1.2, 1.3) speaks, and the rest changes its
 *		bytes: two of offset, one to add to what is there
 * However bad it is, the engine must end, and nothing that was made up may be
 * accepted.
 */
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine/api.h"

struct wire {
	const uint8_t *data; /* raw bytes, or changes */
	size_t size;
	SSL *server; /* NULL: raw */
	BIO *to_server, *to_client;
	size_t said; /* by the server */
	bool changed;
};

static const struct tls_engine *const tls = &tlsshim_engine;
static SSL_CTX *server_ctx;
static struct tls_context *client_ctx;

static void change(struct wire *w, uint8_t *buf, size_t len)
{
	for (size_t i = 0; i + 2 < w->size; i += 3) {
		size_t at = (size_t)w->data[i] << 8 | w->data[i + 1];

		if (at < w->said || at >= w->said + len || !w->data[i + 2])
			continue;
		buf[at - w->said] =
			(uint8_t)(buf[at - w->said] + w->data[i + 2]);
		w->changed = true;
	}
	w->said += len;
}

static ssize_t wire_recv(void *owner, void *buf, size_t len)
{
	struct wire *w = owner;
	int n;

	if (w->server) {
		n = BIO_read(w->to_client, buf, (int)len);
		if (n <= 0)
			return -EAGAIN;
		change(w, buf, (size_t)n);
		return n;
	}
	if (len > w->size)
		len = w->size;
	memcpy(buf, w->data, len);
	w->data += len;
	w->size -= len;
	return (ssize_t)len;
}

static ssize_t wire_send(void *owner, const void *buf, size_t len)
{
	struct wire *w = owner;

	if (w->server)
		BIO_write(w->to_server, buf, (int)len);
	return (ssize_t)len;
}

static void add_san(X509 *x, EVP_PKEY *key)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(
		NULL, NULL, NID_subject_alt_name, "DNS:a.test");

	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
	X509_sign(x, key, EVP_sha256());
}

static X509 *make_cert(EVP_PKEY *key)
{
	X509 *x = X509_new();

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN",
		MBSTRING_UTF8, (const unsigned char *)"a", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_set_pubkey(x, key);
	add_san(x, key);
	return x;
}

static void set_up(void)
{
	char path[] = "/tmp/fuzz-handshake-XXXXXX";
	FILE *f = fdopen(mkstemp(path), "w");
	struct tls_settings settings = {.ca_file = path};
	struct tls_failure why;
	EVP_PKEY *key;
	X509 *cert;

	/* The engine first: it chooses OpenSSL's memory. */
	client_ctx = tls->context_new(&(struct tls_settings){0}, &why);
	key = EVP_EC_gen("P-256");
	cert = make_cert(key);
	PEM_write_X509(f, cert);
	fclose(f);
	client_ctx = tls->context_new(&settings, &why);
	unlink(path);
	server_ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(server_ctx, cert);
	SSL_CTX_use_PrivateKey(server_ctx, key);
	if (!client_ctx || !SSL_CTX_check_private_key(server_ctx))
		abort();
}

static void start_server(struct wire *w, int version)
{
	w->server = SSL_new(server_ctx);
	SSL_set_max_proto_version(w->server, version);
	w->to_server = BIO_new(BIO_s_mem());
	w->to_client = BIO_new(BIO_s_mem());
	SSL_set_bio(w->server, w->to_server, w->to_client);
	SSL_set_accept_state(w->server);
}

static enum tls_result shake(struct wire *w, struct tls_session *s)
{
	enum tls_result r = TLS_WANT_READ;

	for (int i = 0; i < 8 && (r == TLS_WANT_READ || r == TLS_WANT_WRITE);
		i++) {
		r = tls->handshake(s);
		if (w->server)
			SSL_do_handshake(w->server);
	}
	return r;
}

static void use(struct tls_session *s, struct wire *w)
{
	char buf[100];
	struct iovec iov = {buf, sizeof(buf)};
	struct tls_info info;
	size_t n;

	if (w->server)
		SSL_write(w->server, "hello", 5);
	tls->info(s, &info);
	tls->probe(s);
	tls->readv(s, &iov, 1, &n);
	tls->writev(s, &iov, 1, &n);
	tls->shutdown(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct tls_identity id = {
		.sni = "a.test", .names = {"a.test"}, .n_names = 1};
	const struct tls_transport transport = {wire_recv, wire_send, NULL};
	struct wire w = {data + 1, size - 1, NULL, NULL, NULL, 0, false};
	struct tls_session *s;
	enum tls_result r;

	if (!client_ctx)
		set_up();
	if (!size)
		return 0;
	if (data[0] == 1 || data[0] == 2)
		start_server(
			&w, data[0] == 1 ? TLS1_2_VERSION : TLS1_3_VERSION);
	s = tls->session_new(client_ctx, &id, &transport, &w);
	r = shake(&w, s);
	/* Nobody can make up a handshake, and an honest one succeeds. */
	if (r == TLS_OK && !w.server)
		abort();
	if (r != TLS_OK && w.server && !w.changed)
		abort();
	if (r == TLS_FAILED && !tls->failure(s)->text[0])
		abort();
	if (r == TLS_OK)
		use(s, &w);
	tls->session_free(s);
	SSL_free(w.server);
	return 0;
}
