/* SPDX-License-Identifier: MIT */
/*
 * Why something failed, as struct tls_failure of engine/api.h: filled in from a
 * format, from an errno value, or from what OpenSSL left in its error queue.
 * Knows OpenSSL's error codes and the names of alerts.
 */
#ifndef TLSSHIM_ENGINE_FAILURE_H
#define TLSSHIM_ENGINE_FAILURE_H

#include <stdbool.h>
#include "engine/api.h"

void failure_set(struct tls_failure *f, enum tls_failure_kind kind,
	const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* TLS_FAIL_TRANSPORT with this errno and its meaning. */
void failure_set_errno(struct tls_failure *f, int error);

/*
 * From this thread's OpenSSL error queue, which is emptied: an alert that
 * the peer sent, a version or cipher not agreed on, a bad record...
 * open says whether the handshake was done.  Returns the number of the alert
 * that the peer sent, 0 where it sent none.
 */
unsigned failure_set_ssl(struct tls_failure *f, bool open);

/* The peer's first bytes, when they cannot be the beginning of TLS: "the server
 * does not speak TLS on this port (...)".  False, and nothing filled in, when
 * they can. */
bool failure_set_not_tls(
	struct tls_failure *f, const unsigned char *first, size_t n);

/* RFC 8446, section 6: "bad_certificate"; "42" when it has no name. */
const char *failure_alert_name(unsigned alert);

/* The meaning of an errno value in the C locale, never NULL. */
const char *failure_errno_text(int error);

#endif
