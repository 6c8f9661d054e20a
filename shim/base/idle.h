/* SPDX-License-Identifier: MIT */
/*
 * What a process touches that has nothing to do with us, so that it costs
 * such a process as little as can be.
 */
#ifndef TLSSHIM_IDLE_H
#define TLSSHIM_IDLE_H

/* For a variable that every process reads or writes: these stand together in
 * the page of data that the dynamic linker has written to already.  Elsewhere
 * each would be a page fault, and another one in each forked child. */
#define IDLE_DATA __attribute__((section(".data.idle")))

#endif
