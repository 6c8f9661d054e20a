/* SPDX-License-Identifier: MIT */
/*
 * How a session reaches its connection's real socket.
 */
#ifndef TLSSHIM_TRANSPORT_H
#define TLSSHIM_TRANSPORT_H

#include "engine/api.h"

/* The owner is the struct conn. */
extern const struct tls_transport transport_quiet;
/* The same with each step in the log. */
extern const struct tls_transport transport_traced;

#endif
