/* SPDX-License-Identifier: MIT */
/*
 * Does anybody still have the program's end of a plugged connection?  On the
 * wire a half-closed socket and a closed one look the same; the kernel's table
 * of sockets tells them apart.
 */
#ifndef TLSSHIM_OWNER_H
#define TLSSHIM_OWNER_H

#include <stdbool.h>

/* Of the socket that this one is connected to, on this host.  true as well
 * where it cannot be known.  Reads /proc; errno is lost. */
bool owner_exists(int fd);

#endif
