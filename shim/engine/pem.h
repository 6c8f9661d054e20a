/* SPDX-License-Identifier: MIT */
/*
 * Certificates from a PEM file into a store.  Knows files and PEM, and not
 * what the certificates are for.
 */
#ifndef TLSSHIM_ENGINE_PEM_H
#define TLSSHIM_ENGINE_PEM_H

#include <openssl/x509.h>

#define PEM_NOT_REGULAR (-1) /* not a regular file */
#define PEM_TOO_BIG (-2)
#define PEM_GARBAGE (-3) /* a certificate that cannot be parsed */

/*
 * Adds every certificate of the file at path to the store (one that it has
 * already is not added twice) and counts them in *n.  Returns 0, an errno
 * value, or one of the codes above.  Follows symbolic links; never waits for
 * a FIFO or a device, never asks for a password.
 */
int pem_load(X509_STORE *store, const char *path, unsigned *n);

/* What a result of pem_load() means, in words. */
const char *pem_error_text(int result);

#endif
