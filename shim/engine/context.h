/* SPDX-License-Identifier: MIT */
/*
 * What many sessions share.  A struct tls_context is the settings, for as long
 * as the process lives; a struct context is one reading of the files that they
 * name: OpenSSL's SSL_CTX with our rules, trust anchors, credentials, pins and
 * session tickets.  When files change, new sessions get a new one.
 */
#ifndef TLSSHIM_ENGINE_CONTEXT_H
#define TLSSHIM_ENGINE_CONTEXT_H

#include <openssl/ssl.h>
#include <stdatomic.h>
#include "engine/api.h"
#include "engine/pins.h"
#include "engine/tickets.h"
#include "engine/trust.h"

struct context {
	atomic_uint refs;
	const struct tls_settings *settings; /* the tls_context's */
	SSL_CTX *ssl;
	struct trust *trust;
	struct pins pins;
	struct tickets tickets;
};

/* As engine/api.h says. */
struct tls_context *context_new(
	const struct tls_settings *settings, struct tls_failure *why);
void context_preload(struct tls_context *ctx);

/* The present reading, as a reference of the caller's: never NULL.  At most
 * once a second it is looked whether a file has changed. */
struct context *context_get(struct tls_context *ctx);
void context_put(struct context *ctx);

/* So old may the verification be that a resumed session stands for; 0: none is
 * resumed. */
unsigned context_resume_seconds(const struct context *ctx);

/* In the child of fork(2). */
void context_fork_child(void);

#endif
