/* SPDX-License-Identifier: MIT */
/*
 * Failures of a session in words.
 */
#include "engine/explain.h"

#include <errno.h>
#include "engine/describe.h"
#include "engine/failure.h"
#include "engine/text.h"

#define WHO_SIZE 200

/* ---- our certificate ---- */

/* Alerts by which a server says that it does not like our certificate; with
 * TLS 1.2 handshake_failure says that one is missing. */
static bool is_about_client_cert(unsigned alert)
{
	return alert == SSL_AD_HANDSHAKE_FAILURE ||
	       (alert >= SSL_AD_BAD_CERTIFICATE &&
		       alert <= SSL_AD_CERTIFICATE_UNKNOWN) ||
	       alert == SSL_AD_UNKNOWN_CA || alert == SSL_AD_ACCESS_DENIED ||
	       alert == SSL_AD_DECRYPT_ERROR ||
	       alert == SSL_AD_CERTIFICATE_REQUIRED;
}

static const char *our_name(const struct tls_session *s, char *buf)
{
	struct text t = text_in(buf, WHO_SIZE);

	describe_who(&t, SSL_get_certificate(s->ssl));
	return buf;
}

/* Of TLS 1.3 it comes when the handshake is done for us: at the first read. */
static void explain_client_cert(struct tls_session *s, unsigned alert)
{
	char who[WHO_SIZE];

	if (!SSL_get_certificate(s->ssl))
		failure_set(&s->failure, TLS_FAIL_PROTOCOL,
			"the server demands a client certificate (alert %s): "
			"set TLSSHIM_CERT and TLSSHIM_KEY",
			failure_alert_name(alert));
	else
		failure_set(&s->failure, TLS_FAIL_PROTOCOL,
			"the server refused our client certificate (alert %s; "
			"%s): TLSSHIM_CERT must be one that it trusts",
			failure_alert_name(alert), our_name(s, who));
}

/* A server that breaks off says no more.  What it had asked for may be why. */
static const char *likely_cause(const struct tls_session *s, char *buf)
{
	char who[WHO_SIZE];
	struct text t = text_in(buf, WHO_SIZE);

	buf[0] = '\0';
	if (!s->client_cert_asked || s->received)
		return buf;
	if (!SSL_get_certificate(s->ssl))
		text_add(&t,
			"; it asked for a client certificate: set TLSSHIM_CERT "
			"and TLSSHIM_KEY");
	else
		text_add(&t, "; it may not trust our client certificate (%s)",
			our_name(s, who));
	return buf;
}

/* ---- how it ended ---- */

static const char *stage(const struct tls_session *s)
{
	if (!s->open)
		return " during the TLS handshake";
	return s->received ? "" : " after the TLS handshake, before any data";
}

void explain_transport(struct tls_session *s, int error)
{
	char cause[WHO_SIZE];

	failure_set(&s->failure, TLS_FAIL_TRANSPORT, "%s%s%s",
		failure_errno_text(error), stage(s), likely_cause(s, cause));
	s->failure.transport_errno = error;
}

void explain_end(struct tls_session *s)
{
	char cause[WHO_SIZE];

	if (s->open) {
		failure_set(&s->failure, TLS_FAIL_TRUNCATED,
			"the server closed the connection without "
			"close_notify: data may be missing%s",
			likely_cause(s, cause));
		return;
	}
	failure_set(&s->failure, TLS_FAIL_TRANSPORT,
		"the server closed the connection during the handshake%s",
		likely_cause(s, cause));
	s->failure.transport_errno = ECONNRESET;
}

/* ---- what OpenSSL says ---- */

static const char *version_name(int version)
{
	return version == TLS1_2_VERSION ? "TLS 1.2" : "TLS 1.3";
}

static void explain_version(struct tls_session *s)
{
	int min = (int)SSL_get_min_proto_version(s->ssl);
	int max = (int)SSL_get_max_proto_version(s->ssl);

	if (!max)
		max = TLS1_3_VERSION;
	failure_set(&s->failure, TLS_FAIL_PROTOCOL,
		"the server speaks no version of TLS that is allowed here, "
		"%s%s%s (alert protocol_version): have it speak one%s",
		version_name(min), min == max ? "" : " or ",
		min == max ? "" : version_name(max),
		min == TLS1_2_VERSION && max == TLS1_3_VERSION
			? ", older ones are not secure"
			: ", or see TLSSHIM_MIN_VERSION and "
			  "TLSSHIM_MAX_VERSION");
}

/* A peer that takes none of our answers has filled all the room for them. */
static void explain_output(struct tls_session *s)
{
	if (s->wire.out_refused == ENOBUFS)
		failure_set(&s->failure,
			s->open ? TLS_FAIL_RECORD : TLS_FAIL_PROTOCOL,
			"the server demands answers without end and takes none "
			"of them");
	else
		failure_set(&s->failure, TLS_FAIL_MEMORY, "out of memory");
	ERR_clear_error();
}

void explain_protocol(struct tls_session *s)
{
	unsigned alert;

	if (s->wire.out_refused) {
		explain_output(s);
		return;
	}
	alert = failure_set_ssl(&s->failure, s->open);
	if (s->client_cert_asked && is_about_client_cert(alert))
		explain_client_cert(s, alert);
	else if (!s->open && alert == SSL_AD_PROTOCOL_VERSION)
		explain_version(s);
}
