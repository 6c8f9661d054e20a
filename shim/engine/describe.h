/* SPDX-License-Identifier: MIT */
/*
 * Certificates in words: names, dates, keys, as printable ASCII.  Knows X.509
 * and judges nothing.
 */
#ifndef TLSSHIM_ENGINE_DESCRIBE_H
#define TLSSHIM_ENGINE_DESCRIBE_H

#include <openssl/x509.h>
#include "engine/text.h"

/* The whole name, most specific part first: "CN=db.example.com,O=Corp". */
void describe_name(struct text *t, const X509_NAME *name);

/* "CN=db.example.com", or the whole name when it has no CN. */
void describe_short_name(struct text *t, const X509_NAME *name);

/* "CN=db.example.com, issuer CN=Corp CA" */
void describe_who(struct text *t, const X509 *cert);

/* "2026-03-01" */
void describe_date(struct text *t, const ASN1_TIME *date);

/* What the certificate is for: "a.example.com, 10.0.0.1"; the first few and
 * how many more.  "no name" when it has no subjectAltName of use. */
void describe_alt_names(struct text *t, X509 *cert);

/* "RSA 2048 bits" */
void describe_key(struct text *t, const X509 *cert);

/* "03a1..." in hexadecimal. */
void describe_serial(struct text *t, const X509 *cert);

#endif
