/* SPDX-License-Identifier: MIT */
/*
 * What the log says of a connection: a line of text, or an object of JSON with
 * the same.  Knows both forms; the connection's lock is held by the caller,
 * or nobody else has it any more.
 */
#ifndef TLSSHIM_REPORT_H
#define TLSSHIM_REPORT_H

#include "conn.h"

/* The handshake is done. */
void report_opened(const struct conn *c);

/* It was refused, with this errno value; failure may be NULL. */
void report_refused(const struct conn *c, int error, const char *why,
	const struct tls_failure *failure);

/* Has no byte of data come from the server yet?  Then what ends it is news even
 * to a program that is gone: a refusal, more likely than not. */
bool report_is_early(const struct conn *c);

/* It broke after it was open.  heard: there is somebody to whom that is news;
 * otherwise it is for debugging, unless it is early. */
void report_broken(
	const struct conn *c, const struct tls_failure *failure, bool heard);

/* It ended; once, before the session is freed. */
void report_closed(const struct conn *c);

#endif
