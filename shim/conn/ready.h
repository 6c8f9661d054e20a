/* SPDX-License-Identifier: MIT */
/*
 * Pure: readiness.  What to ask the kernel about the real socket, and what to
 * tell the program about its own, in poll(2)'s terms.  No system call, no
 * state: select and epoll are mapped onto it by their callers.
 */
#ifndef TLSSHIM_READY_H
#define TLSSHIM_READY_H

#include <stdbool.h>

enum ready_phase {
	READY_CONNECTING,  /* TCP is not connected yet */
	READY_HANDSHAKING, /* TLS is not done yet */
	READY_OPEN,
	READY_FAILED,
};

/* What is known of a connection at this moment. */
struct ready_state {
	enum ready_phase phase;
	bool wants_write; /* ciphertext waits that the kernel did not take */
	bool readable;	  /* a read returns data, EOF or an error */
	bool read_end;	  /* close_notify was read, or SHUT_RD */
	bool write_end;	  /* SHUT_WR was done */
	bool has_error;	  /* an error that SO_ERROR has not told yet */
};

/* Events to ask of the real socket, for a program that asks for `asked`. */
short ready_ask(const struct ready_state *st, short asked);

/* Events to tell a program that asked for `asked`, when the kernel says
 * `kernel` of the real socket (0: not asked yet). */
short ready_tell(const struct ready_state *st, short asked, short kernel);

#endif
