/* SPDX-License-Identifier: MIT */
/*
 * Threads that used the engine wait at their end while the process is copied.
 * Asks engine.so itself: here OpenSSL is the system's, which cleans up on its
 * own.  Keys of this program's go where the engine's do.
 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "engine/api.h"
#include "engine/thread_end.h"

static void *engine;
static const struct tls_engine *tls;
static sem_t used;

/* Not by $ORIGIN: under AddressSanitizer that is its library's. */
static int open_engine(void **state)
{
	char path[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	(void)state;
	assert_true(n > 0);
	path[n] = '\0';
	slash = strrchr(path, '/');
	assert_true(snprintf(slash, sizeof(path) - (size_t)(slash - path),
			    "/../tlsshim/engine.so") > 0);
	engine = dlopen(path, RTLD_NOW);
	assert_non_null(engine);
	tls = dlsym(engine, TLS_ENGINE_SYMBOL);
	assert_non_null(tls);
	return sem_init(&used, 0, 0);
}

/* Fails, and leaves an error in OpenSSL's queue for this thread. */
static void *uses_the_engine(void *arg)
{
	struct tls_settings settings = {.ca_file = "/nonexistent"};
	struct tls_failure why;

	(void)arg;
	assert_null(tls->context_new(&settings, &why));
	sem_post(&used);
	return NULL;
}

/* pthread_timedjoin_np() for so many milliseconds. */
static int join(pthread_t thread, int ms)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_nsec += ms % 1000 * 1000000L;
	end.tv_sec += ms / 1000 + end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	return pthread_timedjoin_np(thread, NULL, &end);
}

static void a_thread_ends_only_after_the_copy(void **state)
{
	pthread_t thread;

	(void)state;
	/* ENGINE=shared: OpenSSL is not the engine's to hold back. */
	if (dlsym(engine, "OPENSSL_init_crypto"))
		skip();
	tls->copy_begin();
	assert_int_equal(
		pthread_create(&thread, NULL, uses_the_engine, NULL), 0);
	sem_wait(&used);
	assert_int_equal(join(thread, 300), ETIMEDOUT);
	tls->copy_end();
	assert_int_equal(join(thread, 30000), 0);
}

static void a_child_has_no_copy_to_wait_for(void **state)
{
	pthread_t thread;

	(void)state;
	tls->copy_begin();
	tls->fork_child();
	assert_int_equal(
		pthread_create(&thread, NULL, uses_the_engine, NULL), 0);
	assert_int_equal(join(thread, 30000), 0);
}

/* Keys, as OpenSSL may make several; each has a destructor of its own. */
enum { N_KEYS = 3 };
static pthread_key_t keys[N_KEYS];
static int values[N_KEYS];
static _Atomic(void *) destroyed[N_KEYS];

static void destroy_first(void *value)
{
	destroyed[0] = value;
}

static void destroy_second(void *value)
{
	destroyed[1] = value;
}

static void destroy_third(void *value)
{
	destroyed[2] = value;
}

static void *uses_each_key(void *arg)
{
	(void)arg;
	for (int i = 0; i < N_KEYS; i++)
		pthread_setspecific(keys[i], &values[i]);
	sem_post(&used);
	return NULL;
}

static void each_key_is_held_back_and_destroyed_by_its_own(void **state)
{
	void (*const destructors[])(void *) = {
		destroy_first, destroy_second, destroy_third};
	pthread_t thread;
	int i;

	(void)state;
	for (i = 0; i < N_KEYS; i++)
		assert_int_equal(
			pthread_key_create(&keys[i], destructors[i]), 0);
	thread_end_hold();
	assert_int_equal(pthread_create(&thread, NULL, uses_each_key, NULL), 0);
	sem_wait(&used);
	assert_int_equal(join(thread, 300), ETIMEDOUT);
	for (i = 0; i < N_KEYS; i++)
		assert_null(destroyed[i]);
	thread_end_release();
	assert_int_equal(join(thread, 30000), 0);
	for (i = 0; i < N_KEYS; i++)
		assert_ptr_equal(destroyed[i], &values[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_ends_only_after_the_copy),
		cmocka_unit_test(a_child_has_no_copy_to_wait_for),
		cmocka_unit_test(
			each_key_is_held_back_and_destroyed_by_its_own),
	};

	return cmocka_run_group_tests(tests, open_engine, NULL);
}
