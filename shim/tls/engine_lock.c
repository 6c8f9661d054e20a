/* SPDX-License-Identifier: MIT */
/* Who is in the engine; what it is used for, the callers know. */
#include "tls/engine_lock.h"

#include <pthread.h>
#include "base/mutex.h"
#include "base/quiet.h"

static struct mutex lock;

struct engine_passage engine_enter(void)
{
	struct engine_passage p;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &p.cancel_state);
	quiet_begin(&p.signals);
	mutex_lock(&lock);
	return p;
}

void engine_leave(const struct engine_passage *p)
{
	mutex_unlock(&lock);
	quiet_end(&p->signals);
	pthread_setcancelstate(p->cancel_state, NULL);
}

void engine_lock(void)
{
	mutex_lock(&lock);
}

void engine_unlock(void)
{
	mutex_unlock(&lock);
}

void engine_lock_reset(void)
{
	lock = (struct mutex){0, 0};
}
