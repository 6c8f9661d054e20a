/* SPDX-License-Identifier: MIT */
/*
 * Readiness under torture: up to eight connections at once to
 * tests/prog/tls_peer.c, which sends and reads in pieces, with pauses, tickets
 * and key updates; here they are read and written in pieces as well, by loops
 * of every kind, in one thread or several, each connection in one set or
 * several.  All is drawn from the seed.
 *
 *	torture SOCKET SEED
 *
 * Prints what passed, and how many events were for nothing where no other
 * thread can have been faster.  The same over plain TCP and under the shim.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/select.h>
#include "loops.h"

#define CONNS_MAX 8
#define THREADS_MAX 4
#define SETS_MAX 3
#define STALL 20000 /* ms without any event: something was lost */

enum kind { LEVEL, EDGE, SHOT, BY_POLL, BY_SELECT, BLOCKING, KINDS };

/* How a thread waits for a set: by epoll_wait(), or for the set itself first,
 * which is polled or stands in another. */
enum wait { DIRECT, POLLED, NESTED, WAITS };

struct conn {
	pthread_mutex_t lock;
	int fd;
	unsigned seed;
	enum kind kind;
	int sets[SETS_MAX];
	uint32_t asked[SETS_MAX];
	int n_sets;
	bool exclusive, leaves; /* EPOLLEXCLUSIVE; DEL and ADD for MOD */
	bool by_other;		/* what is told once is armed elsewhere */
	bool closes, closed;	/* as soon as it is done */
	bool alone;		/* one thread only looks at it */
	size_t to_read, to_write, got, put;
	bool ended;
	int spurious;
};

static struct conn conns[CONNS_MAX];
static int n_conns;
static atomic_int n_open;
static int sets[SETS_MAX], n_sets, n_threads;
static enum wait waits[SETS_MAX];
static int bell[2];	/* readable when all is done */
static int requests[2]; /* of other threads, to arm */
static bool one_hand;	/* one thread only does what changes the one set */
static int for_nothing; /* ...which was readable, and told nothing */

static unsigned draw(unsigned *seed, unsigned n)
{
	return (unsigned)rand_r(seed) % n;
}

static size_t draw_size(unsigned *seed)
{
	static const unsigned sizes[] = {1, 20, 300, 4096, 16384, 70000};

	return 1 + draw(seed, sizes[draw(seed, 6)]);
}

/* ---- one connection ---- */

static bool is_done(const struct conn *c)
{
	return c->ended && c->put == c->to_write;
}

static void note_end(struct conn *c)
{
	if (!is_done(c))
		return;
	if (c->closes && c->kind < BY_POLL) {
		close(c->fd);
		c->closed = true;
	}
	if (atomic_fetch_sub(&n_open, 1) == 1 && write(bell[1], "", 1) != 1)
		peer_die("bell");
}

/* Reads once: false if there is nothing more for now.  A short read does not
 * say so: the end may be behind it, and its edge was told already. */
static bool read_once(struct conn *c, bool first)
{
	char buf[70000];
	size_t want = draw_size(&c->seed);
	ssize_t n = read(c->fd, buf, want);

	if (n < 0 && errno == EAGAIN) {
		c->spurious += first;
		return false;
	}
	if (n < 0)
		peer_die("read");
	if (n == 0) {
		c->ended = true;
		note_end(c);
		return false;
	}
	if (!pattern_check(buf, c->got, (size_t)n))
		printf("other bytes at %zu\n", c->got);
	c->got += (size_t)n;
	return true;
}

/* The last byte is kept until all has been read, and the peer ends when it has
 * that byte: no end comes to the help of a wake-up that was lost. */
static size_t left_to_write(const struct conn *c)
{
	return c->to_write - c->put - (c->got < c->to_read);
}

