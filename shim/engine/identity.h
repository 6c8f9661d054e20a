/* SPDX-License-Identifier: MIT */
/*
 * Whom the peer must prove to be: a copy of struct tls_identity, the check of
 * a certificate against it (RFC 6125 as amended by RFC 9525), and the key
 * under which its session tickets are kept.  Knows nothing of chains.
 */
#ifndef TLSSHIM_ENGINE_IDENTITY_H
#define TLSSHIM_ENGINE_IDENTITY_H

#include <openssl/x509.h>
#include "engine/api.h"
#include "engine/text.h"

struct identity {
	struct tls_identity is; /* its strings lie behind this struct */
	/* All of it and the context's destination, for equality; length 0:
	 * no resumption. */
	const unsigned char *key;
	size_t key_len;
};

/* A copy; NULL: out of memory, or not a valid struct tls_identity. */
struct identity *identity_new(const struct tls_identity *from);
/* NULL is allowed. */
void identity_free(struct identity *id);

/*
 * X509_V_OK when the certificate is valid for all that is required; else the
 * X509_V_ERR_ code, with "the name db.example.com" or "the address 10.0.0.1"
 * added to missing.  An identity with nothing to check is never matched.
 */
int identity_check(const struct identity *id, X509 *cert, struct text *missing);

#endif
