/* SPDX-License-Identifier: MIT */
/* What happens at fork(): pthread_atfork(3)'s handlers. */
#include <pthread.h>
#include <stdbool.h>
#include <sys/single_threaded.h>
#include "base/idle.h"
#include "base/keeper.h"
#include "config/config.h"
#include "event/epollset.h"
#include "handoff/origin.h"
#include "handoff/plug.h"
#include "handoff/quiesce.h"
#include "tls/loader.h"

/* Do the others stand still for a fork?  Changed by whoever made them. */
static bool forking IDLE_DATA;

/* Connections that are open go to a relay; the others stand still for
 * what the child may do with the engine later.  A lone thread that has had no
 * connection leaves nothing half done. */
static void before_fork(void)
{
	origin_before_copy();
	if (__libc_single_threaded && !keeper_token() && !tls_loaded()) {
		epollset_fork_prepare();
		return;
	}
	plug_all();
	quiesce_begin();
	forking = true;
}

static void after_fork_parent(void)
{
	if (!forking)
		return;
	forking = false;
	quiesce_end();
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
	quiesce_child();
}

/* Before there are threads: a fork that had begun before the handlers were
 * there might copy an engine that is being loaded. */
__attribute__((constructor)) static void watch_forks(void)
{
	if (config_is_selective())
		pthread_atfork(
			before_fork, after_fork_parent, after_fork_child);
}
