/* SPDX-License-Identifier: MIT */
/*
 * What tests/lib/divert.c asks of tests/prog/tls_terminator.c, one question a
 * connection, over a SOCK_SEQPACKET socket of this abstract name.
 */
#ifndef DIVERT_H
#define DIVERT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#define DIVERT_NAME "tlsshim-terminator"

union divert_addr {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct divert_question {
	union divert_addr to;
	/* Where the client is bound; the port is 0 where it is not. */
	union divert_addr from;
	socklen_t len;
};

struct divert_answer {
	/* 0, or why there is nobody at that address. */
	int error;
	/* Connect there instead, and from here: the server has accepted a
	 * connection that comes from this very address. */
	union divert_addr at;
	union divert_addr from;
};

#endif
