/* SPDX-License-Identifier: MIT */
/*
 * Handing connections over to a relay, because they are about to leave this
 * process or to be used in a way that the hooks do not see: the placeholder is
 * plugged into a socket of the relay's and is an ordinary plaintext connection
 * from then on, for everyone who has it.
 *
 * Where it cannot be done (no loopback, no processes left) a line in the log
 * says why, and the placeholder stays connected to nothing: fail closed.
 */
#ifndef TLSSHIM_PLUG_H
#define TLSSHIM_PLUG_H

#include <stdbool.h>
#include <unistd.h>
#include "base/fdtab.h"

/*
 * All connections of this process: before fork() and exec.  Nobody waits for
 * the network: what is still being opened goes with its handshake, and the
 * placeholder is connected, and can be written to, before that is done.  Costs
 * nothing where there are none; errno is left as found.
 */
void plug_all(void);

/* Those that a program started now would inherit: not close-on-exec. */
void plug_inheritable(void);

/* The one behind this number, if it is one.  false with EBADF: the number is
 * the shim's own, which the program does not have; else errno is kept. */
bool plug_fd(int fd);

/*
 * A connection failed before it could be handed over, and the program wants
 * signals of readiness: the kernel sends those of a failed connect() for the
 * placeholder, which stays connected to nothing.  errno is left as found.
 */
void plug_refused(int fd);

/*
 * What the kernel does not take of a connection that ends, close_notify among
 * it, another process sends: one for all such rests, or a relay with the
 * session where more than bytes is left (sender.h).  No lock is held.  false:
 * it is still the caller's affair.
 */
struct conn;
bool plug_rest(struct conn *c);

/* At the end of the process: nothing more is left by plug_rest(), so that who
 * sends that need not be there for more. */
void plug_last(void);

/* Those among the descriptors that a message passes on (SCM_RIGHTS).  false:
 * as above. */
struct msghdr;
bool plug_passed(const struct msghdr *msg);

/*
 * The program is about to hear that a connection is open: one that is its
 * standard input, output or error is for stdio and for other programs, which
 * no hook sees.  Returns r, errno is left as found.  Three loads where there is
 * none.
 */
int plug_standard_slow(int r);
static inline int plug_standard(int r)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fdtab_is_number(fdtab_peek(fd)))
			return plug_standard_slow(r);
	return r;
}

#endif
