/* SPDX-License-Identifier: MIT */
/*
 * Ends that are meant.  A relay sees that nobody has the program's socket any
 * more, and not why: the program closed it, or was killed.  So whoever lets go
 * of a connection that was handed over says so first, in memory that the relay
 * shares; and so does whoever gives it to others, who cannot say so.  Once said
 * it holds for good, for all who have the connection.
 *
 * All of these run before the kernel is told, in copies of the process and in
 * children of vfork() too.  One load where nothing was ever handed over; errno
 * is left as found.
 */
#ifndef TLSSHIM_GOODBYE_H
#define TLSSHIM_GOODBYE_H

struct conn;

/* This number of it goes away: said if it is the last that we know. */
void goodbye_number(struct conn *c);

/* The same of whatever the number names; nothing if it names none. */
void goodbye_fd(int fd);

/* Others get it, or this direction is ended: said in any case. */
void goodbye_given(int fd);

/* Of every number that a program started now would inherit. */
void goodbye_inheritable(void);

/* Before this process becomes another program: of those, too, that end by it
 * here where they were handed over. */
void goodbye_before_exec(void);

/* At the end of the process. */
void goodbye_all(void);

#endif
