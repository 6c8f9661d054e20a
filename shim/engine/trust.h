/* SPDX-License-Identifier: MIT */
/*
 * Trust anchors and CRLs: a store filled from a CA file, from directories of
 * hashed names as they are needed, or from the system's default of either.
 * Knows files and stores; which certificate is accepted is verify.c's affair.
 *
 * Only regular files are read (a FIFO would hang), and without stdio.
 */
#ifndef TLSSHIM_ENGINE_TRUST_H
#define TLSSHIM_ENGINE_TRUST_H

#include <openssl/x509.h>
#include <stdbool.h>
#include "engine/api.h"
#include "engine/files.h"

struct trust;

/* Once per process, before all else; false: out of memory. */
bool trust_setup(void);

/* Anchors and CRLs as the settings say; what was read is noted in files.  NULL
 * on failure, with *why filled in; nothing to trust at all is a failure too. */
struct trust *trust_new(const struct tls_settings *settings,
	struct files *files, struct tls_failure *why);
/* NULL is allowed. */
void trust_free(struct trust *t);

/* The store to verify with; it stays the trust's. */
X509_STORE *trust_store(const struct trust *t);

/* Is any of the files that were looked up meanwhile another one, or was it
 * written to?  Any thread. */
bool trust_changed(struct trust *t);

/* Loads all that would be looked up later, and looks nothing up any more.
 * Any thread, at any time. */
void trust_preload(struct trust *t);

#endif
