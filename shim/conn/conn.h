/* SPDX-License-Identifier: MIT */
/*
 * One connection: the program's socket (a placeholder that stays unconnected),
 * the real socket that the shim opened in its stead, and the TLS session
 * between them.  This module owns its life: making, references, the states,
 * the end.  What libc calls mean on it is io.c (data), pollset.c (readiness)
 * and sockopt.c (options); dial.c opens it.
 *
 * States: CONNECTING -> HANDSHAKING -> OPEN; FAILED from the first two, PLUGGED
 * from the first three.  An OPEN connection whose directions have ended stays
 * OPEN: read_end, write_end.
 *
 * Locking: everything below the line in struct conn is guarded by its lock.
 * The lock is never held across a wait and no cancellation point is reached
 * under it.  Two connections are never locked at once, but by fork().
 *
 * Memory: a struct conn is never unmapped, so that a stale pointer may still
 * be asked for a reference (and be refused).
 */
#ifndef TLSSHIM_CONN_H
#define TLSSHIM_CONN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/keeper.h"
#include "base/mutex.h"
#include "config/policy.h"
#include "conn/follow.h"
#include "conn/ready.h"
#include "engine/api.h"

struct watch; /* watch.h */

enum conn_state {
	CONN_CONNECTING,
	CONN_HANDSHAKING,
	CONN_OPEN,
	CONN_FAILED,
	CONN_PLUGGED, /* a relay has it; the placeholder is plaintext */
};

#define CONN_DESTINATION_MAX POLICY_ENDPOINT_MAX

struct conn;

/* What whoever opened a connection does for it, and this layer cannot. */
struct conn_ops {
	/* What could not be sent when it was closed goes to another process;
	 * false: to none, it is still ours.  Without the lock. */
	bool (*send_rest)(struct conn *c);
	/* Somebody met it in a copy of its process. */
	void (*copied)(void);
};

/*
 * Whoever keeps a connection's places in epoll sets (`watches`), told under its
 * lock and only while there are any, as a wait queue's callback is in the
 * kernel.
 */
struct conn_observer {
	/* Something of it may have changed: before the lock is returned. */
	void (*changed)(struct conn *c);
	/* No number names it any more: a closed file leaves the sets that it
	 * is in, epoll(7). */
	void (*closed)(struct conn *c);
	/* Its numbers are ordinary sockets again. */
	void (*reverted)(struct conn *c);
};

struct conn {
	/* The structure lives while refs > 0.  A number of the program's and
	 * a call under way hold one each; numbers counts the former only. */
	atomic_uint refs;
	atomic_uint numbers;
	/* Threads asleep until the real socket has something to read.  In
	 * memory that a relay shares. */
	atomic_uint *waiters;
	/* There as well: the placeholder's cookie once it was handed over,
	 * until somebody says goodbye (goodbye.h).  A cookie, for this memory
	 * may be another connection's before the relay looks. */
	_Atomic(uint64_t) *unsaid;
	/* There as well: what became of a handshake that a relay has taken
	 * over.  EINPROGRESS until that is known; 0, or why it failed. */
	atomic_int *outcome;
	/* An error that a wait took from the real socket (errno value). */
	atomic_int kernel_error;
	struct conn *next_free;
	struct conn *next_locked; /* by fork() */
	struct mutex lock;
	/* ---- guarded by lock ---- */
	int cancel_state; /* of the thread that holds the lock; -1: as it is */
	uint64_t keeper;
	int real;
	uint64_t cookie; /* of the placeholder: SO_COOKIE */
	enum conn_state state;
	int error;	     /* not yet told by SO_ERROR or a call; 0: none */
	bool error_spent;    /* FAILED, and SO_ERROR told the error */
	bool told;	     /* a connect() has answered 0 */
	bool nonblocking;    /* what we know of the placeholder's O_NONBLOCK */
	bool async;	     /* O_ASYNC was set before connect() */
	bool maybe_readable; /* a read might succeed without the kernel */
	bool read_end;	     /* nothing more will be read */
	bool broken;	     /* the session failed: no byte passes any more */
	bool break_told;     /* the program knows why it broke */
	bool end_known;	     /* behind what is decrypted there is an end */
	bool read_shut;	     /* SHUT_RD */
	bool write_end;	     /* close_notify was sent, or writing broke */
	bool fin_pending;    /* the FIN waits for the output buffer */
	bool nodelay_lent;   /* TCP_NODELAY is set, and not by the program */
	bool has_spoken;     /* the program's first bytes are on their way */
	int64_t handshake_end; /* deadline, CLOCK_MONOTONIC in ns */
	int64_t started;       /* when the handshake began */
	int64_t receive_timeout, send_timeout; /* ns; 0: none */
	size_t low_water;		       /* SO_RCVLOWAT */
	union policy_addr dialled;	       /* as the program gave it */
	union policy_addr target;	       /* with the TLS port */
	union policy_addr self;		       /* once plugged */
	struct follow_relay relay;	       /* the same */
	socklen_t addr_len;
	const struct conn_ops *ops;
	struct watch *watches; /* its places in epoll sets, and... */
	const struct conn_observer *observer; /* ...who keeps them */
	uint64_t pulled;   /* bytes that the kernel has given us */
	bool pulled_all;   /* ...and it had no more of them just then */
	bool changed;	   /* the state changed since the watches were told */
	uint64_t noted;	   /* what they were told: watch.c's digest */
	bool end_reported; /* to the log */
	bool silence_reported;
	const struct config_dest *dest; /* what holds for it */
	const struct tls_engine *tls;
	struct tls_session *session;
	const char *name_source;
	bool several_names; /* are the address's: NAMES_SEVERAL */
	char name[NAMES_NAME_MAX];
	/* "host:port" as the program means it: session tickets' key. */
	char key[POLICY_DESTINATION_MAX];
	char address[POLICY_ADDRESS_MAX]; /* "address:port" that is dialled */
	char destination[CONN_DESTINATION_MAX]; /* with the address, for the log
						 */
} __attribute__((aligned(64)));			/* the low bits are fdtab's */

