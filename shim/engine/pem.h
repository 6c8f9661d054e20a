/* SPDX-License-Identifier: MIT */
/*
 * Certificates and CRLs from a PEM file into a store.  Knows PEM, and not
 * what they are for.
 */
#ifndef TLSSHIM_ENGINE_PEM_H
#define TLSSHIM_ENGINE_PEM_H

#include <openssl/x509.h>

#define PEM_GARBAGE (-3) /* one that cannot be parsed */
#define PEM_IS_DER (-4)	 /* not text at all */

/*
 * Adds every certificate of the file at path to the store (one that it has
 * already is not added twice) and counts them in *n.  Returns 0, a result of
 * files_read(), or the code above.  Never asks for a password.
 */
int pem_load(X509_STORE *store, const char *path, unsigned *n);

/* The same for CRLs; one in DER, as CAs publish them, will do as well. */
int pem_load_crls(X509_STORE *store, const char *path, unsigned *n);

/* What a result means, in words. */
const char *pem_error_text(int result);

#endif
