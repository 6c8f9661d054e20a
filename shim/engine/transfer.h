/* SPDX-License-Identifier: MIT */
/*
 * Plaintext through an open session: the calls of struct tls_engine
 * (engine/api.h) that read and write, but that errno is not kept here
 * (tls/loader.c does that).
 */
#ifndef TLSSHIM_ENGINE_TRANSFER_H
#define TLSSHIM_ENGINE_TRANSFER_H

#include "engine/session.h"

enum tls_result transfer_readv(struct tls_session *s, const struct iovec *iov,
	int n_iov, size_t *done);
enum tls_result transfer_probe(struct tls_session *s);
bool transfer_pending_in(const struct tls_session *s);
enum tls_result transfer_fill(
	struct tls_session *s, size_t want, size_t *avail);
size_t transfer_peekv(
	struct tls_session *s, const struct iovec *iov, int n_iov);
enum tls_result transfer_writev(struct tls_session *s, const struct iovec *iov,
	int n_iov, size_t *done);

#endif
