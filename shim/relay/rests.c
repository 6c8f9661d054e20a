/* SPDX-License-Identifier: MIT */
/*
 * The process that sends rests.  Knows sockets, and bytes whose meaning is over
 * its head.  Runs in a copy of the program: see relay.c for what that forbids.
 *
 * What the peer says is taken and forgotten: to close with that unread is a
 * reset, which loses what the peer has not read, and a peer that cannot say
 * what it has to say may read nothing.
 */
#include "relay/rests.h"

#include <errno.h>
#include <string.h>
#include "base/clock.h"
#include "base/highfd.h"
#include "base/map.h"
#include "base/real.h"
#include "base/sock.h"
#include "conn/report.h"
#include "log/log.h"

/* How long it is there for the next rest. */
#define IDLE_NS (1000 * NS_PER_MS)
/* How much of what one peer says is taken before others have their turn. */
#define TURNS 16
#define SCRATCH (16 << 10)

/* One that is being sent. */
struct sending {
	struct rest *rest;
	int fd;
	size_t off;
	bool fin_sent;
	bool peer_done;
	int queued;	  /* of what the kernel has, at the last look */
	int64_t progress; /* when something was last taken */
	int64_t fin_at;
	int64_t look; /* when to ask the kernel again */
};

struct sender {
	struct rests *rests;
	int fd; /* -1: no more come */
	unsigned n;
	struct sending all[RESTS_MAX];
	struct pollfd fds[RESTS_MAX + 1]; /* the last is fd's */
	int64_t idle_end;
};

/* ---- one of them ---- */

static void give_back(struct sender *s, struct rest *rest)
{
	madvise(rest, sizeof(*rest), MADV_REMOVE);
	atomic_store(&s->rests->taken[rest - s->rests->all], 0);
}

static void end(struct sender *s, struct sending *one)
{
	if (one->fin_sent)
		sock_drain(one->fd);
	/* The program may still hold a copy: close() alone sends no FIN. */
	real(shutdown)(one->fd, SHUT_RDWR);
	real(close)(one->fd);
	give_back(s, one->rest);
	one->rest = NULL;
}

static void end_broken(struct sender *s, struct sending *one, int error)
{
	one->fin_sent = false;
	report_reset(&one->rest->c, one->rest->early, error);
	end(s, one);
}

/* 0, or why it broke. */
static int push(struct sending *one)
{
	const struct rest *rest = one->rest;

	while (one->off < rest->len) {
		ssize_t n = real(send)(one->fd, rest->bytes + one->off,
			rest->len - one->off, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : errno;
		one->off += (size_t)n;
		one->progress = clock_now();
	}
	one->fin_sent = true;
	one->fin_at = one->progress = one->look = clock_now();
	real(shutdown)(one->fd, SHUT_WR);
	return 0;
}

static int drain(struct sending *one)
{
	char scratch[SCRATCH];

	for (int i = 0; i < TURNS && !one->peer_done; i++) {
		ssize_t n = real(recv)(
			one->fd, scratch, sizeof(scratch), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : errno;
		one->peer_done = n == 0;
	}
	return 0;
}

/* The kernel has no event for what the peer takes of what it was given. */
static bool has_all(struct sending *one, int64_t now)
{
	int left = sock_unsent(one->fd);

	if (left < one->queued)
		one->progress = now;
	one->queued = left;
	one->look = now + 5 * NS_PER_MS + (now - one->fin_at) / 8;
	return left == 0;
}

static int64_t give_up_at(const struct sending *one)
{
	return one->progress + one->rest->linger;
}

/* What the kernel has it goes on sending. */
static void give_up(struct sender *s, struct sending *one)
{
	if (!one->fin_sent)
		report_lost(&one->rest->c);
	end(s, one);
}

static void step(struct sender *s, struct sending *one, short events)
{
	int64_t now = clock_now();
	int error = 0;

	if (!one->fin_sent)
		error = push(one);
	if (!error && one->fin_sent && has_all(one, now)) {
		end(s, one);
		return;
	}
	if (!error && events)
		error = drain(one);
	if (error) {
		end_broken(s, one, error);
		return;
	}
	/* Nothing can come that would be answered by a reset: the kernel may
	 * do the rest. */
	if (one->fin_sent && one->peer_done) {
		end(s, one);
		return;
	}
	if (now < give_up_at(one))
		return;
	if (!one->fin_sent)
		has_all(one, now);
	if (now >= give_up_at(one))
		give_up(s, one);
}

/* ---- new ones ---- */

static void begin(struct sender *s, uint32_t place, int fd)
{
	struct rest *rest = &s->rests->all[place];

	s->all[s->n] = (struct sending){
		.rest = rest,
		.fd = fd,
		.queued = sock_unsent(fd),
		.progress = clock_now(),
	};
	step(s, &s->all[s->n++], POLLIN);
}

static int descriptor_in(struct msghdr *msg)
{
	struct cmsghdr *m = CMSG_FIRSTHDR(msg);
	int fd = -1;

	if (m && m->cmsg_level == SOL_SOCKET && m->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(m), sizeof(fd));
	return fd;
}

/* One that has come without its socket, for want of a number, is lost. */
static void take(struct sender *s, uint32_t place, int fd)
{
	if (place >= RESTS_MAX || s->n == RESTS_MAX)
		return;
	if (fd >= 0) {
		begin(s, place, fd);
		return;
	}
	log_line(LOG_LEVEL_ERROR, "%s: the rest is lost: no descriptor is free",
		s->rests->all[place].c.destination);
	give_back(s, &s->rests->all[place]);
}

static void forget_ended(struct sender *s)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < s->n; i++)
		if (s->all[i].rest)
			s->all[kept++] = s->all[i];
	s->n = kept;
}

