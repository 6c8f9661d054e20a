/* SPDX-License-Identifier: MIT */
/*
 * Options and the bind that are carried over from the program's socket to the
 * real one at connect(): sockopts.def is the list.
 */
#ifndef TLSSHIM_CARRY_H
#define TLSSHIM_CARRY_H

/*
 * Gives the real socket the options and the explicit bind of the program's
 * socket.  Returns 0, or an errno value with the reason in why[0..size): the
 * connection must then be refused, for it would not be what was asked for.
 */
int carry_over(int from, int to, char *why, unsigned size);

#endif
