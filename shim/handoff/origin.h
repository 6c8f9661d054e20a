/* SPDX-License-Identifier: MIT */
/*
 * Who else may have a socket of the program's that is not connected yet, or use
 * it round the hooks: stdio, a parent, a child made by fork().  Such a
 * connection is handed over as soon as it is made.  What this process made
 * itself after its last fork() it has alone; children that are gone do not
 * count, nor do those of vfork(), posix_spawn(), system() and popen().
 *
 * No lock, no memory of its own but a bit for each number; errno is left as
 * found.
 */
#ifndef TLSSHIM_ORIGIN_H
#define TLSSHIM_ORIGIN_H

#include <stdbool.h>
#include <sys/types.h>

/* socket() has made it in this process. */
void origin_made(int fd);
/* `to` is a copy of `from`. */
void origin_copied(int from, int to);
/* It came from elsewhere: a message, say. */
void origin_received(int fd);
/* stdio reads and writes it by itself from now on. */
void origin_of_stdio(int fd);

/* A copy of this process is about to be made, which has all that is there. */
void origin_before_copy(void);
/* It is this process, in the parent; 0 and -1 are passed through.  A copy of
 * which this is not said counts as one that lives for ever. */
pid_t origin_child(pid_t pid);

/* May anybody else use it? */
bool origin_is_shared(int fd);

#endif
