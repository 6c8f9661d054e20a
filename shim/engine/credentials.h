/* SPDX-License-Identifier: MIT */
/*
 * Our own certificate and key, for servers that ask for one.  Read through
 * OSSL_STORE, so that PEM, DER, PKCS#12 and, with a provider, keys in hardware
 * (pkcs11:) will do.
 */
#ifndef TLSSHIM_ENGINE_CREDENTIALS_H
#define TLSSHIM_ENGINE_CREDENTIALS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include "engine/api.h"
#include "engine/files.h"

/* True where none are set.  False, with *why filled in: they cannot be used.
 * Files with secrets that others may read are complained of. */
bool credentials_apply(SSL_CTX *ctx, const struct tls_settings *settings,
	struct tls_failure *why);

/* Notes the files of the settings, for files_changed(). */
void credentials_note(struct files *files, const struct tls_settings *settings);

#endif
