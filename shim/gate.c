/* SPDX-License-Identifier: MIT */
/*
 * Nobody is in the engine while the process is copied.  Knows locks and fork
 * handlers; what the engine is used for, its callers know.
 */
#include "gate.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/single_threaded.h>
#include "config.h"
#include "conn.h"
#include "epollset.h"
#include "idle.h"
#include "keeper.h"
#include "mutex.h"
#include "origin.h"
#include "plug.h"
#include "quiet.h"

static struct mutex gate;
/* Of the thread that has closed it. */
static sigset_t closers_signals;

struct gate_passage gate_enter(void)
{
	struct gate_passage p;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &p.cancel_state);
	quiet_begin(&p.signals);
	mutex_lock(&gate);
	return p;
}

void gate_leave(const struct gate_passage *p)
{
	mutex_unlock(&gate);
	quiet_end(&p->signals);
	pthread_setcancelstate(p->cancel_state, NULL);
}

void gate_close(void)
{
	sigset_t signals;

	quiet_begin(&signals);
	mutex_lock(&gate);
	closers_signals = signals;
	conn_fork_prepare();
}

void gate_open(void)
{
	sigset_t signals = closers_signals;

	conn_fork_parent();
	mutex_unlock(&gate);
	quiet_end(&signals);
}

/* ---- fork ---- */

/* Is the gate closed for a fork?  Changed by whoever holds it. */
static bool forking IDLE_DATA;

/* Connections that are open go to a relay; the gate is for what the child may
 * do with the engine later.  A lone thread that has had no connection leaves
 * nothing half done. */
static void before_fork(void)
{
	origin_before_copy();
	if (__libc_single_threaded && !keeper_token() && !tls_loaded()) {
		epollset_fork_prepare();
		return;
	}
	plug_all();
	gate_close();
	forking = true;
}

static void after_fork_parent(void)
{
	if (!forking)
		return;
	forking = false;
	gate_open();
}

static void after_fork_child(void)
{
	if (!forking) {
		/* Its sets, that may be: it forks in a signal handler. */
		if (epollset_exist())
			epollset_fork_child();
		return;
	}
	forking = false;
	gate = (struct mutex){0, 0};
	conn_fork_child();
	quiet_end(&closers_signals);
}

/* Before there are threads: a fork that had begun before the handlers were
 * there might copy an engine that is being loaded. */
__attribute__((constructor)) static void watch_forks(void)
{
	if (config_is_selective())
		pthread_atfork(
			before_fork, after_fork_parent, after_fork_child);
}
