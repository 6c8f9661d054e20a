/* SPDX-License-Identifier: MIT */
/*
 * A laboratory for the engine: certificates made on the spot, a TLS server of
 * OpenSSL's in the same process, and between the two a transport of memory
 * that can be slow, short, cut and forged.
 */
#ifndef TLSSHIM_TESTS_ENGINE_LAB_H
#define TLSSHIM_TESTS_ENGINE_LAB_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/api.h"
#include "unit.h"

/* ---- certificates ---- */

struct lab_cert {
	X509 *cert;
	EVP_PKEY *key;
};

struct lab_spec {
	const char *cn;
	const char *san; /* "DNS:a.example.com,IP:10.0.0.1", or NULL */
	const char *eku; /* "serverAuth", or NULL: none */
	bool ca;
	bool must_staple;	/* RFC 7633 */
	int from_days, to_days; /* from now; both 0: yesterday to tomorrow */
	const struct lab_cert *issuer; /* NULL: self-signed */
};

/* Lives as long as the process. */
struct lab_cert lab_make(const struct lab_spec *spec);

/* Made once: a CA, and a certificate of it for db.example.com,
 * *.wild.example.com and 10.0.0.1. */
const struct lab_cert *lab_ca(void);
const struct lab_cert *lab_leaf(void);

/* Writes certificates as PEM to a new file or to dir/name; the path is good
 * until the process ends, which removes it. */
const char *lab_pem(const struct lab_cert *a, const struct lab_cert *b);
const char *lab_dir(void);
void lab_write(const char *path, const void *bytes, size_t len);
/* A file dir/HASH.0 as openssl rehash makes it. */
void lab_write_hashed(const char *dir, const struct lab_cert *cert);

/* A context that trusts lab_ca() alone; the same one every time. */
struct tls_context *lab_context(void);

/* ---- a connection ---- */

struct lab {
	SSL *server;
	BIO *to_server, *to_client; /* memory */
	struct tls_session *client;

	/* The transport: most bytes a call (0: any), bytes that may still
	 * pass (SIZE_MAX: any), errors to return, and what happened. */
	size_t recv_step, send_step;
	size_t recv_budget, send_budget;
	bool random_steps;
	bool end; /* of stream, behind what is in to_client */
	int recv_error, send_error;
	unsigned recvs, sends;

	/* What the server's program read, and how its reading ended. */
	unsigned char *got;
	size_t n_got, size_got;
	int server_error;  /* SSL_get_error() */
	int server_reason; /* of the error, SSL_R_... */

	char trace[16384];
	size_t n_trace;
};

struct lab_options {
	const struct lab_cert *cert;   /* NULL: lab_leaf() */
	const struct lab_cert *extra;  /* an intermediate to send, or NULL */
	const struct tls_identity *id; /* NULL: db.example.com */
	struct tls_context *ctx;       /* NULL: lab_context() */
	SSL_CTX *server_ctx;	       /* NULL: a new one */
	int max_version, min_version;  /* of the server; 0: any */
	bool traced;
};

/* Nothing has been sent yet. */
void lab_open(struct lab *l, const struct lab_options *o);
void lab_close(struct lab *l);

/* A server context, for servers that remember tickets. */
SSL_CTX *lab_server_ctx(const struct lab_options *o);

/* Lets the server handshake, read and answer what has arrived. */
void lab_serve(struct lab *l);

/* Runs both sides until the client is done, has failed, or nothing moves. */
enum tls_result lab_shake(struct lab *l);

/* lab_open(), lab_shake(), which must succeed. */
void lab_connect(struct lab *l, const struct lab_options *o);
/* The same; then nothing is on its way, and the counts are 0. */
void lab_connect_quiet(struct lab *l, const struct lab_options *o);

/* The server's program writes. */
void lab_server_write(struct lab *l, const void *bytes, size_t len);

/* The client's calls with one buffer. */
enum tls_result lab_read(struct lab *l, void *buf, size_t len, size_t *done);
enum tls_result lab_write_some(
	struct lab *l, const void *buf, size_t len, size_t *done);

/* Bytes of ciphertext on their way to the client. */
size_t lab_in_flight(const struct lab *l);

/* The client's last failure is of this kind and its text has all of these
 * parts (NULL ends the list). */
void lab_assert_failure(struct lab *l, enum tls_failure_kind kind, ...);

/* A pattern that shows where bytes were lost, doubled or swapped. */
void lab_pattern(void *buf, size_t len, size_t offset);
void lab_assert_pattern(const void *buf, size_t len, size_t offset);

#endif
