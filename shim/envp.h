/* SPDX-License-Identifier: MIT */
/*
 * The environment of a program that is about to be started: with the peers of
 * connections that were handed over, which it may inherit (peers.h).
 */
#ifndef TLSSHIM_ENVP_H
#define TLSSHIM_ENVP_H

#include <stddef.h>

/*
 * How many words envp_with_peers() wants; 0: it has nothing to add.  Nothing
 * is added where the new program will not have the library either.
 */
size_t envp_room(char *const envp[]);

/* A copy of envp in room[0..words) with the variable; or envp itself.  To be
 * called soon after envp_room(): what there is no room for is left out. */
char *const *envp_with_peers(char *const envp[], void **room, size_t words);

#endif
