/* SPDX-License-Identifier: MIT */
/*
 * Pins: SHA-256 hashes of public keys (SubjectPublicKeyInfo, as RFC 7469), of
 * which one must be in the chain.
 */
#ifndef TLSSHIM_ENGINE_PINS_H
#define TLSSHIM_ENGINE_PINS_H

#include <openssl/x509.h>
#include <stdbool.h>
#include "engine/api.h"

#define PINS_SIZE 32

struct pins {
	unsigned char (*hashes)[PINS_SIZE];
	unsigned n; /* 0: none are set */
};

/* False, with *why filled in: a pin cannot be read. */
bool pins_load(struct pins *p, const struct tls_settings *settings,
	struct tls_failure *why);

bool pins_match(const struct pins *p, const X509 *cert);

/* "sha256//..." of a certificate, to be told to the user. */
#define PINS_TEXT_SIZE 56
void pins_describe(char text[PINS_TEXT_SIZE], const X509 *cert);

void pins_clear(struct pins *p);

#endif
