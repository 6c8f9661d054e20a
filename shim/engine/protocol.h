/* SPDX-License-Identifier: MIT */
/*
 * By which protocol: versions, ciphers, ALPN, what SSL_CONF knows, and the
 * log of secrets.  Whatever the settings and the system's openssl.cnf say, no
 * version below TLS 1.2 and no cipher that does not encrypt is left.
 */
#ifndef TLSSHIM_ENGINE_PROTOCOL_H
#define TLSSHIM_ENGINE_PROTOCOL_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include "engine/api.h"

/* False, with *why filled in: these settings cannot be. */
bool protocol_apply(SSL_CTX *ctx, const struct tls_settings *settings,
	struct tls_failure *why);

#endif
