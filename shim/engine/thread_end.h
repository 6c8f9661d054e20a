/* SPDX-License-Identifier: MIT */
/*
 * OpenSSL keeps an error queue and random numbers for each thread, and frees
 * them when the thread ends: at a time that nobody of us chose, outside of
 * every lock of ours.  A process that is copied at that moment would have an
 * allocator, and locks of OpenSSL's, which somebody holds who is not there.
 */
#ifndef TLSSHIM_ENGINE_THREAD_END_H
#define TLSSHIM_ENGINE_THREAD_END_H

/*
 * From hold to release threads that end wait before they go through OpenSSL;
 * first, hold waits for one that is there, which is short.  By one thread at a
 * time.  With ENGINE=shared OpenSSL is not ours, and this does nothing.
 */
void thread_end_hold(void);
void thread_end_release(void);

/* In the child of a fork(): nobody holds it. */
void thread_end_fork_child(void);

#endif
