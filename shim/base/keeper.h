/* SPDX-License-Identifier: MIT */
/*
 * Who may touch a connection's TLS state: exactly one process.  A token lies
 * in a page that the kernel wipes in every copy of the process, however the
 * copy was made (MADV_WIPEONFORK), and each connection notes the token it was
 * made under.  A copy finds 0 there, disowns what it inherited, and is left
 * with placeholders that are connected to nothing.
 */
#ifndef TLSSHIM_KEEPER_H
#define TLSSHIM_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct keeper_page {
	uint64_t token;
	uint64_t pid; /* whose memory it is; 0: not known */
};
extern struct keeper_page *keeper_page;

/* The token of this process; 0: none (no connection was made here yet). */
static inline uint64_t keeper_token(void)
{
	struct keeper_page *page =
		__atomic_load_n(&keeper_page, __ATOMIC_ACQUIRE);

	return page ? __atomic_load_n(&page->token, __ATOMIC_ACQUIRE) : 0;
}

/* Notes whose memory this is, unless that is known: before a copy of the
 * process is made that shares it. */
void keeper_begin(void);

/* Makes this process a keeper; before its first connection.  Returns the
 * token, or 0 when no memory can be had (errno is set). */
uint64_t keeper_claim(void);

/* Whose memory this is, by number: of a child of vfork() its parent. */
pid_t keeper_pid(void);

/*
 * Are we in a child of vfork(), which runs in its parent's memory with a
 * descriptor table of its own?  Such a child must not change what we know of
 * descriptors.  One getpid() where the process has connections; false without
 * a system call elsewhere.
 */
bool keeper_is_borrowed(void);

/* The same, with a system call also where there are no connections yet: such a
 * child must not make the first, either. */
bool keeper_is_guest(void);

#endif
