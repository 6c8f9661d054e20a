/* SPDX-License-Identifier: MIT */
/*
 * Is this the peer that it should be?  Chain, dates, purpose and identity, in
 * one decision that OpenSSL asks for in the middle of the handshake: when it
 * is no, the alert goes out and no byte of the peer is accepted.
 */
#ifndef TLSSHIM_ENGINE_VERIFY_H
#define TLSSHIM_ENGINE_VERIFY_H

#include <openssl/ssl.h>

/* Makes every session of the context verify its peer. */
void verify_install(SSL_CTX *ctx);

#endif
