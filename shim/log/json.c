/* SPDX-License-Identifier: MIT */
/*
 * Events as JSON objects (RFC 8259), one a line.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "log/log.h"
#include "log/sink.h"
#include "log/text.h"

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
	if (f->text && f->is_literal)
		log_text_add(t, "%s", f->text);
	else if (f->text)
		json_string(t, f->text);
	else
		log_text_number(t, f->number);
	if (!t->cut)
		return;
	t->len = before;
	t->cut = false;
}

void log_record(
	enum log_level level, const struct log_field *fields, unsigned n)
{
	static const char *const names[] = {"error", "info", "debug"};
	char buf[LOG_LINE_MAX];
	/* Room for the closing brace and the newline. */
	struct log_text t = {.buf = buf, .size = sizeof(buf) - 2};
	struct log_field program = {
		.name = "program", .text = program_invocation_short_name};
	struct log_field severity = {.name = "level", .text = names[level]};
	int saved_errno = errno;

	if (!log_wants(level))
		return;
	log_text_add(&t, "{\"time\":\"");
	log_text_time(&t);
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
