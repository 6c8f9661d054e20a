/* SPDX-License-Identifier: MIT */
/*
 * Where this library lies.
 */
#ifndef TLSSHIM_LIBRARY_H
#define TLSSHIM_LIBRARY_H

/* The path by which the dynamic linker opened it, which may be relative; "":
 * that cannot be told.  Takes the linker's lock. */
const char *library_path(void);

/* The ELF header of this library in memory. */
const void *library_header(void);

#endif
