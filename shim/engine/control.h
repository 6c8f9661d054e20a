/* SPDX-License-Identifier: MIT */
/*
 * What a peer may send that is no data: handshake messages, and key updates,
 * session tickets and requests after the handshake.  Each costs us time and
 * some cost us output, and the peer must not set that price: they are bounded
 * since the last byte of data in either direction, never over the life of a
 * connection, and forgiven after a minute, so that a connection may be idle
 * for months.  Knows how many there were, not what they say.
 */
#ifndef TLSSHIM_ENGINE_CONTROL_H
#define TLSSHIM_ENGINE_CONTROL_H

#include "engine/session.h"

/* Of the whole handshake: the longest chain that OpenSSL takes is 100 KB, the
 * longest list of CAs in a request for our certificate as well. */
#define CONTROL_HANDSHAKE_BYTES ((uint64_t)256 << 10)
#define CONTROL_HANDSHAKE_STEPS 64u

/* After it, since the last byte of data. */
#define CONTROL_MESSAGES 32u
#define CONTROL_BYTES ((uint64_t)64 << 10)
/* Each is answered by a signature of our key. */
#define CONTROL_CERT_REQUESTS 4u
#define CONTROL_SECONDS 60

/* Of one call, whatever data is between them. */
#define CONTROL_MESSAGES_A_CALL 32u

/* The record whose first byte of data ends the count. */
#define CONTROL_RECORD ((uint64_t)SSL3_RT_MAX_ENCRYPTED_LENGTH + 5)

/* Watches a new session. */
void control_install(struct tls_session *s);

/* The handshake is done, or bytes of data have passed: counts anew. */
static inline void control_forgive(struct tls_session *s)
{
	s->control.messages = 0;
	s->control.cert_requests = 0;
	s->wire.limit = s->wire.fed + CONTROL_BYTES + CONTROL_RECORD;
}

/* The server asks for our certificate; false: once too often. */
bool control_cert_request(struct tls_session *s);

/* Was it too much?  Then OpenSSL is given nothing more. */
static inline bool control_is_exceeded(const struct tls_session *s)
{
	return s->wire.fed >= s->wire.limit;
}

/* Ends the session for that: TLS_FAILED. */
enum tls_result control_fail(struct tls_session *s);

#endif