/* All that have come; false: no more will. */
static bool take_all(struct sender *s)
{
	struct rests_message message;
	struct iovec iov = {&message, sizeof(message)};
	char room[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	ssize_t n;

	do {
		struct msghdr msg = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = room,
			.msg_controllen = sizeof(room),
		};

		n = real(recvmsg)(s->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n == (ssize_t)sizeof(message))
			take(s, message.place, descriptor_in(&msg));
		if (s->n == RESTS_MAX)
			forget_ended(s);
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 && errno == EAGAIN;
}

/* ---- the loop ---- */

/* Once the reading end is shut, sending fails at the other, and what was sent
 * before is there still. */
static void leave_if_idle(struct sender *s)
{
	if (s->n || s->fd < 0 || clock_now() < s->idle_end)
		return;
	real(shutdown)(s->fd, SHUT_RD);
	take_all(s);
	real(close)(s->fd);
	s->fd = -1;
}

static int64_t deadline(const struct sender *s)
{
	int64_t first = s->n ? INT64_MAX : s->idle_end;

	for (unsigned i = 0; i < s->n; i++) {
		const struct sending *one = &s->all[i];
		int64_t at = give_up_at(one);

		if (one->fin_sent && one->look < at)
			at = one->look;
		if (at < first)
			first = at;
	}
	return first;
}

/* HUP and ERR come unasked: do not turn in circles on them. */
static void ask(const struct sending *one, struct pollfd *p)
{
	*p = (struct pollfd){.fd = -1};
	if (!one->fin_sent)
		p->events |= POLLOUT;
	if (!one->peer_done)
		p->events |= POLLIN;
	if (p->events)
		p->fd = one->fd;
}

static void wait_for_some(struct sender *s)
{
	int64_t left = deadline(s) - clock_now();

	for (unsigned i = 0; i < s->n; i++)
		ask(&s->all[i], &s->fds[i]);
	s->fds[s->n] = (struct pollfd){.fd = s->fd, .events = POLLIN};
	real(poll)(
		s->fds, s->n + 1, left <= 0 ? 0 : (int)(left / NS_PER_MS) + 1);
}

static bool is_due(const struct sending *one, int64_t now)
{
	return (one->fin_sent && now >= one->look) || now >= give_up_at(one);
}

static void step_all(struct sender *s)
{
	int64_t now = clock_now();

	for (unsigned i = 0; i < s->n; i++)
		if (s->fds[i].revents || is_due(&s->all[i], now))
			step(s, &s->all[i], s->fds[i].revents);
}

void rests_serve(int fd, void *rests)
{
	struct sender *s = map_memory(sizeof(*s));

	if (!s)
		return;
	highfd_raise();
	s->rests = rests;
	s->fd = fd;
	s->idle_end = clock_now() + IDLE_NS;
	while (s->n || s->fd >= 0) {
		bool came;

		wait_for_some(s);
		came = s->fds[s->n].revents != 0;
		step_all(s);
		if (came && !take_all(s))
			s->fd = -1;
		forget_ended(s);
		if (s->n)
			s->idle_end = clock_now() + IDLE_NS;
		leave_if_idle(s);
		forget_ended(s);
	}
}
