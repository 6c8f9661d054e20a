/* SPDX-License-Identifier: MIT */
/*
 * Stapled OCSP responses (RFC 6066, section 8; RFC 6960; must-staple: RFC
 * 7633).  Of the server's own certificate; those of its CAs are CRLs' affair.
 */
#ifndef TLSSHIM_ENGINE_STAPLE_H
#define TLSSHIM_ENGINE_STAPLE_H

#include <openssl/ssl.h>
#include "engine/api.h"

/* Makes every session of the context ask for a response and judge it. */
void staple_install(SSL_CTX *ctx, const struct tls_settings *settings);

#endif
