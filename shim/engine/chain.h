/* SPDX-License-Identifier: MIT */
/*
 * From the server's certificate to one that is trusted (RFC 5280): OpenSSL
 * builds and checks the chain, here it is said which anchors may end it and
 * what a missing CRL means.  Names and pins are verify.c's affair.
 */
#ifndef TLSSHIM_ENGINE_CHAIN_H
#define TLSSHIM_ENGINE_CHAIN_H

#include <openssl/x509_vfy.h>
#include <stdbool.h>
#include "engine/api.h"

/* In place of X509_verify_cert(3).  Leaves the chain that was found, the error,
 * its depth and its certificate in the context, as that does. */
bool chain_verify(X509_STORE_CTX *chain, const struct tls_settings *settings);

/* Is the error that no issuer was found, or none that is trusted? */
bool chain_lacks_issuer(int error);

#endif
