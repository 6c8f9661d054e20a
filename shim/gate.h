/* SPDX-License-Identifier: MIT */
/*
 * The gate: held by whoever is in the engine without a connection's lock, and
 * while the process is copied, by fork() or for a relay.  The handlers of
 * fork() are its own.
 */
#ifndef TLSSHIM_GATE_H
#define TLSSHIM_GATE_H

#include <signal.h>

/* What a thread was before it went through. */
struct gate_passage {
	int cancel_state;
	sigset_t signals;
};

/* In between the thread cannot be cancelled, and no handler of the program
 * runs in it that may fork. */
struct gate_passage gate_enter(void);
void gate_leave(const struct gate_passage *passage);

/* Keeps all other threads out of the engine and of all connections, for the
 * process is about to be copied; they wait.  Close, copy, open. */
void gate_close(void);
void gate_open(void);

#endif
