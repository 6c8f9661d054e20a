/* SPDX-License-Identifier: MIT */
/*
 * The BIO over the transport callbacks, its read-ahead and output buffers.
 */
#include "engine/wire.h"

#include <errno.h>
#include <string.h>
#include "engine/arena.h"

/* Four records a recv(), as one block of the arena's 64 KiB class. */
#define IN_SIZE ((size_t)65536 - ARENA_OVERHEAD)

/*
 * More than writev() ever leaves here.  What comes on top is answers to the
 * peer (KeyUpdate, alerts): a peer that asks for them without end and reads
 * none of them must not eat our memory.
 */
#define OUT_MAX (((size_t)256 << 10) - ARENA_OVERHEAD)

#define OUT_FIRST ((size_t)4096 - ARENA_OVERHEAD)

static BIO_METHOD *method;

size_t wire_pending(const struct wire *w)
{
	return w->out_len - w->out_off;
}

static void remember_first(struct wire *w)
{
	size_t n = w->in_len;

	if (n > WIRE_FIRST - w->n_first)
		n = WIRE_FIRST - w->n_first;
	memcpy(w->first + w->n_first, w->in, n);
	w->n_first += (unsigned)n;
}

/* Asks the transport once; false: nothing came. */
static bool receive(struct wire *w)
{
	ssize_t n;

	if (w->in_eof || w->in_errno || (w->satisfied && w->drained))
		return false;
	if (!w->in)
		w->in = arena_alloc(IN_SIZE);
	if (!w->in) {
		w->in_errno = ENOMEM;
		return false;
	}
	do
		n = w->transport.recv(w->owner, w->in, IN_SIZE);
	while (n == -EINTR);
	w->in_off = 0;
	w->in_len = n > 0 ? (size_t)n : 0;
	w->drained = n < (ssize_t)IN_SIZE;
	w->satisfied = true;
	w->in_eof = n == 0;
	if (n < 0 && n != -EAGAIN && n != -EWOULDBLOCK)
		w->in_errno = (int)-n;
	if (n > 0 && w->n_first < WIRE_FIRST)
		remember_first(w);
	return n > 0;
}

static int bio_read(BIO *bio, char *buf, size_t len, size_t *done)
{
	struct wire *w = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (w->fed >= w->limit || (w->in_off == w->in_len && !receive(w))) {
		BIO_set_retry_read(bio);
		return 0;
	}
	if (len > w->in_len - w->in_off)
		len = w->in_len - w->in_off;
	memcpy(buf, w->in + w->in_off, len);
	w->in_off += len;
	w->fed += len;
	*done = len;
	return 1;
}

static int bio_write(BIO *bio, const char *buf, size_t len, size_t *done)
{
	struct wire *w = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	*done = len;
	if (w->out_errno)
		return 1;
	if (!wire_reserve(w, len)) {
		w->out_refused =
			len > OUT_MAX - wire_pending(w) ? ENOBUFS : ENOMEM;
		return 0;
	}
	memcpy(w->out + w->out_len, buf, len);
	w->out_len += len;
	return 1;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)bio, (void)num, (void)ptr;
	return cmd == BIO_CTRL_FLUSH;
}

bool wire_setup(void)
{
	if (!method)
		method = BIO_meth_new(
			BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tlsshim");
	return method && BIO_meth_set_read_ex(method, bio_read) &&
	       BIO_meth_set_write_ex(method, bio_write) &&
	       BIO_meth_set_ctrl(method, bio_ctrl);
}

BIO *wire_bio(struct wire *w)
{
	BIO *bio = BIO_new(method);

	if (!bio)
		return NULL;
	BIO_set_data(bio, w);
	BIO_set_init(bio, 1);
	return bio;
}

bool wire_reserve(struct wire *w, size_t n)
{
	size_t pending = wire_pending(w);
	unsigned char *fresh;
	size_t size;

	if (n <= w->out_size - w->out_len)
		return true;
	if (n > OUT_MAX - pending)
		return false;
	if (w->out_off) {
		memmove(w->out, w->out + w->out_off, pending);
		w->out_off = 0;
		w->out_len = pending;
	}
	if (n <= w->out_size - pending)
		return true;
	size = w->out_size + w->out_size / 2;
	if (size < pending + n)
		size = pending + n;
	if (size < OUT_FIRST)
		size = OUT_FIRST;
	if (size > OUT_MAX)
		size = OUT_MAX;
	fresh = arena_realloc(w->out, size);
	if (!fresh)
		return false;
	w->out = fresh;
	w->out_size = size;
	return true;
}

static void drop_out(struct wire *w)
{
	arena_free(w->out);
	w->out = NULL;
	w->out_off = w->out_len = w->out_size = 0;
}

/*
 * No second try after a short send(): a socket takes less than it was given
 * when its buffer is full.
 */
enum tls_result wire_flush(struct wire *w)
{
	ssize_t n;

	if (w->out_errno)
		return TLS_FAILED;
	if (!w->out)
		return TLS_OK;
	do
		n = w->transport.send(
			w->owner, w->out + w->out_off, wire_pending(w));
	while (n == -EINTR);
	if (n < 0 && n != -EAGAIN && n != -EWOULDBLOCK) {
		w->out_errno = (int)-n;
		drop_out(w);
		return TLS_FAILED;
	}
	if (n > 0)
		w->out_off += (size_t)n;
	if (w->out_off < w->out_len)
		return TLS_WANT_WRITE;
	drop_out(w);
	return TLS_OK;
}

bool wire_has_input(const struct wire *w)
{
	return w->in_off < w->in_len || w->in_eof || w->in_errno;
}

void wire_relax(struct wire *w)
{
	if (!w->in || w->in_off < w->in_len)
		return;
	arena_free(w->in);
	w->in = NULL;
	w->in_off = w->in_len = 0;
}

void wire_clear(struct wire *w)
{
	arena_free(w->in);
	w->in = NULL;
	w->in_off = w->in_len = 0;
	drop_out(w);
}
