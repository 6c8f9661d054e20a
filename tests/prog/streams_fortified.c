/* SPDX-License-Identifier: MIT */
/* The same, with -D_FORTIFY_SOURCE=2: __dprintf_chk and __vdprintf_chk. */
#include "streams.c"