/* Writes once: false when it takes no more for now. */
static bool write_once(struct conn *c)
{
	char buf[70000];
	size_t want = draw_size(&c->seed), left = left_to_write(c);
	ssize_t n;

	if (left == 0)
		return false;
	if (want > left)
		want = left;
	pattern_fill(buf, c->put, want);
	n = write(c->fd, buf, want);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n < 0)
		peer_die("write");
	c->put += (size_t)n;
	if (c->put == c->to_write)
		note_end(c);
	return (size_t)n == want;
}

static uint32_t wanted(const struct conn *c)
{
	uint32_t events = c->ended ? 0 : IN;

	return left_to_write(c) ? events | OUT : events;
}

/* What the event loop of a program does with what it was told. */
static void handle(struct conn *c, uint32_t told)
{
	bool first = true;

	pthread_mutex_lock(&c->lock);
	if (c->closed) {
		pthread_mutex_unlock(&c->lock);
		return;
	}
	if (told & ~OUT && !c->ended)
		while (read_once(c, first && c->alone) && c->kind == EDGE)
			first = false;
	if (!c->closed && (told & OUT || c->got == c->to_read))
		while (write_once(c) && c->kind == EDGE)
			;
	pthread_mutex_unlock(&c->lock);
}

/* ---- loops ---- */

static void stalled(const char *where)
{
	printf("stalled in %s\n", where);
	for (int i = 0; i < n_conns; i++)
		printf("%d: kind %d, got %zu of %zu, put %zu of %zu%s\n", i,
			conns[i].kind, conns[i].got, conns[i].to_read,
			conns[i].put, conns[i].to_write,
			conns[i].ended ? ", ended" : "");
	fflush(stdout);
	exit(1);
}

static uint32_t flags_of(const struct conn *c)
{
	uint32_t flags = c->exclusive ? EXCLUSIVE : 0;

	return flags | (c->kind == EDGE ? ET : c->kind == SHOT ? ONESHOT : 0);
}

/* EPOLLEXCLUSIVE cannot be changed. */
static void ask_anew(struct conn *c, int set, uint32_t events)
{
	if (!c->exclusive && !c->leaves) {
		modify(set, c->fd, events, (uintptr_t)c);
		return;
	}
	if ((errno = control(set, EPOLL_CTL_DEL, c->fd, 0, 0)))
		peer_die("EPOLL_CTL_DEL");
	add(set, c->fd, events, (uintptr_t)c);
}

/* Level-triggered: only when it wants something else. */
static void rearm(struct conn *c, int set)
{
	int i = 0;

	pthread_mutex_lock(&c->lock);
	while (c->sets[i] != set)
		i++;
	if (!c->closed &&
		(c->kind == SHOT ||
			(c->kind == LEVEL && c->asked[i] != wanted(c)))) {
		c->asked[i] = wanted(c);
		ask_anew(c, set, c->asked[i] | flags_of(c));
	}
	pthread_mutex_unlock(&c->lock);
}

struct request {
	struct conn *c;
	int set;
};

/* Arms for other threads, while those wait again. */
static void *armourer(void *arg)
{
	struct request request;

	(void)arg;
	while (read(requests[0], &request, sizeof(request)) ==
			sizeof(request) &&
		request.c)
		rearm(request.c, request.set);
	return NULL;
}

static void have_armed(struct conn *c, int set)
{
	struct request request = {c, set};

	if (write(requests[1], &request, sizeof(request)) != sizeof(request))
		peer_die("requests");
}

/* Until the set itself is readable. */
static void wait_for_set(int set, int outer, enum wait wait)
{
	struct pollfd p = {.fd = set, .events = POLLIN};
	struct epoll_event event;

	if (wait == POLLED && poll(&p, 1, STALL) == 0)
		stalled("poll, of a set");
	if (wait == NESTED && epoll_wait(outer, &event, 1, STALL) == 0)
		stalled("epoll_wait, of an outer set");
}

