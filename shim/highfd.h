/* SPDX-License-Identifier: MIT */
/*
 * Numbers for descriptors of the shim's own, out of the program's way: high,
 * but not so high that the kernel's table grows for them, which makes fork
 * slow, and below FD_SETSIZE: select(getdtablesize(), ...) of old programs
 * looks as far as that table goes, whatever room their sets have.
 */
#ifndef TLSSHIM_HIGHFD_H
#define TLSSHIM_HIGHFD_H

/* The lowest such number under the limit of the moment (RLIMIT_NOFILE). */
int highfd_lowest(void);

/* Moves fd there and sets close-on-exec.  Returns the new number, and fd is
 * closed; or fd as it was where there is no room above. */
int highfd_move(int fd);

#endif
