/* SPDX-License-Identifier: MIT */
/*
 * Stands before the destructors that OpenSSL registers for its threads: the
 * linker gives us its calls of pthread_key_create() (--wrap).
 */
#include "engine/thread_end.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include "base/mutex.h"
#include "base/quiet.h"

enum { KEYS_MAX = 8 };

static struct mutex lock;
static atomic_uint n_keys;
static void (*destructors[KEYS_MAX])(void *value); /* OpenSSL's */

static void destroy(unsigned key, void *value)
{
	sigset_t signals;

	/* No handler of the program may fork from here. */
	quiet_begin(&signals);
	mutex_lock(&lock);
	destructors[key](value);
	mutex_unlock(&lock);
	quiet_end(&signals);
}

/* A destructor is told the value but not the key, so each key has one of its
 * own.  OpenSSL 3.0 to 3.5 has one key, 3.6 has two. */
#define EACH_KEY(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define DEFINE(key)                                                            \
	static void destroy_##key(void *value)                                 \
	{                                                                      \
		destroy(key, value);                                           \
	}
#define NAME(key) destroy_##key,
EACH_KEY(DEFINE)
static void (*const destroys[KEYS_MAX])(void *value) = {EACH_KEY(NAME)};

/* The names are the linker's. */
/* NOLINTBEGIN(bugprone-reserved-identifier) */
int __real_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));

int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
	unsigned n; /* which of ours */

	if (!destructor)
		return __real_pthread_key_create(key, NULL);
	n = atomic_fetch_add(&n_keys, 1);
	if (n >= KEYS_MAX) {
		atomic_fetch_sub(&n_keys, 1);
		return EAGAIN;
	}
	destructors[n] = destructor;
	return __real_pthread_key_create(key, destroys[n]);
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
