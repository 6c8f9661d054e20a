/* SPDX-License-Identifier: MIT */
/*
 * For runs under a sanitizer: makes it initialise itself before any other
 * library's constructor runs.  Otherwise it does so in the first malloc(),
 * and where that is libp11-kit's (curl, wget, everything with GnuTLS), inside
 * newlocale(), its dlerror() waits for ever for the lock of the locale.
 * Linked with -z initfirst.
 */
#include <stdlib.h>

static void *volatile kept;

__attribute__((constructor)) static void allocate(void)
{
	kept = malloc(1);
	free(kept);
}
