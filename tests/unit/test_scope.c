/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <dlfcn.h>
#include <stdlib.h>
#include "base/scope.h"

/* As dlsym(3) finds them, of several versions the default. */
static void test_of_libc(void **state)
{
	static const char *const names[] = {"dlsym", "dlopen", "connect",
		"read", "posix_spawn", "fclose", "qsort"};
	void *libc = dlopen("libc.so.6", RTLD_NOW);

	(void)state;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_ptr_equal(
			scope_of_libc(names[i]), dlsym(libc, names[i]));
	assert_null(scope_of_libc("no_such_function"));
	assert_null(scope_of_libc(""));
	dlclose(libc);
}

/* This test's executable is no library of libc's names. */
static void test_own(void **state)
{
	(void)state;
	assert_null(scope_own("connect"));
	assert_null(scope_own("no_such_function"));
	assert_null(scope_before_us());
	assert_false(scope_is_before_us(abort));
}

static void test_copy(void **state)
{
	(void)state;
	assert_true(scope_is_copy("/usr/lib/libtlsshim.so"));
	assert_true(scope_is_copy("libtlsshim.so"));
	assert_false(scope_is_copy("/usr/lib/libtlsshim/libfoo.so"));
	assert_false(scope_is_copy(""));
}

/* Ours is the first object: nobody is before it, and who does not define the
 * name gets ours for libc's definition, of whatever version, and no other. */
static void test_goes_round(void **state)
{
	void *libc = dlopen("libc.so.6", RTLD_NOW), *old;

	(void)state;
	assert_true(scope_goes_round_us("read", dlsym(libc, "read"), NULL));
	assert_true(scope_goes_round_us(
		"read", dlsym(libc, "read"), (void *)(uintptr_t)test_own));
	/* libc itself defines it. */
	assert_false(scope_goes_round_us(
		"read", dlsym(libc, "read"), dlsym(libc, "write")));
	assert_false(scope_goes_round_us("read", dlsym(libc, "write"), NULL));
	assert_false(scope_goes_round_us("read", NULL, NULL));
	old = dlvsym(libc, "posix_spawn", "GLIBC_2.2.5");
	if (old)
		assert_true(scope_goes_round_us("posix_spawn", old, NULL));
	dlclose(libc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_libc),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_goes_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
