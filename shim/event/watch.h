/* SPDX-License-Identifier: MIT */
/*
 * Registrations of connections in epoll sets, as the kernel and the program
 * see them.  A watch stands in the kernel's set with the real socket and a
 * cookie for its data; the program's events and data are kept here.
 *
 * A watch is "hot" while its set must be told something that the kernel does
 * not know: bytes that are decrypted already, an end that was read already.
 * While somebody sleeps on a set with hot watches, or the set is itself being
 * polled, an eventfd that is always readable is in the kernel's set as well.
 *
 * The watches of a set that is itself polled stand in its annex, a set of our
 * own inside the kernel's set: there we can look at what the kernel says
 * without taking from the program what is told once only (nest.h).
 *
 * Locks: a watch belongs to its connection's lock, its place in the lists of
 * its set to the set's.  The connection's lock is taken first.
 */
#ifndef TLSSHIM_WATCH_H
#define TLSSHIM_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct conn;

/* What epoll_ctl(2) puts beside the events proper. */
#define WATCH_FLAGS                                                            \
	((uint32_t)EPOLLET | (uint32_t)EPOLLONESHOT |                          \
		(uint32_t)EPOLLEXCLUSIVE | (uint32_t)EPOLLWAKEUP)

struct watch_list {
	struct watch *first, *last;
};

/* One epoll set that has, or will have, connections in it. */
struct watch_set {
	atomic_flag busy;     /* the set's lock */
	atomic_uint refs;     /* the program's numbers of it, and its watches */
	atomic_uint sleepers; /* threads in epoll_wait() */
	atomic_uint n_hot;
	atomic_bool polled;	   /* somebody asks about the set itself */
	atomic_bool has_bell;	   /* the eventfd is in the kernel's set */
	atomic_uint single_places; /* that hot ones and the kernel's share */
	atomic_int epfd;	   /* a number of it; -1: it was closed */
	atomic_int annex;	   /* the annex's number, or -1 */
	_Atomic(struct nesting *) inner; /* sets in it: nest.c's */
	struct watch_list hot;
	struct watch_list handshakes; /* in order of their deadlines */
	struct watch_set *next_free;
} __attribute__((aligned(64))); /* the low bits are fdtab's */

struct watch {
	struct watch *next; /* of the same connection */
	struct conn *c;	    /* NULL: free */
	struct watch_set *set;
	int fd;			/* the program's number */
	int kernel_fd;		/* the real socket, or a duplicate of it */
	uint32_t asked;		/* as the program gave them, with flags */
	uint32_t kernel_events; /* as registered; 0: must be said again */
	epoll_data_t data;
	uint16_t generation;
	bool armed;	/* false: EPOLLONESHOT was used up */
	bool gone;	/* EPOLL_CTL_DEL was done; the kernel has it still */
	bool unwanted;	/* the kernel said what nobody asks any more */
	bool write_due; /* edge-triggered: EPOLLOUT is news... */
	bool in_annex;	/* where it stands */
	uint32_t ends;	/* edge-triggered: the ends that were told... */
	uint64_t seen;	/* ...and so many bytes of the connection's */
	atomic_bool is_hot; /* changed under the set's lock, too */
	bool is_shaking;
	uint64_t call; /* the epoll_wait() that told it last... */
	int slot;      /* ...and where in its array */
	struct watch *list_next, *list_prev; /* hot */
	struct watch *shake_next, *shake_prev;
};

/* ---- sets ---- */

/* Threads in epoll_wait() on sets that were not known to have connections. */
extern atomic_uint watch_strangers;

/* A new set with one reference; NULL: out of memory. */
struct watch_set *watch_set_new(int epfd);
/* Returns a reference.  Sets are never unmapped: a thread may sleep on one. */
void watch_set_put(struct watch_set *set);
void watch_set_lock(struct watch_set *set);
void watch_set_unlock(struct watch_set *set);

/* Is epfd a number of this set? */
bool watch_set_is(struct watch_set *set, int epfd);

/* Somebody polls the set itself, from now on. */
void watch_set_polled(struct watch_set *set);

/* Has it an annex, or can one be had?  For sets that are polled. */
bool watch_set_has_annex(struct watch_set *set);

/* The last number of the set was closed. */
void watch_set_closed(struct watch_set *set);

