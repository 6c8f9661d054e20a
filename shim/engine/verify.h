/* SPDX-License-Identifier: MIT */
/*
 * Is this the peer that it should be?  Chain, dates, purpose and identity, in
 * one decision that OpenSSL asks for in the middle of the handshake: when it
 * is no, the alert goes out and no byte of the peer is accepted.
 */
#ifndef TLSSHIM_ENGINE_VERIFY_H
#define TLSSHIM_ENGINE_VERIFY_H

#include <openssl/ssl.h>
#include "engine/api.h"

struct tls_session;

/* Makes every session of the context verify its peer as the settings say. */
void verify_install(SSL_CTX *ctx, const struct tls_settings *settings);

/*
 * Fills in the session's failure: kind, "PROBLEM (CN=..., issuer CN=...)", and
 * all that the log tells of the server's certificate.  error is an X509_V_ERR_
 * code.
 */
void verify_refuse(
	struct tls_session *s, X509 *cert, int error, const char *problem);

#endif
