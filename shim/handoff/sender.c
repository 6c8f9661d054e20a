/* SPDX-License-Identifier: MIT */
/*
 * Finds, starts and feeds the process that sends rests.  Knows which process
 * may use which, and descriptor passing; what is done there, rests.c knows.
 *
 * Descriptor and memory belong to who started it: a copy of the process, in
 * which the memory is not (MADV_DONTFORK), tells by the keeper's token.  The
 * memory bounds what can be left there: a place for each.
 */
#include "handoff/sender.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include "base/fdtab.h"
#include "base/highfd.h"
#include "base/keeper.h"
#include "base/real.h"
#include "base/sock.h"
#include "config/config.h"
#include "conn/conn.h"
#include "conn/report.h"
#include "handoff/quiesce.h"
#include "log/log.h"
#include "relay/relay.h"
#include "relay/rests.h"

/* Numbers of the other process that are no rest's. */
#define OTHER_NUMBERS 32

static struct {
	int fd; /* valid where there are rests */
	uint64_t cookie;
	uint64_t keeper;
	unsigned room; /* places that may be used */
	unsigned next; /* where to look for a free one */
	struct rests *rests;
} sender;

/* ---- which one ---- */

/* The number may be another file's by now: a program closes what it likes by
 * bare system calls. */
static bool has_socket(void)
{
	return sock_cookie(sender.fd) == sender.cookie;
}

static bool is_there(void)
{
	return sender.rests && sender.keeper == keeper_token() && has_socket();
}

static void forget(void)
{
	if (!sender.rests)
		return;
	if (has_socket()) {
		fdtab_unhide(sender.fd);
		real(close)(sender.fd);
	} else if (fdtab_peek(sender.fd) == FDTAB_HIDDEN &&
		   sender.fd != log_descriptor()) {
		fdtab_unhide(sender.fd);
	}
	if (sender.keeper == keeper_token())
		munmap(sender.rests, sizeof(*sender.rests));
	sender.rests = NULL;
}

void sender_fork_child(void)
{
	if (sender.rests && sender.keeper != keeper_token())
		forget();
}

void sender_leave(void)
{
	if (is_there())
		forget();
}

/* ---- starting it ---- */

/* It raises its soft limit. */
static unsigned room_of_it(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
		limit.rlim_max < OTHER_NUMBERS)
		return 0;
	return limit.rlim_max - OTHER_NUMBERS < RESTS_MAX
		       ? (unsigned)(limit.rlim_max - OTHER_NUMBERS)
		       : RESTS_MAX;
}

/* Populated as it fills. */
static struct rests *make_rests(void)
{
	void *p = mmap(NULL, sizeof(struct rests), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* The other end is in no other copy of this process, whose fork() waits: with
 * it the process's death would not be seen. */
static int start_with(struct rests *rests)
{
	char title[32];
	struct relay_task task = {
		.title = title, .shared = rests, .serve = rests_serve};
	int ends[2], err;

	if (real(socketpair)(AF_UNIX,
		    SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return errno;
	log_format(title, sizeof(title), "rests of %d", keeper_pid());
	task.fd = ends[1];
	err = relay_start_task(&task);
	real(close)(task.fd);
	sender.fd = highfd_move(ends[0]);
	if (err || !fdtab_hide(sender.fd, NULL)) {
		real(close)(sender.fd);
		return err ? err : ENOMEM;
	}
	madvise(rests, sizeof(*rests), MADV_DONTFORK);
	sender.rests = rests;
	sender.cookie = sock_cookie(sender.fd);
	sender.keeper = keeper_token();
	sender.next = 0;
	return 0;
}

static bool start(void)
{
	struct rests *rests;
	int err;

	forget();
	sender.room = room_of_it();
	rests = sender.room ? make_rests() : NULL;
	if (!rests)
		return false;
	quiesce_begin();
	err = start_with(rests);
	quiesce_end();
	if (err)
		munmap(rests, sizeof(*rests));
	return !err;
}

/* ---- feeding it ---- */

/* RESTS_MAX: there is none. */
static unsigned claim_place(void)
{
	for (unsigned i = 0; i < sender.room; i++) {
		unsigned place = (sender.next + i) % sender.room, none = 0;

		if (!atomic_compare_exchange_strong(
			    &sender.rests->taken[place], &none, 1))
			continue;
		sender.next = place + 1;
		return place;
	}
	return RESTS_MAX;
}

static void fill(
	struct rest *rest, const struct conn *c, const void *bytes, size_t len)
{
	rest->len = (uint32_t)len;
	rest->early = report_is_early(c);
	rest->linger = config_get()->linger_ms * 1000000LL;
	memcpy(&rest->c, c, sizeof(*c));
	if (len)
		memcpy(rest->bytes, bytes, len);
}

/* 0 or an errno value; one message is whole or is not there. */
static int pass(uint32_t place, int fd)
{
	struct rests_message message = {place};
	struct iovec iov = {&message, sizeof(message)};
	char room[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
	const struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof(room),
	};
	struct cmsghdr *m = CMSG_FIRSTHDR(&msg);
	ssize_t n;

	m->cmsg_level = SOL_SOCKET;
	m->cmsg_type = SCM_RIGHTS;
	m->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(m), &fd, sizeof(fd));
	do
		n = real(sendmsg)(sender.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? errno : 0;
}

/* Under the connection's lock. */
static int give_locked(struct conn *c)
{
	const void *bytes;
	size_t len;
	unsigned place;
	int err;

	if (c->state != CONN_OPEN || !c->session ||
		!c->tls->rest(c->session, &bytes, &len) || len > REST_ROOM)
		return EINVAL;
	place = claim_place();
	if (place == RESTS_MAX)
		return EAGAIN;
	fill(&sender.rests->all[place], c, bytes, len);
	err = pass(place, c->real);
	if (err)
		atomic_store(&sender.rests->taken[place], 0);
	else
		conn_plugged(c);
	return err;
}

static int give(struct conn *c)
{
	int err = conn_lock(c);

	if (err)
		return EINVAL;
	err = give_locked(c);
	conn_unlock(c);
	return err;
}

/* Has it ended, in whichever way? */
static bool is_gone(int err)
{
	return err == EPIPE || err == ECONNRESET || err == ENOTCONN ||
	       err == ECONNREFUSED;
}

bool sender_take(struct conn *c)
{
	bool was_there = is_there();
	int err;

	if (!was_there && !start())
		return false;
	err = give(c);
	if (is_gone(err) && was_there && start())
		err = give(c);
	return err == 0;
}
