/* SPDX-License-Identifier: MIT */
/*
 * Counting what is no data.  OpenSSL tells of each handshake message
 * (SSL_CTX_set_info_callback(3)), at no cost to data; it cannot be stopped
 * there, but the wire gives it no further byte.
 */
#include "engine/control.h"

#include <time.h>
#include "engine/failure.h"

static void exceed(struct tls_session *s)
{
	s->wire.limit = 0;
}

static long seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

/* What came long ago is no flood. */
static void forgive_old(struct tls_session *s)
{
	struct control *control = &s->control;
	long now = seconds();

	if (control->messages && now - control->since < CONTROL_SECONDS)
		return;
	control_forgive(s);
	control->since = now;
}

static void count_message(struct tls_session *s, OSSL_HANDSHAKE_STATE kind)
{
	if (control_is_exceeded(s))
		return;
	forgive_old(s);
	s->control.kind = kind;
	s->control.total++;
	if (++s->control.messages > CONTROL_MESSAGES)
		exceed(s);
}

/*
 * Before each step of OpenSSL's state machine.  Of an open session a message
 * leads it out of the state "OK", into one of the message's own, and over
 * those of the answer, if there is one, back.
 */
static void on_step(const SSL *ssl, int where, int ret)
{
	struct tls_session *s = SSL_get_app_data(ssl);
	OSSL_HANDSHAKE_STATE state = SSL_get_state(ssl);

	(void)ret;
	if (!(where & SSL_CB_LOOP))
		return;
	if (!s->open && ++s->control.messages > CONTROL_HANDSHAKE_STEPS)
		exceed(s);
	if (s->open && state != TLS_ST_OK && s->control.last == TLS_ST_OK)
		count_message(s, state);
	s->control.last = state;
}

void control_install(struct tls_session *s)
{
	s->wire.limit = CONTROL_HANDSHAKE_BYTES;
	SSL_set_info_callback(s->ssl, on_step);
}

bool control_cert_request(struct tls_session *s)
{
	if (s->open && ++s->control.cert_requests > CONTROL_CERT_REQUESTS)
		exceed(s);
	return !control_is_exceeded(s);
}

/* Of what there was too much. */
static const char *what(const struct tls_session *s)
{
	if (s->control.cert_requests > CONTROL_CERT_REQUESTS)
		return "requests for our certificate";
	switch (s->control.kind) {
	case TLS_ST_CR_KEY_UPDATE:
		return "key updates";
	case TLS_ST_CR_SESSION_TICKET:
		return "session tickets";
	case TLS_ST_CR_HELLO_REQ:
		return "requests to renegotiate";
	default:
		return "messages of TLS";
	}
}

enum tls_result control_fail(struct tls_session *s)
{
	if (s->open)
		failure_set(&s->failure, TLS_FAIL_RECORD,
			"the server sends %s without end and no data between "
			"them (more than %u messages or %u KB)",
			what(s), CONTROL_MESSAGES,
			(unsigned)(CONTROL_BYTES >> 10));
	else
		failure_set(&s->failure, TLS_FAIL_PROTOCOL,
			"the server's part of the TLS handshake has no end "
			"(more than %u KB or %u steps)",
			(unsigned)(CONTROL_HANDSHAKE_BYTES >> 10),
			CONTROL_HANDSHAKE_STEPS);
	return session_fail(s);
}
