/* SPDX-License-Identifier: MIT */
/*
 * A terminal as the log of a relay: opened for each line, for a descriptor
 * that is kept would withhold the terminal's end from who waits for it
 * (expect, script).
 */
#ifndef TLSSHIM_LOG_TERMINAL_H
#define TLSSHIM_LOG_TERMINAL_H

#include <stdbool.h>

/* Remembers the terminal that stderr is; false: it is none. */
bool log_terminal_note(void);

/* That terminal, if it is still the same; or -1.  Writing never waits. */
int log_terminal_open(void);

#endif
