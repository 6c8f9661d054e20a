/* SPDX-License-Identifier: MIT */
/*
 * The steps of a handshake in words.  OpenSSL shows each message as bytes;
 * the two hellos are parsed here for what they offer and choose, with every
 * length checked, the rest is named.
 */
#include "engine/trace.h"

#include <stdarg.h>
#include <string.h>
#include "engine/describe.h"
#include "engine/failure.h"
#include "engine/text.h"

#define STEP_SIZE 600
#define RANDOM_SIZE 32

void trace_step(struct tls_session *s, const char *fmt, ...)
{
	char step[STEP_SIZE];
	va_list ap;

	if (!s->wire.transport.trace)
		return;
	va_start(ap, fmt);
	BIO_vsnprintf(step, sizeof(step), fmt, ap);
	va_end(ap);
	s->wire.transport.trace(s->wire.owner, step);
}

/* ---- bytes of a message; reading beyond the end gives zeros ---- */

struct reader {
	const unsigned char *p;
	size_t n;
};

static unsigned read_number(struct reader *r, unsigned bytes)
{
	unsigned value = 0;

	if (r->n < bytes) {
		r->n = 0;
		return 0;
	}
	r->n -= bytes;
	while (bytes--)
		value = value << 8 | *r->p++;
	return value;
}

/* The vector behind a length of so many bytes. */
static struct reader read_vector(struct reader *r, unsigned length_bytes)
{
	size_t n = read_number(r, length_bytes);
	struct reader v = {r->p, n < r->n ? n : r->n};

	r->p += v.n;
	r->n -= v.n;
	return v;
}

static void skip(struct reader *r, size_t n)
{
	n = n < r->n ? n : r->n;
	r->p += n;
	r->n -= n;
}

/* The extension of that type; empty when there is none. */
static struct reader find_extension(struct reader extensions, unsigned type)
{
	struct reader v;

	while (extensions.n) {
		unsigned found = read_number(&extensions, 2);

		v = read_vector(&extensions, 2);
		if (found == type)
			return v;
	}
	return (struct reader){extensions.p, 0};
}

/* ---- what the messages say ---- */