static void *epoll_loop(void *arg)
{
	int set = *(int *)arg, outer = new_set();
	enum wait wait = waits[(int *)arg - sets];
	unsigned seed = (unsigned)set;

	if (wait == NESTED)
		add(outer, set, IN, 0);
	while (n_open) {
		struct epoll_event events[CONNS_MAX];
		int max = 1 + (int)draw(&seed, CONNS_MAX), n;

		wait_for_set(set, outer, wait);
		n = epoll_wait(set, events, max, wait == DIRECT ? STALL : 0);
		if (n == 0 && wait == DIRECT)
			stalled("epoll_wait");
		for_nothing += n == 0 && wait == POLLED && one_hand;
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;

			if (!c)
				continue;
			handle(c, events[i].events);
			if (c->by_other)
				have_armed(c, set);
			else
				rearm(c, set);
		}
	}
	close(outer);
	return NULL;
}

static bool is_polled(const struct conn *c, enum kind kind)
{
	return c->kind == kind && !is_done(c);
}

static void *poll_loop(void *arg)
{
	struct pollfd fds[CONNS_MAX + 1];

	(void)arg;
	while (n_open) {
		for (int i = 0; i < n_conns; i++) {
			fds[i].fd = is_polled(&conns[i], BY_POLL) ? conns[i].fd
								  : -1;
			fds[i].events = (short)wanted(&conns[i]);
		}
		fds[n_conns] = (struct pollfd){bell[0], POLLIN, 0};
		if (poll(fds, (nfds_t)n_conns + 1, STALL) == 0)
			stalled("poll");
		for (int i = 0; i < n_conns; i++)
			if (fds[i].fd >= 0 && fds[i].revents)
				handle(&conns[i], (uint32_t)fds[i].revents);
	}
	return NULL;
}

static void *select_loop(void *arg)
{
	(void)arg;
	while (n_open) {
		struct timeval stall = {.tv_sec = STALL / 1000};
		fd_set readable, writable;

		FD_ZERO(&readable);
		FD_ZERO(&writable);
		FD_SET(bell[0], &readable);
		for (int i = 0; i < n_conns; i++) {
			if (!is_polled(&conns[i], BY_SELECT))
				continue;
			if (wanted(&conns[i]) & IN)
				FD_SET(conns[i].fd, &readable);
			if (wanted(&conns[i]) & OUT)
				FD_SET(conns[i].fd, &writable);
		}
		if (select(FD_SETSIZE, &readable, &writable, NULL, &stall) == 0)
			stalled("select");
		for (int i = 0; i < n_conns; i++)
			if (is_polled(&conns[i], BY_SELECT))
				handle(&conns[i],
					(FD_ISSET(conns[i].fd, &readable) ? IN
									  : 0) |
						(FD_ISSET(
							 conns[i].fd, &writable)
								? OUT
								: 0));
	}
	return NULL;
}

static void *blocking_writer(void *arg)
{
	struct conn *c = arg;
	char buf[70000];
	unsigned seed = c->seed + 1;
	size_t left;

	while ((left = c->to_write - 1 - c->put) > 0) {
		size_t want = draw_size(&seed);

		if (want > left)
			want = left;
		pattern_fill(buf, c->put, want);
		if (write(c->fd, buf, want) != (ssize_t)want)
			peer_die("blocking write");
		c->put += want;
	}
	return NULL;
}

static void *blocking_reader(void *arg)
{
	struct conn *c = arg;
	pthread_t writer;

	pthread_create(&writer, NULL, blocking_writer, c);
	while (c->got < c->to_read)
		read_once(c, false);
	pthread_join(writer, NULL);
	write_once(c);
	while (!c->ended)
		read_once(c, false);
	return NULL;
}

/* ---- setting up ---- */

static void join_sets(struct conn *c)
{
	for (int i = 0; i < c->n_sets; i++) {
		c->asked[i] = wanted(c);
		add(c->sets[i], c->fd, c->asked[i] | flags_of(c), (uintptr_t)c);
	}
}

