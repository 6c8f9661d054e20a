/* SPDX-License-Identifier: MIT */
/*
 * Descriptor -> connection.  A chunked array of atomic pointers: a lookup of
 * a number that is not ours costs one load and takes no lock.  What a number
 * can be:
 *   - nothing of ours (most);
 *   - a program's number of a connection (one connection may have several);
 *   - hidden: a descriptor of the shim's own, which does not exist as far as
 *     the program is concerned (EBADF, skipped by close loops);
 *   - the same of one that was handed over to a relay: plaintext now, and
 *     libc's own affair, but for its addresses;
 *   - an epoll set that has connections in it;
 *   - none of ours, with a note (FDTAB_NOTES).
 * The table takes no references: descriptors.h does.
 */
#ifndef TLSSHIM_FDTAB_H
#define TLSSHIM_FDTAB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn;
struct watch_set;

/* Descriptors that the table can hold: RLIMIT_NOFILE's default ceiling. */
#define FDTAB_CHUNK_BITS 10
#define FDTAB_CHUNKS 1024
#define FDTAB_MAX (FDTAB_CHUNKS << FDTAB_CHUNK_BITS)

/* A cell's value: notes, or a pointer: to a connection as it is, or with
 * FDTAB_HIDDEN or FDTAB_PLUGGED or'ed in; to an epoll set with FDTAB_EPOLL. */
typedef _Atomic(uintptr_t) fdtab_cell;
extern _Atomic(fdtab_cell *) fdtab_chunks[FDTAB_CHUNKS];
/* Notes: it was dup'ed before any connect(); connect() cannot make it ours; it
 * is an epoll set that may get connections. */
#define FDTAB_MARKED ((uintptr_t)1)
#define FDTAB_SETTLED ((uintptr_t)2)
#define FDTAB_SET ((uintptr_t)4)
#define FDTAB_NOTES (FDTAB_MARKED | FDTAB_SETTLED | FDTAB_SET)
#define FDTAB_HIDDEN ((uintptr_t)8)
#define FDTAB_EPOLL ((uintptr_t)16)
#define FDTAB_PLUGGED ((uintptr_t)32)
#define FDTAB_TAGS (FDTAB_NOTES | FDTAB_HIDDEN | FDTAB_EPOLL | FDTAB_PLUGGED)

/* A snapshot of the cell: no reference is taken. */
static inline uintptr_t fdtab_peek(int fd)
{
	fdtab_cell *chunk;

	if ((unsigned)fd >= FDTAB_MAX)
		return 0;
	chunk = atomic_load_explicit(
		&fdtab_chunks[fd >> FDTAB_CHUNK_BITS], memory_order_acquire);
	if (__builtin_expect(!chunk, 1))
		return 0;
	return atomic_load_explicit(&chunk[fd & ((1 << FDTAB_CHUNK_BITS) - 1)],
		memory_order_acquire);
}

/* Is this the cell of a number that names a connection of this process? */
static inline bool fdtab_is_number(uintptr_t cell)
{
	return cell > FDTAB_NOTES && !(cell & FDTAB_TAGS);
}

/* Was anything ever put into the table? */
extern atomic_bool fdtab_used;
static inline bool fdtab_is_used(void)
{
	return atomic_load_explicit(&fdtab_used, memory_order_acquire);
}

/* Makes room for the number; false: out of memory or out of range. */
bool fdtab_reserve(int fd);

/* The number's cell, or NULL where there is no room for it. */
fdtab_cell *fdtab_cell_of(int fd);

/* Hides a number of the shim's own; room is made.  c is the connection that
 * owns it or NULL. */
bool fdtab_hide(int fd, struct conn *c);
void fdtab_unhide(int fd);

/*
 * The hidden number that this thread has just handed to the next definition of
 * a call, plus 1, or 0.  To another preloaded library, which may be the one
 * that is called, and which looks at the socket through our hooks, it is a
 * number like any other.
 */
extern __thread int fdtab_shown __attribute__((tls_model("initial-exec")));

static inline bool fdtab_is_shown(int fd)
{
	return fdtab_shown == fd + 1;
}

static inline bool fdtab_is_hidden(int fd)
{
	return (fdtab_peek(fd) & FDTAB_HIDDEN) && !fdtab_is_shown(fd);
}

/* The epoll set behind a number, or NULL; no reference is taken (sets are
 * never unmapped). */
static inline struct watch_set *fdtab_epoll(int fd)
{
	uintptr_t value = fdtab_peek(fd);

	return value & FDTAB_EPOLL ? (struct watch_set *)(value & ~FDTAB_EPOLL)
				   : NULL;
}

/* The number names this epoll set (room was reserved); NULL: none any more.
 * What it named before is lost: take it first. */
void fdtab_set_epoll(int fd, struct watch_set *set);

/* Notes something of a number that is none of ours; room is made. */
void fdtab_note(int fd, uintptr_t note);
void fdtab_unnote_slow(int fd, uintptr_t note);
static inline bool fdtab_has_note(int fd, uintptr_t note)
{
	uintptr_t cell = fdtab_peek(fd);

	return cell <= FDTAB_NOTES && (cell & note);
}

/* Takes a note away. */
static inline void fdtab_unnote(int fd, uintptr_t note)
{
	if (__builtin_expect(fdtab_has_note(fd, note), 0))
		fdtab_unnote_slow(fd, note);
}

/* Nothing is known of any number from now on: in a relay, which gives up the
 * memory of the table. */
void fdtab_abandon(void);

/* Calls visit for every number >= first and <= last whose cell is not empty,
 * ascending, until it returns false. */
void fdtab_each(unsigned first, unsigned last,
	bool (*visit)(int fd, uintptr_t cell, void *arg), void *arg);

#endif
