/* SPDX-License-Identifier: MIT */
/*
 * The steps of a handshake for the debug log, one clause each, as they are
 * seen on the wire (RFC 8446, section 4; RFC 5246, section 7.4).  Installed
 * only where the transport wants it; judges nothing.
 */
#ifndef TLSSHIM_ENGINE_TRACE_H
#define TLSSHIM_ENGINE_TRACE_H

#include "engine/session.h"

/* From now on each message is told to the session's transport.trace; nothing
 * when that is NULL. */
void trace_install(struct tls_session *s);

/* The certificates that the peer sent, before they are judged. */
void trace_chain(struct tls_session *s, STACK_OF(X509) * chain);

/* A line of one's own. */
void trace_step(struct tls_session *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
