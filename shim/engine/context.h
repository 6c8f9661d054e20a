/* SPDX-License-Identifier: MIT */
/*
 * What many sessions share: OpenSSL's SSL_CTX with our rules, trust anchors,
 * session tickets.
 */
#ifndef TLSSHIM_ENGINE_CONTEXT_H
#define TLSSHIM_ENGINE_CONTEXT_H

#include <openssl/ssl.h>
#include "../tls.h"
#include "tickets.h"
#include "trust.h"

struct tls_context {
	SSL_CTX *ssl;
	struct trust *trust;
	struct tickets tickets;
};

/* As tls.h says. */
struct tls_context *context_new(
	const struct tls_settings *settings, struct tls_failure *why);
void context_preload(struct tls_context *ctx);

#endif
