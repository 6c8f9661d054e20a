/* SPDX-License-Identifier: MIT */
/*
 * Trust, credentials and protocol of each destination, as the engine has them:
 * made when they are first wanted, or before the process is restricted.
 */
#ifndef TLSSHIM_CONTEXTS_H
#define TLSSHIM_CONTEXTS_H

#include "config/config.h"

/* The context of a destination, made once, and the engine with the first; NULL
 * with *why filled in. */
struct tls_context *contexts_get(
	const struct config_dest *dest, struct tls_failure *why);

/*
 * Loads engine, configuration and trust, and keeps what is read from files in
 * memory: before the root, the user or the system calls of the process are
 * restricted.  Parts it from processes that tell it of names (names_part()).
 *  Does nothing where no port is selected.  errno is left as
 * found.
 */
void contexts_prepare(void);

#endif
