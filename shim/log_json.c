/* SPDX-License-Identifier: MIT */
/*
 * Events as JSON objects (RFC 8259), one a line.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "log.h"
#include "log_sink.h"
#include "log_text.h"

static void json_string(struct log_text *t, const char *s)
{
	static const char hex[] = "0123456789abcdef";

	log_text_bytes(t, "\"", 1);
	for (; *s; s++) {
		unsigned char u = (unsigned char)*s;

		if (u == '"' || u == '\\')
			log_text_bytes(t, (char[]){'\\', *s}, 2);
		else if (u < ' ' || u > '~')
			log_text_bytes(t,
				(char[]){'\\', 'u', '0', '0', hex[u >> 4],
					hex[u & 15]},
				6);
		else
			log_text_bytes(t, s, 1);
	}
	log_text_bytes(t, "\"", 1);
}

/* What does not fit is left out: the object stays whole. */
static void json_field(struct log_text *t, const struct log_field *f)
{
	unsigned before = t->len;

	log_text_add(t, ",");
	json_string(t, f->name);
	log_text_add(t, ":");
	if (f->text)
		json_string(t, f->text);
	else
		log_text_number(t, f->number);
	if (!t->cut)
		return;
	t->len = before;
	t->cut = false;
}

/* Two digits. */
static void json_two(struct log_text *t, long n)
{
	log_text_bytes(
		t, (char[]){(char)('0' + n / 10), (char)('0' + n % 10)}, 2);
}

/*
 * RFC 3339 in UTC.  gmtime() takes a lock, which a fork may have left held;
 * the days are counted in years that begin in March.
 */
static void json_time(struct log_text *t)
{
	struct timespec now;
	long days, era, doe, yoe, doy, mp, second;

	clock_gettime(CLOCK_REALTIME, &now);
	days = now.tv_sec / 86400 + 719468;
	second = now.tv_sec % 86400;
	era = days / 146097;
	doe = days % 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	log_text_add(t, "%ld-", yoe + era * 400 + (mp >= 10));
	json_two(t, mp < 10 ? mp + 3 : mp - 9);
	log_text_add(t, "-");
	json_two(t, doy - (153 * mp + 2) / 5 + 1);
	log_text_add(t, "T");
	json_two(t, second / 3600);
	log_text_add(t, ":");
	json_two(t, second / 60 % 60);
	log_text_add(t, ":");
	json_two(t, second % 60);
	log_text_add(t, ".");
	json_two(t, now.tv_nsec / 10000000);
	log_text_add(t, "%dZ", (int)(now.tv_nsec / 1000000 % 10));
}

void log_record(
	enum log_level level, const struct log_field *fields, unsigned n)
{
	static const char *const names[] = {"error", "info", "debug"};
	char buf[LOG_LINE_MAX];
	/* Room for the closing brace and the newline. */
	struct log_text t = {.buf = buf, .size = sizeof(buf) - 2};
	struct log_field program = {
		"program", program_invocation_short_name, 0};
	struct log_field severity = {"level", names[level], 0};
	int saved_errno = errno;

	if (!log_wants(level))
		return;
	log_text_add(&t, "{\"time\":\"");
	json_time(&t);
	log_text_add(&t, "\",\"pid\":%d", getpid());
	json_field(&t, &program);
	json_field(&t, &severity);
	for (unsigned i = 0; i < n; i++)
		json_field(&t, &fields[i]);
	t.size++;
	log_text_bytes(&t, "}", 1);
	log_sink_write(level, &t);
	errno = saved_errno;
}
