/* SPDX-License-Identifier: MIT */
/*
 * A formatter of its own, because printf may allocate and lock.  Pure, but for
 * the time of day.
 */
#include "log/text.h"

#include <string.h>
#include <time.h>
#include "log/log.h"

void log_text_bytes(struct log_text *t, const char *bytes, unsigned n)
{
	if (t->cut || n > t->size - t->len) {
		t->cut = true;
		return;
	}
	memcpy(t->buf + t->len, bytes, n);
	t->len += n;
}

void log_text_char(struct log_text *t, char c)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char u = (unsigned char)c;

	if (t->escape && (u < ' ' || u > '~'))
		log_text_bytes(
			t, (char[]){'\\', 'x', hex[u >> 4], hex[u & 15]}, 4);
	else
		log_text_bytes(t, &c, 1);
}

static void add_string(struct log_text *t, const char *s, int max)
{
	if (!s)
		s = "(null)";
	/* A string with a precision needs no NUL. */
	for (; max != 0 && *s; s++, max--)
		log_text_char(t, *s);
}

static void add_number(struct log_text *t, unsigned long n, unsigned base)
{
	char digits[20], *p = digits + sizeof(digits);

	do
		*--p = "0123456789abcdef"[n % base];
	while (n /= base);
	log_text_bytes(t, p, (unsigned)(digits + sizeof(digits) - p));
}

void log_text_number(struct log_text *t, long n)
{
	if (n < 0)
		log_text_bytes(t, "-", 1);
	add_number(t, n < 0 ? 0UL - (unsigned long)n : (unsigned long)n, 10);
}

/* One conversion; fmt stands behind the '%'.  Returns where to go on.  An
 * unknown one stands for itself: its argument's type cannot be known. */
static const char *add_conversion(
	struct log_text *t, const char *fmt, va_list *args)
{
	int max = -1;
	bool is_long = false; /* size_t is as wide as long on Linux */

	if (fmt[0] == '.' && fmt[1] == '*') {
		max = va_arg(*args, int);
		fmt += 2;
	}
	if (*fmt == 'l' || *fmt == 'z') {
		is_long = true;
		fmt++;
	}
	switch (*fmt) {
	case 's':
		add_string(t, va_arg(*args, const char *), max);
		break;
	case 'd':
		log_text_number(
			t, is_long ? va_arg(*args, long) : va_arg(*args, int));
		break;
	case 'u':
	case 'x':
		add_number(t,
			is_long ? va_arg(*args, unsigned long)
				: va_arg(*args, unsigned),
			*fmt == 'x' ? 16 : 10);
		break;
	case 'c':
		log_text_char(t, (char)va_arg(*args, int));
		break;
	case '%':
		log_text_char(t, '%');
		break;
	default:
		log_text_char(t, '%');
		return fmt;
	}
	return fmt + 1;
}

void log_text_vadd(struct log_text *t, const char *fmt, va_list *args)
{
	while (*fmt) {
		if (*fmt == '%')
			fmt = add_conversion(t, fmt + 1, args);
		else
			log_text_char(t, *fmt++);
	}
}

void log_text_add(struct log_text *t, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_text_vadd(t, fmt, &args);
	va_end(args);
}

/* Two digits. */
static void add_two(struct log_text *t, long n)
{
	log_text_bytes(
		t, (char[]){(char)('0' + n / 10), (char)('0' + n % 10)}, 2);
}

/*
 * gmtime() takes a lock, which a fork may have left held;
 * the days are counted in years that begin in March.
 */
void log_text_time(struct log_text *t)
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
	add_two(t, mp < 10 ? mp + 3 : mp - 9);
	log_text_add(t, "-");
	add_two(t, doy - (153 * mp + 2) / 5 + 1);
	log_text_add(t, "T");
	add_two(t, second / 3600);
	log_text_add(t, ":");
	add_two(t, second / 60 % 60);
	log_text_add(t, ":");
	add_two(t, second % 60);
	log_text_add(t, ".");
	add_two(t, now.tv_nsec / 10000000);
	log_text_add(t, "%dZ", (int)(now.tv_nsec / 1000000 % 10));
}

int log_format(char *buf, unsigned size, const char *fmt, ...)
{
	struct log_text t = {.buf = buf, .size = size - 1};
	va_list args;

	if (!size)
		return 0;
	va_start(args, fmt);
	log_text_vadd(&t, fmt, &args);
	va_end(args);
	buf[t.len] = '\0';
	return (int)t.len;
}
