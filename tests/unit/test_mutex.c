/* SPDX-License-Identifier: MIT */
/*
 * The lock that knows its owner.
 */
#include <pthread.h>
#include <sched.h>
#include "base/mutex.h"
#include "unit.h"

enum { THREADS = 4, TURNS = 20000 };

static struct mutex mutex;
static int inside, turns;

static void *take_turns(void *arg)
{
	for (int i = 0; i < TURNS; i++) {
		if (!mutex_lock(&mutex))
			return "it says that we hold it";
		if (inside++)
			return "somebody else is inside";
		turns++;
		/* The others are to find it held. */
		if (i % 64 == 0)
			sched_yield();
		inside--;
		mutex_unlock(&mutex);
	}
	return arg;
}

static void one_at_a_time(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, take_turns, NULL);
	for (int i = 0; i < THREADS; i++) {
		void *wrong;

		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
	assert_int_equal(turns, THREADS * TURNS);
	assert_int_equal(mutex.owner, 0);
	assert_int_equal(mutex.sleepers, 0);
}

static void its_holder_is_told(void **state)
{
	(void)state;
	assert_true(mutex_lock(&mutex));
	assert_false(mutex_lock(&mutex));
	mutex_unlock(&mutex);
	assert_true(mutex_lock(&mutex));
	mutex_unlock(&mutex);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_at_a_time),
		cmocka_unit_test(its_holder_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
