/* SPDX-License-Identifier: MIT */
/*
 * Names that libc translates for the program (AI_IDN).  Knows libidn2, which
 * libc has loaded for it.
 */
#include "names/names.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/real.h"

/* idn2.h, whose package need not be there. */
typedef int lookup_in_locale(const char *name, char **ascii, int flags);

static bool is_ascii(const char *node)
{
	for (; *node; node++)
		if ((unsigned char)*node >= 0x80)
			return false;
	return true;
}

/* The function that libc's getaddrinfo() calls, or NULL. */
static lookup_in_locale *find_lookup(void)
{
	static lookup_in_locale *_Atomic lookup;
	void *library;

	if (lookup)
		return lookup;
	library = real(dlopen)("libidn2.so.0", RTLD_LAZY | RTLD_NOLOAD);
	if (library)
		lookup = (lookup_in_locale *)real_symbol(
			library, "idn2_lookup_ul");
	return lookup;
}

const char *names_ascii(const char *node, char ascii[NAMES_NAME_MAX])
{
	lookup_in_locale *lookup;
	int saved_errno = errno;
	char *text = NULL;

	if (!node || is_ascii(node))
		return node;
	lookup = find_lookup();
	if (lookup && lookup(node, &text, 0) == 0 &&
		strlen(text) < NAMES_NAME_MAX) {
		memcpy(ascii, text, strlen(text) + 1);
		node = ascii;
	}
	free(text);
	errno = saved_errno;
	return node;
}
