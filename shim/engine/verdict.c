/* SPDX-License-Identifier: MIT */
/*
 * How long a verification holds.
 */
#include "engine/verdict.h"

#include <limits.h>

#define DAY (24 * 3600)

time_t verdict_boot_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec;
}

void verdict_begin(struct verdict *v)
{
	v->since = time(NULL);
	v->since_boot = verdict_boot_time();
	v->until = LONG_MAX;
}

void verdict_end(struct verdict *v)
{
	v->until = 0;
}

void verdict_limit(struct verdict *v, const ASN1_TIME *end, long seconds)
{
	time_t now = time(NULL), until;
	int days, rest;

	if (!end || !ASN1_TIME_diff(&days, &rest, NULL, end)) {
		verdict_end(v);
		return;
	}
	until = now + (time_t)days * DAY + rest + seconds;
	if (until < v->until)
		v->until = until;
}

void verdict_limit_chain(struct verdict *v, const STACK_OF(X509) * chain)
{
	for (int i = 0; i < sk_X509_num(chain); i++)
		verdict_limit(
			v, X509_get0_notAfter(sk_X509_value(chain, i)), 0);
}

bool verdict_holds(const struct verdict *v, unsigned max_seconds)
{
	time_t now = time(NULL);

	return now >= v->since && now < v->until &&
	       now - v->since < (time_t)max_seconds &&
	       verdict_boot_time() - v->since_boot < (time_t)max_seconds;
}
