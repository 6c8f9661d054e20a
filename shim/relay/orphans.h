/* SPDX-License-Identifier: MIT */
/*
 * Relays of other programs, as the first process of a container sees them: its
 * end is theirs, whoever handed the connections over.
 */
#ifndef TLSSHIM_ORPHANS_H
#define TLSSHIM_ORPHANS_H

#include <stdbool.h>

/*
 * For process 1: are there relays, and no other program that could still use
 * them?  Then they are sending what is left.  false as well where /proc is not
 * that of this container.  No heap; errno is lost.
 */
bool orphans_alone(void);

#endif
