/* SPDX-License-Identifier: MIT */
/* The engine's own gmtime_r(), qsort() and strerror_r() against the C
 * library's, which stand behind them. */
#include "unit.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void same_date(time_t t)
{
	static struct tm *(*libc)(const time_t *, struct tm *);
	struct tm ours, theirs;

	if (!libc)
		*(void **)&libc = dlsym(RTLD_NEXT, "gmtime_r");
	assert_true(libc && libc != gmtime_r);
	assert_non_null(gmtime_r(&t, &ours));
	assert_non_null(libc(&t, &theirs));
	assert_int_equal(ours.tm_year, theirs.tm_year);
	assert_int_equal(ours.tm_mon, theirs.tm_mon);
	assert_int_equal(ours.tm_mday, theirs.tm_mday);
	assert_int_equal(ours.tm_hour, theirs.tm_hour);
	assert_int_equal(ours.tm_min, theirs.tm_min);
	assert_int_equal(ours.tm_sec, theirs.tm_sec);
	assert_int_equal(ours.tm_wday, theirs.tm_wday);
	assert_int_equal(ours.tm_yday, theirs.tm_yday);
}

static void dates(void **state)
{
	const time_t day = 86400, end = 253402300799; /* of the year 9999 */
	struct tm tm;
	time_t far;

	(void)state;
	/* Every day of 1900 to 2400, and a second on either side. */
	for (time_t t = -25567 * day; t < 157054 * day; t += day) {
		same_date(t);
		same_date(t - 1);
		same_date(t + 45296);
	}
	/* X.509's years: 0 to 9999. */
	for (time_t t = -62167219200; t <= end; t += 400000)
		same_date(t);
	same_date(end);
	far = (time_t)1 << 62;
	assert_null(gmtime_r(&far, &tm));
	far = -far;
	assert_null(gmtime_r(&far, &tm));
}

struct item {
	int key, place;
};

static int by_key(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	return (x->key > y->key) - (x->key < y->key);
}

static void sorting(void **state)
{
	static struct item items[1000];

	(void)state;
	srand(1);
	for (int n = 0; n <= 1000; n = n < 20 ? n + 1 : n + 140) {
		for (int i = 0; i < n; i++)
			items[i] = (struct item){rand() % (n / 2 + 1), i};
		qsort(items, (size_t)n, sizeof(*items), by_key);
		for (int i = 1; i < n; i++) {
			assert_true(items[i - 1].key <= items[i].key);
			/* What is equal keeps its order. */
			if (items[i - 1].key == items[i].key)
				assert_true(
					items[i - 1].place < items[i].place);
		}
	}
}

int __xpg_strerror_r(int error, char *buf, size_t size);

static void errors(void **state)
{
	char text[64], small[4] = "xxx";

	(void)state;
	assert_int_equal(__xpg_strerror_r(ENOENT, text, sizeof(text)), 0);
	assert_string_equal(text, "No such file or directory");
	__xpg_strerror_r(ENOENT, small, sizeof(small));
	assert_string_equal(small, "No ");
	assert_int_equal(__xpg_strerror_r(4000, text, sizeof(text)), EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates),
		cmocka_unit_test(sorting),
		cmocka_unit_test(errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
