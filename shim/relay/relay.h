/* SPDX-License-Identifier: MIT */
/*
 * The relay: a small process that keeps the TLS state of connections which
 * left the process that made them.  It holds the real socket of each and the
 * other end of its plugged placeholder, and pumps between them, with
 * half-close, back-pressure and close_notify kept.
 *
 * It is nobody's child, in a session of its own, has no descriptors but those
 * of its connections and of the program, and almost none of the program's
 * memory, and ends with the last of them.  What asks a process to end (SIGTERM,
 * SIGINT, SIGHUP...) it ignores, as a socket in the kernel would: a service
 * manager sends that to all processes of a service, also when the program has
 * ended and has been told that all was accepted.  SIGKILL ends it at once.
 */
#ifndef TLSSHIM_RELAY_H
#define TLSSHIM_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct conn;

/* As /proc and ps have it. */
#define RELAY_NAME "tlsshim-relay"

/* What one direction has in hand. */
struct relay_buffer {
	char *bytes;
	size_t off, len;
};

/* One connection, as the relay sees it. */
struct relay_leg {
	struct conn *c; /* its session, its real socket */
	int inner;	/* towards the program; -1: the program is done */
	struct relay_buffer to_program, to_peer;
	bool peer_done;	   /* nothing more comes from the peer */
	bool peer_told;	   /* ...and the program knows */
	bool program_done; /* nothing more comes from the program */
	bool program_gone; /* ...and nothing can be said to it */
	bool fin_sent;	   /* the peer knows that the program is done */
	bool write_broken; /* the peer takes nothing any more */
	bool broken;	   /* the program is to see a reset */
	bool killed;	   /* the peer is not to see a proper end */
	bool over;
	pid_t program;	  /* who handed it over */
	int pidfd;	  /* of that, or -1 */
	int64_t linger;	  /* TLSSHIM_LINGER in ns */
	int64_t progress; /* when something was last taken */
	int64_t sleepers; /* since when they are waited for; 0: not */
	int64_t look;	  /* when to ask whether the program has its socket */
	int64_t look_gap; /* ...and how long after that again */
	int64_t unasked;  /* since when nobody has called connect(); 0: not */
};

/*
 * Starts a relay for n > 0 legs, whose c and inner are set; what is not open
 * yet it opens, and nothing of the program's is sent before.  The array and the
 * connections are read in the copy of this process that the relay is.  The
 * caller holds every lock of the engine, and closes its own copies of the
 * sockets afterwards.  Returns 0 or an errno value.  No signal, no child and
 * nothing for wait() is left in this process.  About a millisecond.
 */
int relay_start(struct relay_leg *legs, unsigned n);

/*
 * The same of a process that begins without a connection: it has one
 * descriptor of the caller's, and of memory what the program shares, and calls
 * serve(), which does not use the engine.  It ends when that returns.
 */
struct relay_task {
	const char *title; /* behind RELAY_NAME */
	int fd;
	void *shared;
	void (*serve)(int fd, void *shared);
};
int relay_start_task(const struct relay_task *task);

/* At the end of a program that is pid 1 all relays would be killed with it:
 * are there any, its own or of programs that are gone? */
bool relay_dies_with_us(void);

/* Waits for them, bounded; the program's ends are closed. */
void relay_wait_for_all(void);

#endif
