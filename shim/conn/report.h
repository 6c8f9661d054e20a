/* SPDX-License-Identifier: MIT */
/*
 * What the log says of a connection: a line of text, or an object of JSON with
 * the same.  Knows both forms; the connection's lock is held by the caller,
 * or nobody else has it any more.
 */
#ifndef TLSSHIM_REPORT_H
#define TLSSHIM_REPORT_H

#include "conn/conn.h"

/* The handshake is done. */
void report_opened(const struct conn *c);

/* It was refused, with this errno value; failure may be NULL. */
void report_refused(const struct conn *c, int error, const char *why,
	const struct tls_failure *failure);

/* Has no byte of data come from the server yet?  Then what ends it is news even
 * to a program that is gone: a refusal, more likely than not. */
bool report_is_early(const struct conn *c);

/* A connection was refused before there was one; destination as a line has it.
 * Of a setting's error, why begins with the setting's name. */
void report_refused_early(const char *destination, int error, const char *why);

/* It is less safe than it should be, for this reason. */
void report_warning(const struct conn *c, const char *text);

/* A step of its handshake, for debugging. */
void report_step(const struct conn *c, const char *step);

/* After how long a server that says nothing is worth a line. */
#define REPORT_SILENCE_NS 1000000000LL

/* Its handshake has waited so long, and the server has said nothing. */
void report_silence(const struct conn *c);

/* The program closed it before the handshake was done. */
void report_given_up(const struct conn *c);

/* It broke after it was open.  heard: there is somebody to whom that is news;
 * otherwise it is for debugging, unless it is early. */
void report_broken(
	const struct conn *c, const struct tls_failure *failure, bool heard);

/* The same, of this errno value, of one that is closed and has no session:
 * `early` is what report_is_early() said while it had one. */
void report_reset(const struct conn *c, bool early, int error);

/* Its peer takes nothing, and what it has not got is given up. */
void report_lost(const struct conn *c);

/* It ended; once, before the session is freed. */
void report_closed(const struct conn *c);

#endif