/* Somebody sleeps on the set from now on, or not any more. */
void watch_set_sleep(struct watch_set *set);
void watch_set_wake(struct watch_set *set);

/* The first deadline of a handshake in the set, or INT64_MAX. */
int64_t watch_set_deadline(struct watch_set *set);

/* Ends those whose deadline is over.  Takes the locks of connections. */
void watch_set_end_handshakes(struct watch_set *set);

/* Takes the first hot watch out: its connection with a reference, and the
 * watch with its generation; NULL: none. */
struct conn *watch_set_pop(
	struct watch_set *set, struct watch **w, uint16_t *generation);

/* Among the handshakes of its set, or not. */
void watch_set_note_handshake(struct watch *w, bool shaking);

/* Out of the lists; stale from now on.  Under the connection's lock. */
void watch_set_forget(struct watch *w);

void watch_set_fork_child(void);
/* In a copy of the process: its watches were the parent's. */
void watch_set_forget_all(struct watch_set *set);

/* ---- watches, under the connection's lock ---- */

/* Registers c in the set under the program's number; 0 or an errno value.
 * Whether these events may be asked for is epollset.c's affair. */
int watch_add(struct conn *c, struct watch_set *set, int fd,
	const struct epoll_event *event);
struct watch *watch_find(struct conn *c, const struct watch_set *set, int fd);
/* epoll_ctl(EPOLL_CTL_MOD), and arms it anew. */
int watch_modify(struct watch *w, const struct epoll_event *event);
/* epoll_ctl(EPOLL_CTL_DEL).  The kernel may keep it until it says something,
 * for many programs put it back at once; nobody else finds it. */
void watch_leave(struct watch *w);
/* Away at once. */
void watch_remove(struct watch *w);
/* What left but is in the kernel's set (NULL: any) is taken out, and with the
 * lock's end the kernel has the events that are asked, no others.  In the set
 * that is given, which is polled from now on, the rest moves to the annex. */
void watch_tighten(struct conn *c, const struct watch_set *set);
/* Out of the kernel's set for a while, and back. */
void watch_suspend(struct watch *w);
void watch_resume(struct watch *w);
/* All of a connection that ends. */
void watch_remove_all(struct conn *c);

/* To be told at the next epoll_wait(), even if the kernel knows nothing. */
void watch_heat(struct watch *w);
/* Nothing to be told any more. */
void watch_cool(struct watch *w);

/*
 * The connection may have changed: says so to the kernel and the sets.
 * Called at the end of every critical section of a connection with watches.
 */
void watch_note(struct conn *c);

/* The program has learned of fewer bytes than there are, and may count on an
 * edge for the rest. */
void watch_untell(struct conn *c);

/*
 * What to tell the program now, when the kernel says `kernel`; 0: nothing.
 * from_kernel: it came out of epoll_wait(), and used up a one-shot there.
 */
uint32_t watch_tell(struct watch *w, uint32_t kernel, bool from_kernel);

/*
 * Is there something to tell, when the kernel says `kernel`?  It came out of
 * the annex by a look at the set, which tells the program nothing yet and
 * uses nothing up.
 */
bool watch_look(struct watch *w, uint32_t kernel);

/* A copy of the process is about to be made, and may share sets: each is to
 * know the other's cookies for what they are. */
void watch_fork_prepare(void);
/* This process is a copy of one that may have held our locks. */
void watch_fork_child(void);

/* ---- places and cookies: watch_place.c ---- */

/* A watch of zeros with a generation of its own; NULL: out of memory. */
struct watch *watch_take(void);
/* Its connection is NULL by now. */
void watch_give(struct watch *w);

uint64_t watch_cookie(const struct watch *w);
/* The data of the bell and of an annex: generation 0, which no watch ever
 * has. */
uint64_t watch_bell_cookie(void);
uint64_t watch_annex_cookie(void);
#define WATCH_NOT_OURS 0
#define WATCH_STALE 1 /* not a watch any more, or another process's */
#define WATCH_OURS 2
#define WATCH_BELL 3
#define WATCH_ANNEX 4
/* Whose data is this?  With WATCH_OURS: the watch as it was, and its
 * connection with a reference. */
int watch_decode(
	uint64_t data, struct watch **w, uint16_t *generation, struct conn **c);

/* Is it still the watch that it was?  Under the connection's lock. */
bool watch_is(const struct watch *w, uint16_t generation, const struct conn *c);

#endif
