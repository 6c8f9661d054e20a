/* SPDX-License-Identifier: MIT */
/*
 * What every cmocka test of this folder includes, in the order that cmocka
 * wants.
 */
#ifndef TLSSHIM_UNIT_H
#define TLSSHIM_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))

#endif
