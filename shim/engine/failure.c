/* SPDX-License-Identifier: MIT */
/*
 * Why something failed, in words.  The words are for the one log line that a
 * user sees, so they say what the peer did, not which OpenSSL function saw it.
 */
#include "engine/failure.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <string.h>
#include "engine/text.h"

void failure_set(
	struct tls_failure *f, enum tls_failure_kind kind, const char *fmt, ...)
{
	va_list ap;

	f->kind = kind;
	f->transport_errno = 0;
	f->refusal = NULL;
	va_start(ap, fmt);
	BIO_vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

/* strerror() would ask the program's locale, and may allocate. */
const char *failure_errno_text(int error)
{
	const char *text = strerrordesc_np(error);

	return text ? text : "unknown error";
}

void failure_set_errno(struct tls_failure *f, int error)
{
	failure_set(f, TLS_FAIL_TRANSPORT, "%s", failure_errno_text(error));
	f->transport_errno = error;
}

const char *failure_alert_name(unsigned alert)
{
	static const char *const names[] = {
		[0] = "close_notify",
		[10] = "unexpected_message",
		[20] = "bad_record_mac",
		[21] = "decryption_failed",
		[22] = "record_overflow",
		[30] = "decompression_failure",
		[40] = "handshake_failure",
		[41] = "no_certificate",
		[42] = "bad_certificate",
		[43] = "unsupported_certificate",
		[44] = "certificate_revoked",
		[45] = "certificate_expired",
		[46] = "certificate_unknown",
		[47] = "illegal_parameter",
		[48] = "unknown_ca",
		[49] = "access_denied",
		[50] = "decode_error",
		[51] = "decrypt_error",
		[60] = "export_restriction",
		[70] = "protocol_version",
		[71] = "insufficient_security",
		[80] = "internal_error",
		[86] = "inappropriate_fallback",
		[90] = "user_canceled",
		[100] = "no_renegotiation",
		[109] = "missing_extension",
		[110] = "unsupported_extension",
		[111] = "certificate_unobtainable",
		[112] = "unrecognized_name",
		[113] = "bad_certificate_status_response",
		[114] = "bad_certificate_hash_value",
		[115] = "unknown_psk_identity",
		[116] = "certificate_required",
		[120] = "no_application_protocol",
	};

	if (alert < sizeof(names) / sizeof(names[0]) && names[alert])
		return names[alert];
	return "unknown alert";
}

/* The first error of libssl: those of libcrypto are its causes or effects. */
static unsigned long first_ssl_error(void)
{
	unsigned long first = 0, e;

	while ((e = ERR_get_error())) {
		if (!first || (ERR_GET_LIB(first) != ERR_LIB_SSL &&
				      ERR_GET_LIB(e) == ERR_LIB_SSL))
			first = e;
	}
	return first;
}

static void set_reason(struct tls_failure *f, unsigned long e, bool open)
{
	const char *reason = ERR_reason_error_string(e);

	failure_set(f, open ? TLS_FAIL_RECORD : TLS_FAIL_PROTOCOL, "%s: %s",
		open ? "bad record" : "TLS handshake failed",
		reason ? reason : "unknown error");
}

unsigned failure_set_ssl(struct tls_failure *f, bool open)
{
	unsigned long e = first_ssl_error();
	int reason = ERR_GET_REASON(e);
	bool is_ssl = ERR_GET_LIB(e) == ERR_LIB_SSL;

	if (reason == ERR_R_MALLOC_FAILURE) {
		failure_set(f, TLS_FAIL_MEMORY, "out of memory");
	} else if (is_ssl && reason > SSL_AD_REASON_OFFSET &&
		   reason < SSL_AD_REASON_OFFSET + 256) {
		failure_set(f, TLS_FAIL_PROTOCOL,
			"the server sent the alert %s",
			failure_alert_name(
				(unsigned)reason - SSL_AD_REASON_OFFSET));
		return (unsigned)reason - SSL_AD_REASON_OFFSET;
	} else if (is_ssl && !open &&
		   (reason == SSL_R_UNSUPPORTED_PROTOCOL ||
			   reason == SSL_R_WRONG_SSL_VERSION ||
			   reason == SSL_R_VERSION_TOO_LOW)) {
		failure_set(f, TLS_FAIL_PROTOCOL,
			"the server speaks no TLS version of 1.2 or later");
	} else {
		set_reason(f, e, open);
	}
	return 0;
}

#define HEARTBEAT 24 /* RFC 6520 */

/* RFC 8446, section 5.1: a record that begins no connection, or NULL. */
static const char *premature_record(unsigned type)
{
	switch (type) {
	case SSL3_RT_CHANGE_CIPHER_SPEC:
		return "ChangeCipherSpec";
	case SSL3_RT_APPLICATION_DATA:
		return "encrypted data";
	case HEARTBEAT:
		return "a heartbeat";
	default:
		return NULL;
	}
}

/* As far as these bytes tell: a type of records, and versions 3.0 to 3.4. */
static bool is_record(const unsigned char *first, size_t n)
{
	return first[0] >= SSL3_RT_CHANGE_CIPHER_SPEC &&
	       first[0] <= HEARTBEAT &&
	       (n < 2 || first[1] == SSL3_VERSION_MAJOR) &&
	       (n < 3 || first[2] <= (TLS1_3_VERSION & 0xff));
}

/*
 * RFC 8446, section 5.1: the first record of a server is a handshake or an
 * alert record, and its version's first byte is 3.
 */
bool failure_set_not_tls(
	struct tls_failure *f, const unsigned char *first, size_t n)
{
	const char *premature = n ? premature_record(first[0]) : NULL;
	char quote[5 * 32];
	struct text t = text_in(quote, sizeof(quote));

	if (!n || (is_record(first, n) && (!premature || n < 3)))
		return false;
	if (is_record(first, n)) {
		failure_set(f, TLS_FAIL_PROTOCOL,
			"the server begins with a TLS record of %s instead of "
			"its part of the handshake",
			premature);
		return true;
	}
	text_add_escaped(&t, first, n);
	failure_set(f, TLS_FAIL_PROTOCOL,
		"the server does not speak TLS on this port "
		"(it answered \"%s\")",
		quote);
	return true;
}
