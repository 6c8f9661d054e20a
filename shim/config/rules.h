/* SPDX-License-Identifier: MIT */
/*
 * The file of TLSSHIM_CONFIG: an INI file of rules by destination.
 *
 *	# a comment is a line of its own
 *	[default]
 *	ca-file = /etc/corp/ca.pem
 *	[db.example.com:5432]
 *	cert = /etc/app/db.pem
 *	[[2001:db8::]/32:8000-8010]
 *	plaintext = allow
 *
 * A parser of our own rather than libinih: that ends a section's name at the
 * first ']', reads a line of more than 200 bytes as two, and takes what stands
 * behind a ';' out of a value.
 */
#ifndef TLSSHIM_RULES_H
#define TLSSHIM_RULES_H

#include "config/value.h"

/* A file, read whole. */
struct rules_file {
	const char *path; /* for errors */
	const char *text; /* no NUL at the end */
	size_t len;
};

/* Room that rules_parse_sections() needs at most. */
size_t rules_storage(const struct rules_file *file);

/* Sets what [default] has, in p->config and its base. */
void rules_parse_default(
	struct config_parser *p, const struct rules_file *file);

/* Makes the sections out of the base, as it is now, and of what they have
 * themselves.  Notes the first error: "PATH:LINE: ...". */
void rules_parse_sections(
	struct config_parser *p, const struct rules_file *file);

#endif
