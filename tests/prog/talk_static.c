/* SPDX-License-Identifier: MIT */
/* The same, out of reach of any preload (see the Makefile). */
#include "talk.c"
