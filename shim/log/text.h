/* SPDX-License-Identifier: MIT */
/*
 * The text of a line while it is built, in memory of the caller's.  For the
 * files of log; others use log_format().
 */
#ifndef TLSSHIM_LOG_TEXT_H
#define TLSSHIM_LOG_TEXT_H

#include <stdarg.h>
#include <stdbool.h>

/* What does not fit is dropped whole and noted in `cut`; from then on nothing
 * is added.  There is no NUL at the end. */
struct log_text {
	char *buf;
	unsigned size, len;
	bool escape; /* bytes that are not printable ASCII become \xNN */
	bool cut;
};

/* As they are, or not at all. */
void log_text_bytes(struct log_text *t, const char *bytes, unsigned n);

void log_text_char(struct log_text *t, char c);
void log_text_number(struct log_text *t, long n);

/* The formats of log_line(). */
void log_text_add(struct log_text *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void log_text_vadd(struct log_text *t, const char *fmt, va_list *args);

/* The time of day as RFC 3339 has it, in UTC, with milliseconds. */
void log_text_time(struct log_text *t);

#endif
