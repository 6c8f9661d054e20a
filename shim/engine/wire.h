/* SPDX-License-Identifier: MIT */
/*
 * The ciphertext's way in and out: an OpenSSL BIO over the transport
 * callbacks of engine/api.h, with a read-ahead buffer and an output buffer.
 * Knows bytes, not records, and nothing of SSL; struct wire is a part of a
 * session and is guarded as that is.
 *
 * Reading never fails as far as OpenSSL can see: end of stream and errors
 * are a retry to it, and in_eof and in_errno here.  So OpenSSL's state stays
 * whole, and the session decides what an end means.  Writing only appends to
 * the output buffer, so SSL_write() never has to be repeated.
 */
#ifndef TLSSHIM_ENGINE_WIRE_H
#define TLSSHIM_ENGINE_WIRE_H

#include <openssl/bio.h>
#include <stdbool.h>
#include "engine/api.h"

/* First bytes of the peer that are remembered, to quote those of a peer that
 * does not speak TLS. */
#define WIRE_FIRST 32

struct wire {
	struct tls_transport transport;
	void *owner;

	unsigned char *in; /* NULL while nothing is buffered */
	size_t in_off, in_len;
	/* The last recv() gave less than was asked for: there is no more. */
	bool drained;
	/* Set by a caller that has got something already, or by a receive()
	 * of the same call: then `drained` is believed instead of asking the
	 * transport again. */
	bool satisfied;
	bool in_eof;
	int in_errno;
	/* Bytes that OpenSSL was given; it gets none from limit on. */
	uint64_t fed, limit;
	unsigned char first[WIRE_FIRST];
	unsigned n_first;

	unsigned char *out; /* NULL while empty */
	size_t out_off, out_len, out_size;
	int out_errno;	 /* what is written is dropped from then on */
	int out_refused; /* ENOBUFS, ENOMEM: there was no room for a write */
};

/* Makes the BIO method, once per process; false: out of memory. */
bool wire_setup(void);

/* A BIO that reads and writes w, which outlives it; NULL: out of memory. */
BIO *wire_bio(struct wire *w);

/* Makes room for n more bytes in the output buffer; false: out of memory. */
bool wire_reserve(struct wire *w, size_t n);

size_t wire_pending(const struct wire *w);

/* Offers the output buffer to the transport, in one send().  TLS_OK: empty;
 * TLS_WANT_WRITE: not; TLS_FAILED: out_errno says why. */
enum tls_result wire_flush(struct wire *w);

/* Has it anything for a reader without asking the transport? */
bool wire_has_input(const struct wire *w);

/* Gives an empty read-ahead buffer back: an idle connection holds none. */
void wire_relax(struct wire *w);

/* Frees the buffers; the struct and the BIO are others' affair. */
void wire_clear(struct wire *w);

#endif
