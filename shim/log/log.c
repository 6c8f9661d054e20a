/* SPDX-License-Identifier: MIT */
/*
 * Lines: which are wanted, and what they look like.  Their text is built by
 * log/text.c, objects by log/json.c, and log/sink.c sends them.
 */
#include "log/log.h"

#include <errno.h>
#include <stdatomic.h>
#include "log/sink.h"
#include "log/text.h"

static _Atomic(enum log_level) log_level = LOG_LEVEL_ERROR;
static _Atomic(enum log_style) log_style = LOG_FORMAT_TEXT;

bool log_wants(enum log_level level)
{
	return level <=
		       atomic_load_explicit(&log_level, memory_order_relaxed) &&
	       !log_sink_is_none();
}

void log_set_style(enum log_style style)
{
	atomic_store(&log_style, style);
}

bool log_is_json(void)
{
	return atomic_load_explicit(&log_style, memory_order_relaxed) ==
	       LOG_FORMAT_JSON;
}

static void json_line(enum log_level level, const struct log_text *body)
{
	struct log_field message = {.name = "message", .text = body->buf};

	body->buf[body->len] = '\0';
	log_record(level, &message, 1);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	static const char cut[] = "...";
	char buf[LOG_LINE_MAX - 32]; /* room for prefix and newline */
	struct log_text body = {.buf = buf, .escape = true};
	int saved_errno = errno;
	va_list args;

	if (!log_wants(level))
		return;
	body.size = sizeof(buf) - sizeof(cut);
	va_start(args, fmt);
	log_text_vadd(&body, fmt, &args);
	va_end(args);
	if (log_is_json()) {
		json_line(level, &body);
		errno = saved_errno;
		return;
	}
	if (body.cut) {
		body.cut = false;
		body.size = sizeof(buf);
		log_text_bytes(&body, cut, sizeof(cut) - 1);
	}
	log_sink_write(level, &body);
	errno = saved_errno;
}

int log_setup(enum log_sink sink, const char *path, enum log_level level)
{
	int saved_errno = errno;
	int error = log_sink_open(sink, path);

	atomic_store(&log_level, level);
	errno = saved_errno;
	return error;
}