static void add_version(struct text *t, unsigned version)
{
	static const char *const names[] = {
		"SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};

	if (version >= SSL3_VERSION && version <= TLS1_3_VERSION)
		text_add(t, "%s", names[version - SSL3_VERSION]);
	else
		text_add(t, "version 0x%04x", version);
}

/* RFC 8446, section 4.1.2. */
static void add_client_hello(struct text *t, struct reader r)
{
	unsigned legacy = read_number(&r, 2);
	struct reader suites, extensions, versions, name;

	skip(&r, RANDOM_SIZE);
	read_vector(&r, 1);
	suites = read_vector(&r, 2);
	read_vector(&r, 1);
	extensions = read_vector(&r, 2);
	versions = find_extension(extensions, TLSEXT_TYPE_supported_versions);
	versions = read_vector(&versions, 1);
	text_add(t, ": offers ");
	if (!versions.n)
		add_version(t, legacy);
	while (versions.n) {
		add_version(t, read_number(&versions, 2));
		text_add(t, versions.n ? " " : "");
	}
	text_add(t, ", %u cipher suites", (unsigned)suites.n / 2);
	name = find_extension(extensions, TLSEXT_TYPE_server_name);
	skip(&name, 2 + 1);
	name = read_vector(&name, 2);
	if (name.n) {
		text_add(t, ", server name ");
		text_add_escaped(t, name.p, name.n);
	}
	if (find_extension(extensions, TLSEXT_TYPE_psk).n)
		text_add(t, ", a session ticket");
}

/* RFC 8446, section 4.1.3. */
static void add_server_hello(struct text *t, SSL *ssl, struct reader r)
{
	unsigned version = read_number(&r, 2);
	const SSL_CIPHER *cipher;
	struct reader extensions, v;
	unsigned char suite[2];

	skip(&r, RANDOM_SIZE);
	read_vector(&r, 1);
	if (r.n < 2)
		return;
	memcpy(suite, r.p, 2);
	skip(&r, 2 + 1);
	extensions = read_vector(&r, 2);
	v = find_extension(extensions, TLSEXT_TYPE_supported_versions);
	if (v.n)
		version = read_number(&v, 2);
	text_add(t, ": chooses ");
	add_version(t, version);
	cipher = SSL_CIPHER_find(ssl, suite);
	text_add(t, ", %s", cipher ? SSL_CIPHER_get_name(cipher) : "unknown");
	if (find_extension(extensions, TLSEXT_TYPE_psk).n)
		text_add(t, ", resumes the session");
}

/* RFC 8446, section 4.1.3: a ServerHello with this for its random bytes. */
static bool is_retry(const unsigned char *message, size_t n)
{
	static const unsigned char retry[] = {0xcf, 0x21, 0xad, 0x74};

	return n > 6 + sizeof(retry) && !memcmp(message + 6, retry, 4);
}

/* RFC 8446, section 4.4.2, with a context before the list; RFC 5246, section
 * 7.4.2.  Ours is empty where the server asks and there is none. */
static void add_certificate(struct text *t, const SSL *ssl, struct reader r)
{
	if (SSL_version(ssl) >= TLS1_3_VERSION)
		read_vector(&r, 1);
	if (!read_vector(&r, 3).n)
		text_add(t, ": empty, there is none to send");
}

static const char *message_name(unsigned type)
{
	static const char *const names[] = {
		[SSL3_MT_HELLO_REQUEST] = "HelloRequest",
		[SSL3_MT_CLIENT_HELLO] = "ClientHello",
		[SSL3_MT_SERVER_HELLO] = "ServerHello",
		[SSL3_MT_NEWSESSION_TICKET] = "NewSessionTicket",
		[SSL3_MT_END_OF_EARLY_DATA] = "EndOfEarlyData",
		[SSL3_MT_ENCRYPTED_EXTENSIONS] = "EncryptedExtensions",
		[SSL3_MT_CERTIFICATE] = "Certificate",
		[SSL3_MT_SERVER_KEY_EXCHANGE] = "ServerKeyExchange",
		[SSL3_MT_CERTIFICATE_REQUEST] = "CertificateRequest",
		[SSL3_MT_SERVER_DONE] = "ServerHelloDone",
		[SSL3_MT_CERTIFICATE_VERIFY] = "CertificateVerify",
		[SSL3_MT_CLIENT_KEY_EXCHANGE] = "ClientKeyExchange",
		[SSL3_MT_FINISHED] = "Finished",
		[SSL3_MT_CERTIFICATE_STATUS] = "CertificateStatus",
		[SSL3_MT_KEY_UPDATE] = "KeyUpdate",
	};

	if (type < sizeof(names) / sizeof(names[0]) && names[type])
		return names[type];
	return "unknown message";
}

static void add_handshake(
	struct text *t, SSL *ssl, const unsigned char *buf, size_t len)
{
	struct reader r = {buf, len};
	unsigned type = read_number(&r, 1);

	skip(&r, 3);
	if (type == SSL3_MT_SERVER_HELLO && is_retry(buf, len))
		text_add(t, "HelloRetryRequest");
	else
		text_add(t, "%s", message_name(type));
	if (type == SSL3_MT_CLIENT_HELLO)
		add_client_hello(t, r);
	else if (type == SSL3_MT_SERVER_HELLO)
		add_server_hello(t, ssl, r);
	else if (type == SSL3_MT_CERTIFICATE)
		add_certificate(t, ssl, r);
}

/* SSL_set_msg_callback(3). */
static void on_message(int sent, int version, int type, const void *buf,
	size_t len, SSL *ssl, void *arg)
{
	struct tls_session *s = arg;
	const unsigned char *p = buf;
	char step[STEP_SIZE];
	struct text t = text_in(step, sizeof(step));

	(void)version;
	text_add(&t, sent ? "sent " : "received ");
	if (type == SSL3_RT_HANDSHAKE && len >= 4)
		add_handshake(&t, ssl, p, len);
	else if (type == SSL3_RT_ALERT && len == 2)
		text_add(&t, "%s alert %s",
			p[0] == SSL3_AL_FATAL ? "fatal" : "warning",
			failure_alert_name(p[1]));
	else if (type == SSL3_RT_CHANGE_CIPHER_SPEC)
		text_add(&t, "ChangeCipherSpec");
	else
		return;
	trace_step(s, "%s", step);
}

void trace_install(struct tls_session *s)
{
	if (!s->wire.transport.trace)
		return;
	SSL_set_msg_callback(s->ssl, on_message);
	SSL_set_msg_callback_arg(s->ssl, s);
}

static void trace_certificate(
	struct tls_session *s, int depth, const X509 *cert)
{
	char step[STEP_SIZE];
	struct text t = text_in(step, sizeof(step));

	text_add(&t, "certificate %d: ", depth);
	describe_name(&t, X509_get_subject_name(cert));
	text_add(&t, "; issuer ");
	describe_name(&t, X509_get_issuer_name(cert));
	text_add(&t, "; serial ");
	describe_serial(&t, cert);
	text_add(&t, "; valid ");
	describe_date(&t, X509_get0_notBefore(cert));
	text_add(&t, " to ");
	describe_date(&t, X509_get0_notAfter(cert));
	text_add(&t, "; key ");
	describe_key(&t, cert);
	trace_step(s, "%s", step);
}

void trace_chain(struct tls_session *s, STACK_OF(X509) * chain)
{
	int i;

	if (!s->wire.transport.trace)
		return;
	for (i = 0; i < sk_X509_num(chain); i++)
		trace_certificate(s, i, sk_X509_value(chain, i));
}