/* Stands for every descriptor of the shim's own: all fails with EBADF. */
extern struct conn conn_hidden;

/* A new connection with one reference (the caller's) and no number; NULL: no
 * memory, errno is set.  Its real socket is -1. */
struct conn *conn_new(const struct conn_ops *ops);

/* false: it has ended. */
static inline bool conn_ref_try(struct conn *c)
{
	unsigned refs = atomic_load(&c->refs);

	while (refs)
		if (atomic_compare_exchange_weak(&c->refs, &refs, refs + 1))
			return true;
	return false;
}

/* Returns a reference.  The last one ends the connection: what was accepted
 * is sent, close_notify too, and the real socket is closed.  errno is left as
 * found.  Does not wait but for what the kernel will not take at once (see
 * end.c). */
void conn_put(struct conn *c);
void conn_number_get(struct conn *c);
void conn_number_put(struct conn *c);

static inline void conn_put_at_exit(struct conn **c)
{
	if (*c)
		conn_put(*c);
}
#define conn_ref __attribute__((cleanup(conn_put_at_exit)))

/*
 * Around a wait: notes in the thread that the caller's reference (and, with
 * `counted`, its place among the waiters) is held in this frame, so that it is
 * given back if a signal handler jumps out of the wait (siglongjmp).
 */
struct conn_list;
struct conn_hold {
	const void *frame; /* NULL: nothing is held */
	struct conn *c;
	struct conn_list *list; /* or these */
	bool counted;
};
struct conn_hold conn_hold_begin(struct conn *c, bool counted);
void conn_hold_end(const struct conn_hold *outer);

/* The same around a wait for several at once. */
struct conn_hold conn_hold_list(struct conn_list *list);

/*
 * Connections on which a thread sleeps: of each it has a reference and a place
 * among the waiters.  Not on the stack, of which nothing is left when a handler
 * jumps out of the wait.
 */
struct conn_list {
	size_t mapped;
	size_t n;
	struct conn *all[];
};
/* With room for n; NULL: no memory.  One of ordinary size costs no system call
 * but for the first time. */
struct conn_list *conn_list_take(size_t n);
void conn_list_give(struct conn_list *list);
/* Takes a reference, and a place among the waiters. */
void conn_list_add(struct conn_list *list, struct conn *c);
/* Gives all of them back; errno is left as found. */
void conn_list_wake(struct conn_list *list);

/* Gives back what a wait of this thread held that was jumped out of. */
void conn_recover_hold(void);
extern __thread struct conn_hold conn_held
	__attribute__((tls_model("initial-exec")));
static inline void conn_recover(void)
{
	if (__builtin_expect(conn_held.frame != NULL, 0))
		conn_recover_hold();
}

/* Is this process its keeper?  Any thread, no lock. */
static inline bool conn_is_ours(const struct conn *c)
{
	return c->keeper == keeper_token();
}

/* 0, or the errno value to fail with: EBADF for a hidden descriptor, EAGAIN
 * when this very thread holds the lock (we are in a signal handler).  While it
 * is held the thread cannot be cancelled. */
