/* SPDX-License-Identifier: MIT */
/*
 * epoll on connections: what epoll_ctl(2) and epoll_wait(2) mean for sets
 * that have connections in them, and for sockets that are registered before
 * they are connected.
 */
#ifndef TLSSHIM_EPOLLSET_H
#define TLSSHIM_EPOLLSET_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct conn;
struct watch_set;

/* epoll_ctl(2) for a number that names a connection. */
int epollset_control(
	struct conn *c, int epfd, int op, int fd, struct epoll_event *event);

/* epoll_ctl(2) did this for a number that is none: remembers a socket that
 * may be connected later, and a set that is nested in another. */
void epollset_note(int epfd, int op, int fd, const struct epoll_event *event);

/* The numbers of a socket name a connection from now on: what was registered
 * of them becomes the connection's.  Under its lock, or not shared yet. */
void epollset_adopt(struct conn *c, int fd);

/*
 * Around handing a connection over: takes it out of the kernel's sets, whose
 * registrations a copy of the real socket would keep alive; puts it back, or,
 * if it was handed over, the program's sockets in its place.
 */
void epollset_set_aside(struct conn *c);
void epollset_put_back(struct conn *c);

/* Are there registrations at all in this process? */
bool epollset_is_used(void);

/* How long a wait may last. */
struct epollset_until {
	int64_t deadline;     /* clock_now()'s clock, or WAIT_FOREVER */
	const sigset_t *mask; /* while it sleeps; or NULL */
	bool in_ns;	      /* epoll_pwait2(2): to the nanosecond */
};

/*
 * What epoll_wait() and its kin mean on a set with connections: waits on the
 * kernel's set, at most until the deadline.  Returns as they do.
 */
int epollset_wait(int epfd, struct epoll_event *events, int max,
	const struct epollset_until *until);

/* Events came from the kernel without our knowing the set: puts the
 * program's data in, drops what is not for it.  Returns how many are left. */
int epollset_translate(struct epoll_event *events, int n);

/* epoll_create(2) made this number (-1: it failed).  Returns it. */
int epollset_made(int epfd);

/* Is there a set that may get connections? */
bool epollset_exist(void);

/* The set behind a number, if it is one, is itself polled from now on.  Takes
 * the locks of connections. */
struct watch_set *epollset_polled(int fd);

/* The set behind the number of one, which may be new to us; NULL: no memory. */
struct watch_set *epollset_know(int epfd);

/* A copy of the process is about to be made. */
void epollset_fork_prepare(void);

/* This process is a copy: forgets the registrations of its parent's
 * connections. */
void epollset_fork_child(void);

/* A number of a set was closed, or copied. */
void epollset_closed(int epfd);
void epollset_copied(int from, int to);

#endif