static void set_up(struct conn *c, unsigned *seed)
{
	int first = (int)draw(seed, (unsigned)n_sets), on = 0;
	bool early = draw(seed, 2);
	unsigned habits = draw(seed, 1 << 7);

	pthread_mutex_init(&c->lock, NULL);
	c->seed = draw(seed, 1 << 30);
	c->kind = (enum kind)draw(seed, KINDS);
	c->to_read = draw(seed, 200000);
	c->to_write = 1 + draw(seed, 200000);
	if (c->kind < BY_POLL)
		c->n_sets = draw(seed, 3) ? 1 : 1 + (int)draw(seed, SETS_MAX);
	if (c->n_sets > n_sets)
		c->n_sets = n_sets;
	for (int i = 0; i < c->n_sets; i++)
		c->sets[i] = sets[(first + i) % n_sets];
	c->exclusive = c->kind < SHOT && (habits & 3) == 0;
	c->leaves = (habits & 12) == 0;
	c->by_other = (habits & (16 + 64)) == 0;
	if (c->by_other)
		one_hand = false;
	c->closes = habits & 32;
	c->alone = c->n_sets <= 1 && (c->n_sets == 0 || n_threads == 1);
	c->fd = new_socket();
	if (early)
		join_sets(c);
	dial(c->fd);
	finish(c->fd);
	if (!early)
		join_sets(c);
	if (c->kind == BLOCKING)
		fcntl(c->fd, F_SETFL, on);
}

int main(int argc, char **argv)
{
	unsigned seed = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 1;
	pthread_t threads[SETS_MAX * THREADS_MAX + 2 + CONNS_MAX], arming;
	int n = 0;

	if (argc != 3 || pipe(bell) < 0 || pipe(requests) < 0)
		return 2;
	peer_open(&peer, argv[1]);
	n_conns = 1 + (int)draw(&seed, CONNS_MAX);
	n_open = n_conns;
	n_sets = 1 + (int)draw(&seed, SETS_MAX);
	n_threads = draw(&seed, 2) ? 1 : 1 + (int)draw(&seed, THREADS_MAX);
	one_hand = n_sets == 1 && n_threads == 1;
	for (int i = 0; i < n_sets; i++) {
		sets[i] = new_set();
		waits[i] =
			draw(&seed, 2) ? DIRECT : (enum wait)draw(&seed, WAITS);
		add(sets[i], bell[0], IN, 0);
	}
	for (int i = 0; i < n_conns; i++)
		set_up(&conns[i], &seed);
	for (int i = 0; i < n_conns; i++)
		peer_do(&peer, "stream %d %u %zu %zu", i, conns[i].seed,
			conns[i].to_read, conns[i].to_write);
	for (int i = 0; i < n_sets * n_threads; i++)
		pthread_create(
			&threads[n++], NULL, epoll_loop, &sets[i % n_sets]);
	pthread_create(&arming, NULL, armourer, NULL);
	pthread_create(&threads[n++], NULL, poll_loop, NULL);
	pthread_create(&threads[n++], NULL, select_loop, NULL);
	for (int i = 0; i < n_conns; i++)
		if (conns[i].kind == BLOCKING)
			pthread_create(&threads[n++], NULL, blocking_reader,
				&conns[i]);
	while (n > 0)
		pthread_join(threads[--n], NULL);
	have_armed(NULL, 0);
	pthread_join(arming, NULL);
	printf("sets that told nothing: %d\n", for_nothing);
	for (int i = 0; i < n_conns; i++) {
		peer_do(&peer, "join %d", i);
		printf("%d: kind %d in %d sets: read %zu of %zu, wrote %zu, "
		       "for nothing %d\n",
			i, conns[i].kind, conns[i].n_sets, conns[i].got,
			conns[i].to_read, conns[i].put, conns[i].spurious);
	}
	return 0;
}
