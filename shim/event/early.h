/* SPDX-License-Identifier: MIT */
/*
 * Sockets that a program registered in epoll sets before it connected them
 * (asio does): so that connect() can find their registrations.  Knows no
 * connection.
 */
#ifndef TLSSHIM_EARLY_H
#define TLSSHIM_EARLY_H

#include <stdbool.h>
#include <sys/epoll.h>

struct watch_set;

/* A socket that was registered before it was connected. */
struct early {
	struct early *next; /* early.c's */
	struct watch_set *set;
	int fd;
	struct epoll_event event;
};

/* What connect() may do with it.  One system call. */
enum early_kind {
	EARLY_FRESH,   /* a stream socket, not connected: make it ours */
	EARLY_LATER,   /* connecting or listening: it may become fresh again */
	EARLY_SETTLED, /* connected or not TCP: nothing */
	EARLY_NO_SOCKET,
};
enum early_kind early_kind(int fd);

/* It is registered, with these events and data, in this set. */
void early_remember(
	struct watch_set *set, int fd, const struct epoll_event *event);

/* It is not any more; set NULL: nothing. */
void early_forget(const struct watch_set *set, int fd);
/* The set is gone. */
void early_forget_all(const struct watch_set *set);

/* One registration of the number, which is forgotten; false: there is none. */
bool early_take(int fd, struct early *taken);

/* This process is a copy, with the sets and sockets of its parent. */
void early_fork_child(void);

#endif
