/* SPDX-License-Identifier: MIT */
/*
 * Stands before the one destructor that OpenSSL registers for its threads: the
 * linker gives us its call of pthread_key_create() (--wrap).
 */
#include "thread_end.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include "../mutex.h"
#include "../quiet.h"

static struct mutex lock;
static void (*openssl_destructor)(void *value);

static void destroy(void *value)
{
	sigset_t signals;

	/* No handler of the program may fork from here. */
	quiet_begin(&signals);
	mutex_lock(&lock);
	openssl_destructor(value);
	mutex_unlock(&lock);
	quiet_end(&signals);
}

/* The names are the linker's. */
/* NOLINTBEGIN(bugprone-reserved-identifier) */
int __real_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));

int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
	if (!destructor)
		return __real_pthread_key_create(key, NULL);
	/* A second one would need a place of its own. */
	if (openssl_destructor)
		return EAGAIN;
	openssl_destructor = destructor;
	return __real_pthread_key_create(key, destroy);
}
/* NOLINTEND(bugprone-reserved-identifier) */

void thread_end_hold(void)
{
	mutex_lock(&lock);
}

void thread_end_release(void)
{
	mutex_unlock(&lock);
}

void thread_end_fork_child(void)
{
	lock = (struct mutex){0, 0};
}
