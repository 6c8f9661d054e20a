/* SPDX-License-Identifier: MIT */
/*
 * Why a certificate is refused, and what to do about it, in words.  Knows
 * OpenSSL's verification errors; decides nothing.
 */
#ifndef TLSSHIM_ENGINE_REASON_H
#define TLSSHIM_ENGINE_REASON_H

#include <openssl/x509_vfy.h>
#include "engine/text.h"

/*
 * Adds the problem that the chain's context holds: "certificate expired
 * 2026-03-01".  Gives what the user can do about it: a clause, for ever good.
 */
const char *reason_of_chain(struct text *t, X509_STORE_CTX *chain);

/* What the user can do about an X509_V_ERR_ code that is not of the chain:
 * cert is the server's. */
const char *reason_hint(int error, X509 *cert);

#endif
