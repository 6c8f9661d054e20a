/* SPDX-License-Identifier: MIT */
/*
 * The engine's memory: that no two blocks overlap, whatever the order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "engine/arena.h"

static void a_block_of_any_size_is_aligned_and_writable(void **state)
{
	size_t size;
	char *p;

	(void)state;
	for (size = 0; size < 300000; size += 1 + size / 7) {
		p = arena_alloc(size);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		memset(p, 0x5a, size);
		arena_free(p);
	}
}

static void sizes_beyond_all_bounds_are_refused(void **state)
{
	char *p = arena_alloc(100);

	(void)state;
	assert_null(arena_alloc(SIZE_MAX));
	assert_null(arena_alloc(SIZE_MAX - 16));
	assert_null(arena_alloc(SIZE_MAX / 2));
	p[99] = 'x';
	assert_null(arena_realloc(p, SIZE_MAX));
	assert_null(arena_realloc(p, SIZE_MAX - 20));
	assert_int_equal(p[99], 'x');
	arena_free(p);
	p = arena_alloc(1 << 20);
	p[5] = 'y';
	assert_null(arena_realloc(p, SIZE_MAX));
	assert_null(arena_realloc(p, SIZE_MAX - 5000));
	assert_int_equal(p[5], 'y');
	arena_free(p);
}

static void null_and_nothing_are_as_with_realloc(void **state)
{
	char *p = arena_realloc(NULL, 10);

	(void)state;
	assert_non_null(p);
	assert_null(arena_realloc(p, 0));
	arena_free(NULL);
	arena_free(arena_alloc(0));
}

static void zalloc_gives_zeros_from_used_memory(void **state)
{
	unsigned char *p = arena_alloc(1000);
	size_t i;

	(void)state;
	memset(p, 0xff, 1000);
	arena_free(p);
	p = arena_zalloc(1000);
	for (i = 0; i < 1000; i++)
		assert_int_equal(p[i], 0);
	arena_free(p);
}

static void a_freed_block_is_used_again(void **state)
{
	void *p = arena_alloc(65536 - ARENA_OVERHEAD);

	(void)state;
	arena_free(p);
	assert_ptr_equal(arena_alloc(65536 - ARENA_OVERHEAD), p);
	arena_free(p);
}

static void growing_and_shrinking_keeps_the_bytes(void **state)
{
	unsigned char *p = NULL;
	size_t size = 0, next, i;
	int round;

	(void)state;
	for (round = 0; round < 2000; round++) {
		next = 1 + (size_t)rand() % (round % 10 ? 5000 : 400000);
		p = arena_realloc(p, next);
		assert_non_null(p);
		for (i = 0; i < size && i < next; i++)
			assert_true(p[i] == (unsigned char)(i * 7));
		for (; i < next; i++)
			p[i] = (unsigned char)(i * 7);
		size = next;
	}
	arena_free(p);
}

#define BLOCKS 500

/* Each block is filled with its own byte and checked before it goes. */
static void *churn(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	unsigned char *block[BLOCKS] = {NULL};
	size_t size[BLOCKS], i;
	unsigned round, at;

	for (round = 0; round < 20000; round++) {
		at = (unsigned)rand_r(&seed) % BLOCKS;
		for (i = 0; block[at] && i < size[at]; i += 97) {
			if (block[at][i] != (unsigned char)at)
				return (void *)1;
		}
		arena_free(block[at]);
		size[at] = 1 + (size_t)rand_r(&seed) %
				       (round % 100 ? 3000 : 200000);
		block[at] = arena_alloc(size[at]);
		memset(block[at], (int)at, size[at]);
	}
	for (at = 0; at < BLOCKS; at++)
		arena_free(block[at]);
	return NULL;
}

static void blocks_of_several_threads_never_overlap(void **state)
{
	pthread_t thread[3];
	void *result;
	uintptr_t i;

	(void)state;
	for (i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, churn, (void *)(i + 1));
	for (i = 0; i < 3; i++) {
		pthread_join(thread[i], &result);
		assert_null(result);
	}
}

static void a_forked_child_allocates(void **state)
{
	char *p = arena_alloc(100);
	int status;
	pid_t pid;

	(void)state;
	strcpy(p, "parent's");
	pid = fork();
	if (pid == 0) {
		arena_fork_child();
		_exit(strcmp(p, "parent's") || churn((void *)9) ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	arena_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_of_any_size_is_aligned_and_writable),
		cmocka_unit_test(sizes_beyond_all_bounds_are_refused),
		cmocka_unit_test(null_and_nothing_are_as_with_realloc),
		cmocka_unit_test(zalloc_gives_zeros_from_used_memory),
		cmocka_unit_test(a_freed_block_is_used_again),
		cmocka_unit_test(growing_and_shrinking_keeps_the_bytes),
		cmocka_unit_test(blocks_of_several_threads_never_overlap),
		cmocka_unit_test(a_forked_child_allocates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
