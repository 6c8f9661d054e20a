/* SPDX-License-Identifier: MIT */
/* The same scenarios, compiled with -D_FORTIFY_SOURCE=2 (see the Makefile):
 * the calls are then __read_chk, __recv_chk, __recvfrom_chk, __poll_chk. */
#include "reading.c"
