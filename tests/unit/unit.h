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

/* cmocka 2 has two of them. */
#ifndef assert_uint_in_range
#define assert_uint_in_range assert_in_range
#endif

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))

#endif
