/* SPDX-License-Identifier: MIT */
/*
 * The process that sends what connections have left when they are closed: one
 * for this program, from its first rest until it is idle.  Such a rest needs no
 * session, so that nothing is copied for it but its bytes.
 *
 * A copy of the program does not use it, and gets its own.
 */
#ifndef TLSSHIM_SENDER_H
#define TLSSHIM_SENDER_H

#include <stdbool.h>

struct conn;

/*
 * Gives it the real socket and what is left to be sent on it; close_notify is
 * among that.  The connection then is as one that a relay has taken.  Starts
 * the process where there is none.  false: it is still the caller's affair,
 * because more is left than bytes, or they are too many, or there are too many
 * such connections, or the process cannot be had.  Does not wait.  No lock is
 * held but that of hand-overs (plug.c).
 */
bool sender_take(struct conn *c);

/* In a copy of the process: its end of the parent's is closed. */
void sender_fork_child(void);

/* Lets it end with what it has.  As sender_take() of locks. */
void sender_leave(void);

#endif
