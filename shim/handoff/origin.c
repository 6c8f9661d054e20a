/* SPDX-License-Identifier: MIT */
/*
 * Where sockets come from.  Knows numbers and processes; of connections
 * nothing.
 */
#include "handoff/origin.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fdtab.h"
#include "base/idle.h"
#include "base/keeper.h"
#include "base/real.h"
#include "config/config.h"

#define BITS 64
#define CHILDREN_MAX 32

/* For 64 numbers: made here after the last copy of the process; made here
 * before that; a stream's. */
static struct word {
	_Atomic(uint64_t) made, before, stdio;
} words[FDTAB_MAX / BITS];
/* How many of them were ever used. */
static atomic_uint n_words IDLE_DATA;

/* Whose copies these are: in a copy it is another process. */
static atomic_int parent;
static atomic_int children[CHILDREN_MAX];
/* A copy was made, or is being made, whose number is not known. */
static atomic_bool unknown, coming;

static struct word *word_of(int fd)
{
	unsigned i = (unsigned)fd / BITS, n = atomic_load(&n_words);

	if (!config_active() || (unsigned)fd >= FDTAB_MAX || keeper_is_guest())
		return NULL;
	while (n <= i && !atomic_compare_exchange_weak(&n_words, &n, i + 1))
		;
	return &words[i];
}

static uint64_t bit_of(int fd)
{
	return UINT64_C(1) << ((unsigned)fd % BITS);
}

static void put(_Atomic(uint64_t) *bits, uint64_t bit, bool on)
{
	if (on)
		atomic_fetch_or(bits, bit);
	else if (atomic_load(bits) & bit)
		atomic_fetch_and(bits, ~bit);
}

static void set(int fd, bool made, bool before)
{
	struct word *w = word_of(fd);

	if (!w)
		return;
	put(&w->made, bit_of(fd), made);
	put(&w->before, bit_of(fd), before);
	put(&w->stdio, bit_of(fd), false);
}

void origin_made(int fd)
{
	set(fd, true, false);
}

void origin_received(int fd)
{
	set(fd, false, false);
}

void origin_copied(int from, int to)
{
	const struct word *w = word_of(from);
	uint64_t bit = bit_of(from);

	if (w)
		set(to, atomic_load(&w->made) & bit,
			atomic_load(&w->before) & bit);
}

void origin_of_stdio(int fd)
{
	struct word *w = word_of(fd);

	if (w)
		put(&w->stdio, bit_of(fd), true);
}

/* ---- copies of the process ---- */

void origin_before_copy(void)
{
	bool any = false;

	for (unsigned i = 0; i < atomic_load(&n_words); i++) {
		uint64_t made = atomic_load(&words[i].made);

		if (made) {
			atomic_fetch_or(&words[i].before, made);
			atomic_fetch_and(&words[i].made, ~made);
		}
		any |= atomic_load(&words[i].before) != 0;
	}
	if (!any)
		return;
	/* What it knows of others is its parent's. */
	if (atomic_exchange(&parent, getpid()) != getpid()) {
		for (int i = 0; i < CHILDREN_MAX; i++)
			atomic_store(&children[i], 0);
		atomic_store(&unknown, false);
		atomic_store(&coming, false);
	}
	if (atomic_exchange(&coming, true))
		atomic_store(&unknown, true);
}

pid_t origin_child(pid_t pid)
{
	if (pid == 0 || !atomic_load(&coming))
		return pid;
	atomic_store(&coming, false);
	for (int i = 0; pid > 0 && i < CHILDREN_MAX; i++) {
		int none = 0;

		if (atomic_compare_exchange_strong(&children[i], &none, pid))
			return pid;
	}
	if (pid > 0)
		atomic_store(&unknown, true);
	return pid;
}

/* Ended ones are left for the program to wait for. */
static bool lives(pid_t pid)
{
	siginfo_t info = {.si_pid = 0};

	return real(syscall)(SYS_waitid, P_PID, pid, &info,
		       WEXITED | WNOHANG | WNOWAIT | __WALL, NULL) == 0 &&
	       info.si_pid == 0;
}

static bool has_children(void)
{
	int saved_errno = errno;
	bool any = atomic_load(&unknown) || atomic_load(&coming);

	for (int i = 0; i < CHILDREN_MAX && !any; i++) {
		pid_t pid = atomic_load(&children[i]);

		any = pid && lives(pid);
		if (pid && !any)
			atomic_store(&children[i], 0);
	}
	errno = saved_errno;
	return any;
}

bool origin_is_shared(int fd)
{
	const struct word *w = word_of(fd);
	uint64_t bit = bit_of(fd);

	if (!w)
		return false;
	if (atomic_load(&w->stdio) & bit)
		return true;
	if (atomic_load(&w->made) & bit)
		return false;
	if (!(atomic_load(&w->before) & bit) ||
		atomic_load(&parent) != getpid())
		return true; /* it was inherited, or received */
	return has_children();
}
