/* SPDX-License-Identifier: MIT */
/*
 * How long a verification holds: no longer than what it was based on, and not
 * for ever.  Who resumes a session relies on the verification that its first
 * handshake made, however often the session was renewed since.
 *
 * Pure but for the clocks; no function blocks.
 */
#ifndef TLSSHIM_ENGINE_VERDICT_H
#define TLSSHIM_ENGINE_VERDICT_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <time.h>

/* All zero is one that does not hold. */
struct verdict {
	time_t since;	   /* the date of the verification */
	time_t since_boot; /* the same by CLOCK_BOOTTIME */
	time_t until;	   /* the date at which the first of its bases ends */
};

/* It was made just now; what it was based on is yet to be told. */
void verdict_begin(struct verdict *v);

/* It was based on what ends so many seconds after that date.  A date that
 * cannot be read ends it. */
void verdict_limit(struct verdict *v, const ASN1_TIME *end, long seconds);

/* It was based on these certificates; NULL: on none. */
void verdict_limit_chain(struct verdict *v, const STACK_OF(X509) * chain);

/* It is for this handshake alone. */
void verdict_end(struct verdict *v);

/*
 * Does it hold still, and is it at most so many seconds old?  By both clocks:
 * the date may be set, and the other one knows no date.
 */
bool verdict_holds(const struct verdict *v, unsigned max_seconds);

/* Seconds of CLOCK_BOOTTIME, which goes on while the machine sleeps. */
time_t verdict_boot_time(void);

#endif
