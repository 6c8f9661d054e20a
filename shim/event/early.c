/* SPDX-License-Identifier: MIT */
/*
 * The memory of sockets in epoll sets that may be connected later.
 */
#include "event/early.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <string.h>
#include "base/map.h"
#include "base/sock.h"
#include "base/spin.h"

#define EARLY_HEADS 1024
#define EARLY_PER_SLAB 100

static struct early *early[EARLY_HEADS]; /* by number */
static struct early *early_free;
static atomic_uint early_count;
static atomic_flag early_busy = ATOMIC_FLAG_INIT;

void early_fork_child(void)
{
	/* Another thread was changing the lists when the copy was made. */
	if (atomic_flag_test_and_set(&early_busy)) {
		memset(early, 0, sizeof(early));
		early_free = NULL;
		atomic_store(&early_count, 0);
	}
	atomic_flag_clear(&early_busy);
}

/* The pointer to it, or to the end of its list; set NULL: in any set. */
static struct early **find_early(const struct watch_set *set, int fd)
{
	struct early **at = &early[fd % EARLY_HEADS];

	while (*at && ((*at)->fd != fd || (set && (*at)->set != set)))
		at = &(*at)->next;
	return at;
}

static struct early *new_early(void)
{
	struct early *slab, *e;

	if (!early_free) {
		slab = map_memory(EARLY_PER_SLAB * sizeof(*slab));
		if (!slab)
			return NULL;
		for (int i = 0; i < EARLY_PER_SLAB; i++) {
			slab[i].next = early_free;
			early_free = &slab[i];
		}
	}
	e = early_free;
	early_free = e->next;
	atomic_fetch_add(&early_count, 1);
	return e;
}

static void drop_early(struct early **at)
{
	struct early *e = *at;

	*at = e->next;
	e->next = early_free;
	early_free = e;
	atomic_fetch_sub(&early_count, 1);
}

enum early_kind early_kind(int fd)
{
	switch (sock_tcp_state(fd)) {
	case -1:
		return errno == ENOTSOCK ? EARLY_NO_SOCKET : EARLY_SETTLED;
	case TCP_CLOSE:
		return EARLY_FRESH;
	case TCP_SYN_SENT:
	case TCP_LISTEN:
		return EARLY_LATER;
	default:
		return EARLY_SETTLED;
	}
}

void early_remember(
	struct watch_set *set, int fd, const struct epoll_event *event)
{
	struct early **at, *e;

	spin_lock(&early_busy);
	at = find_early(set, fd);
	e = *at ? *at : new_early();
	if (e)
		*e = (struct early){e == *at ? e->next : NULL, set, fd, *event};
	*at = e;
	spin_unlock(&early_busy);
}

void early_forget(const struct watch_set *set, int fd)
{
	struct early **at;

	if (!set || !atomic_load(&early_count))
		return;
	spin_lock(&early_busy);
	at = find_early(set, fd);
	if (*at)
		drop_early(at);
	spin_unlock(&early_busy);
}

void early_forget_all(const struct watch_set *set)
{
	spin_lock(&early_busy);
	for (int i = 0; i < EARLY_HEADS; i++)
		for (struct early **at = &early[i]; *at;)
			if ((*at)->set == set)
				drop_early(at);
			else
				at = &(*at)->next;
	spin_unlock(&early_busy);
}

bool early_take(int fd, struct early *taken)
{
	struct early **at;
	bool found;

	if (!atomic_load(&early_count))
		return false;
	spin_lock(&early_busy);
	at = find_early(NULL, fd);
	found = *at != NULL;
	if (found) {
		*taken = **at;
		drop_early(at);
	}
	spin_unlock(&early_busy);
	return found;
}
