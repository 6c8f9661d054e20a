/* SPDX-License-Identifier: MIT */
/* The engine's door: finds engine.so and its table of functions. */
#ifndef TLSSHIM_LOADER_H
#define TLSSHIM_LOADER_H

#include "engine/api.h"

/*
 * Opens engine.so (in the directory tlsshim/ beside libtlsshim.so) once per
 * process, and gives its table; NULL with *why filled in when it cannot be
 * had.  The table never changes once it was given.  Takes a lock of its own;
 * reads files.
 */
const struct tls_engine *tls_load(struct tls_failure *why);

/* The table if tls_load() succeeded before, else NULL.  No lock. */
const struct tls_engine *tls_loaded(void);

#endif
