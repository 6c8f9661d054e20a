/* SPDX-License-Identifier: MIT */
/*
 * Text of bounded length.  Formats with OpenSSL's BIO_vsnprintf(), which
 * neither allocates nor asks for a locale.
 */
#include "engine/text.h"

#include <openssl/bio.h>
#include <stdarg.h>
#include <string.h>

struct text text_in(char *buf, size_t size)
{
	buf[0] = '\0';
	return (struct text){buf, size, 0};
}

void text_add(struct text *t, const char *fmt, ...)
{
	va_list ap;

	if (t->size - t->len < 2)
		return;
	va_start(ap, fmt);
	BIO_vsnprintf(t->buf + t->len, t->size - t->len, fmt, ap);
	va_end(ap);
	t->len += strlen(t->buf + t->len);
}

static void add_escaped_byte(struct text *t, unsigned char c)
{
	static const char named[] = "\rr\nn\tt\"\"\\\\";
	const char *p;

	for (p = named; *p; p += 2) {
		if (*p == (char)c) {
			text_add(t, "\\%c", p[1]);
			return;
		}
	}
	text_add(t, c < 0x20 || c > 0x7e ? "\\x%02x" : "%c", c);
}

void text_add_escaped(struct text *t, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	size_t i;

	for (i = 0; i < len; i++)
		add_escaped_byte(t, p[i]);
}
