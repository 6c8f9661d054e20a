/* SPDX-License-Identifier: MIT */
/*
 * What a new program is told of connections, those of this process that a relay
 * has and those that it inherited itself, and what is given back to it.  Runs
 * in children of vfork(), on small stacks and in signal handlers: no lock, no
 * heap; but system(), popen() and wordexp(), which libc does not promise to
 * work there.
 */
#include "handoff/envp.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>
#include "base/fdtab.h"
#include "base/map.h"
#include "config/inherit.h"
#include "conn/conn.h"
#include "conn/descriptors.h"
#include "handoff/peers.h"

static bool add_plugged(int fd, uintptr_t cell, void *arg)
{
	struct peers *peers = arg;
	conn_ref struct conn *c = NULL;

	if (!(cell & FDTAB_PLUGGED))
		return true;
	c = descriptor_get_plugged(fd);
	if (c)
		peers_add(peers, &(struct peer){c->cookie, c->dialled, c->self,
					 c->relay});
	return peers->n < PEERS_MAX;
}

/* The lowest numbers first: those that programs inherit. */
static void collect(struct peers *peers)
{
	const struct peers *before = peers_inherited();

	peers->n = 0;
	if (fdtab_is_used())
		fdtab_each(0, FDTAB_MAX - 1, add_plugged, peers);
	for (unsigned i = 0; i < before->n; i++)
		peers_add(peers, &before->all[i]);
}

/* Whom does it concern?  Where LD_PRELOAD brings the library, whoever has an
 * LD_PRELOAD. */
static bool has_library(const struct childenv_plan *child)
{
	return !peers_by_environment() || child->list || child->sets_preload;
}

void envp_plan(struct envp_plan *plan, char *const envp[], bool gives)
{
	static const struct childenv_own nothing;
	const struct childenv_own *own = inherit_own();
	bool may_inherit = fdtab_is_used() || peers_inherited()->n;
	struct peers peers = {.n = 0};

	*plan = (struct envp_plan){.size = 0};
	if (!may_inherit && !(gives && own))
		return;
	childenv_plan(&plan->child, gives && own ? own : &nothing, envp);
	plan->gives = gives && own &&
		      (plan->child.sets_preload || plan->child.gives_settings);
	if (may_inherit && has_library(&plan->child)) {
		collect(&peers);
		plan->peers = peers.n;
	}
	if (!plan->gives && !plan->peers)
		return;
	plan->size = (plan->child.entries + 1) * sizeof(char *) +
		     plan->child.preload_len +
		     (plan->peers ? PEERS_TEXT_MAX(plan->peers) : 0);
}

char *const *envp_make(const struct envp_plan *plan, void *room)
{
	const struct childenv_plan *child = &plan->child;
	char **to = room, *text = (char *)&to[child->entries + 1];
	char *extra = plan->peers ? text + child->preload_len : NULL;
	struct peers peers;

	if (extra) {
		collect(&peers);
		peers_put(&peers, extra, (unsigned)PEERS_TEXT_MAX(plan->peers));
	}
	childenv_make(child, to, text, extra);
	return to;
}

/* ---- environ, for a while ---- */

/* The process whose thread is at it; 0: none.  Another process's thread was at
 * it when this copy was made, and will not be done here. */
static _Atomic pid_t busy;

static void lock(void)
{
	pid_t self = getpid(), owner = 0;

	while (!atomic_compare_exchange_strong(&busy, &owner, self)) {
		if (owner != self &&
			atomic_compare_exchange_strong(&busy, &owner, self))
			return;
		sched_yield();
		owner = 0;
	}
}

static void unlock(void)
{
	atomic_store(&busy, 0);
}

static unsigned users;
static char **before, **ours;
static size_t ours_size;

/* One that another thread has copied meanwhile, as setenv(3) does, points into
 * ours: then ours stays. */
static void put_back(char ***at)
{
	if (ours && *at == ours) {
		*at = before;
		munmap(ours, ours_size);
	}
	ours = NULL;
}

void envp_replace(char ***at)
{
	struct envp_plan plan;
	void *room;

	lock();
	users++;
	envp_plan(&plan, *at, true);
	room = plan.gives ? map_memory(plan.size) : NULL;
	if (room) {
		before = *at;
		ours = (char **)(uintptr_t)envp_make(&plan, room);
		ours_size = plan.size;
		*at = ours;
	}
	unlock();
}

void envp_restore(char ***at)
{
	lock();
	if (!--users)
		put_back(at);
	unlock();
}
