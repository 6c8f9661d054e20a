/* SPDX-License-Identifier: MIT */
/*
 * One TLS connection: its life and handshake.  What moves through it once it
 * is open is transfer.c's affair.  The functions are those of struct
 * tls_engine in engine/api.h, but that errno is not kept here (tls/loader.c
 * does that).
 */
#ifndef TLSSHIM_ENGINE_SESSION_H
#define TLSSHIM_ENGINE_SESSION_H

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include "engine/api.h"
#include "engine/context.h"
#include "engine/identity.h"
#include "engine/verdict.h"
#include "engine/wire.h"

/* Plaintext that fill() decrypted before it was read. */
struct waiting {
	char *buf; /* NULL while there is none */
	size_t off, len, size;
};

/* What came beside data: control.h. */
struct control {
	unsigned total;	   /* messages since the handshake; may wrap */
	unsigned messages; /* since the last byte of data, or steps of the
			    * handshake */
	unsigned cert_requests;
	long since; /* the second in which the first of them came */
	OSSL_HANDSHAKE_STATE last; /* OpenSSL's */
	OSSL_HANDSHAKE_STATE kind; /* of the message counted last */
};

struct tls_session {
	struct context *ctx; /* a reference */
	struct identity *id;
	SSL *ssl;
	struct wire wire;
	struct waiting waiting;
	struct control control;
	struct tls_refusal *refusal; /* NULL, or what failure points to */
	uint64_t received, sent;     /* plaintext bytes */
	/* Of this handshake's verification, or of the one that the session
	 * to be resumed stands for. */
	struct verdict verdict;
	bool client_cert_asked; /* the server wants to see ours */
	bool verified;		/* this handshake's certificate was accepted */
	bool open;		/* the handshake is done */
	bool close_sent;	/* close_notify */
	/* TLS_OK, or TLS_EOF or TLS_FAILED once reading is over. */
	enum tls_result ended;
	unsigned window; /* records that the next writev() may encrypt */
	struct tls_failure failure;
};

struct tls_session *session_new(struct tls_context *ctx,
	const struct tls_identity *id, const struct tls_transport *transport,
	void *owner);
void session_free(struct tls_session *s);
enum tls_result session_handshake(struct tls_session *s);
enum tls_result session_flush(struct tls_session *s);
enum tls_result session_shutdown(struct tls_session *s);
bool session_rest(const struct tls_session *s, const void **bytes, size_t *len);
void session_info(const struct tls_session *s, struct tls_info *info);

/* ---- for transfer.c ---- */

/* Before a call of OpenSSL, whose verdict depends on what is in the queue.
 * Clearing it costs 16 entries' worth, looking does not. */
static inline void session_forget_errors(void)
{
	if (ERR_peek_error())
		ERR_clear_error();
}

/* Ends the session with the failure that was filled in: TLS_FAILED. */
enum tls_result session_fail(struct tls_session *s);

/*
 * What a call of OpenSSL that wanted to read and did not succeed means: the
 * one switch over SSL_get_error().  Ends the session where it must.
 */
enum tls_result session_stopped(struct tls_session *s, int ret);

/* Fills in why output failed, unless all failed before: TLS_FAILED. */
enum tls_result session_output_failed(struct tls_session *s);

#endif
