/* SPDX-License-Identifier: MIT */
/*
 * One connection in a relay: bytes, ends and failures, carried between its
 * session and the program's plugged socket.
 */
#ifndef TLSSHIM_RELAY_LEG_H
#define TLSSHIM_RELAY_LEG_H

#include <poll.h>
#include "relay/relay.h"

/* Gives it buffers; false: out of memory. */
bool leg_begin(struct relay_leg *leg);

/* Moves what can be moved, after poll() said this of its two sockets.  Never
 * blocks.  leg->over is set when the connection has ended. */
void leg_step(struct relay_leg *leg, short real_events, short inner_events);

/* What poll() is to ask for; a negative fd where nothing. */
void leg_ask(const struct relay_leg *leg, struct pollfd *real_socket,
	struct pollfd *inner);

/* When it must be looked at without an event, on clock_now()'s clock;
 * INT64_MAX: never. */
int64_t leg_deadline(const struct relay_leg *leg, int64_t now);

#endif