int conn_lock(struct conn *c);
/* A lock that nobody holds: of a new one, or in a copy of the process. */
void conn_init_lock(struct conn *c);
void conn_unlock(struct conn *c);

/* Connections that exist in this process; for "is there anything to do". */
extern atomic_uint conn_count;

/* ---- under the lock ---- */

/* Moves the connection as far as it goes without blocking: TCP established,
 * handshake, pending output. */
void conn_advance(struct conn *c);

/* Is it not open yet, TCP or the handshake being under way?  Its state moves
 * by conn_advance() alone, in the process and in a relay. */
static inline bool conn_is_opening(const struct conn *c)
{
	return c->state == CONN_CONNECTING || c->state == CONN_HANDSHAKING;
}

/* Tells the pending error once: an errno value or 0. */
int conn_take_error(struct conn *c);

/* Ends a connection that is not open yet.  why NULL: the program will say it
 * itself (a refused TCP connection); otherwise it is logged. */
void conn_fail(struct conn *c, int error, const char *why);

/*
 * TCP_NODELAY on the real socket from connect() until the kernel has the
 * program's first bytes, then what the program set on fd.  Nagle's algorithm
 * would hold them until the server acknowledges the end of the handshake, which
 * it need not do for 40 ms (delayed acknowledgements).
 */
void conn_lend_nodelay(struct conn *c, int fd);
void conn_return_nodelay(struct conn *c);

/* The same of its TCP connection: a line only where another port was dialled
 * than the program knows of. */
void conn_fail_tcp(struct conn *c, int error);

/* The errno value that a failure gives the program (README, "When it fails").
 */
int conn_errno(const struct tls_failure *failure);

/* An open connection's reading failed: logs, ends both directions, and keeps
 * the error, unless the program knows it. */
void conn_break(struct conn *c);

/*
 * The peer broke off, or the program leaves.  What it said last may lie unread,
 * such as an alert: reads that far, without waiting, unless there is data to
 * read.  Where that tells why reading fails, conn_break(): true.
 */
bool conn_hear_end(struct conn *c);

/* Sends close_notify and, once all is out, the FIN. */
void conn_end_writing(struct conn *c);

/* For ready_ask() and ready_tell(); probes when `probe` is set and it may be
 * that something can be read. */
struct ready_state conn_ready(struct conn *c, bool probe);

/* Reads from fd, a number of it, what must be known of the socket's options:
 * timeouts, low-water mark, blocking mode, O_ASYNC. */
void conn_learn_options(struct conn *c, int fd);
void conn_learn_timeouts(struct conn *c, int fd);

/* Is the placeholder in non-blocking mode?  fd is any number of it. */
bool conn_is_nonblocking(struct conn *c, int fd);

/*
 * Before bytes are pulled from the kernel: other threads may sleep on the
 * real socket, and would miss a wake-up whose bytes are gone.  Lets them
 * come out first (bounded); drops and takes the lock.  Returns 0 or what
 * conn_lock() said: then the lock is not held.
 */
int conn_before_pull(struct conn *c);

/* ---- without the lock ---- */

/*
 * recv(MSG_PEEK) of one byte on the real socket: > 0 bytes wait, 0 the end
 * or an error (kept for the session's transport), -1 with EAGAIN or EINTR.
 * Blocks unless flags has MSG_DONTWAIT.
 */
int conn_peek_kernel(struct conn *c, int real_fd, int flags);

/* Takes the real socket's number away: the program wants that number. */
bool conn_move_real(int fd);

/* At the end of the process: sends what is pending and close_notify on all
 * connections of this process.  Bounded. */
void conn_finish_all(void);

/* Forgets all numbers of it: the program's sockets are fresh again, and stand
 * in the epoll sets where it stood. */
void conn_forget_numbers(struct conn *c);

/* A relay has taken it over: its numbers are plaintext sockets.  Under all
 * locks (quiesce_begin()).  conn_plugged_done() follows without them. */
void conn_plugged(struct conn *c);
void conn_plugged_done(struct conn *c);

/* Closes what a child of vfork() could not, for it has descriptors of its own:
 * real sockets of connections that it plugged. */
void conn_close_left(void);
extern atomic_uint conn_left_open;

/* ---- among the files of this folder, and for quiesce.c ---- */

/* The memory of connections that are free. */
void conn_free(struct conn *c);
void conn_pool_lock(void);
void conn_pool_unlock(void);
/* In a copy of the process: no memory of before is used again. */
void conn_pool_abandon(void);

#endif
