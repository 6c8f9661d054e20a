/* SPDX-License-Identifier: MIT */
/* All other threads stand still while the process is copied. */
#ifndef TLSSHIM_QUIESCE_H
#define TLSSHIM_QUIESCE_H

/*
 * Keeps all other threads out of the engine and of every connection: begin,
 * copy, end.  They wait meanwhile, and no handler of the program runs in the
 * thread that copies.  May block, as long as another thread is in.
 */
void quiesce_begin(void);
void quiesce_end(void);

/* In the copy, in place of quiesce_end(): the locks are new, and what the
 * parent has is forgotten (quiesce_disown()). */
void quiesce_child(void);

/* This process is a copy that nobody announced: forgets every connection that
 * it inherited, closes its copies of the real sockets, and leaves the
 * placeholders.  errno is left as found. */
void quiesce_disown(void);

#endif
