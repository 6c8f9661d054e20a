/* SPDX-License-Identifier: MIT */
/*
 * Why a session failed, where that takes more than OpenSSL's or the kernel's
 * word for it: what the server had asked for, how far the session was, which
 * setting would change it.  Fills in the session's failure and does nothing
 * else.
 */
#ifndef TLSSHIM_ENGINE_EXPLAIN_H
#define TLSSHIM_ENGINE_EXPLAIN_H

#include "engine/session.h"

/* The transport failed with this errno value. */
void explain_transport(struct tls_session *s, int error);

/* The peer ended TCP without close_notify. */
void explain_end(struct tls_session *s);

/* OpenSSL failed; its error queue, which is emptied, says how. */
void explain_protocol(struct tls_session *s);

#endif
