/* SPDX-License-Identifier: MIT */
/*
 * The destination of a section in the file of TLSSHIM_CONFIG: hosts and ports.
 * How it is written, whom it is for, and which of two is the more specific.
 */
#ifndef TLSSHIM_SECTION_H
#define TLSSHIM_SECTION_H

#include "config/value.h"
#include "names/names.h"

/* From "[HOST:PORTS]", the n bytes at s.  Returns NULL or what is wrong. */
const char *section_parse(struct config_parser *p, const char *s, size_t n,
	struct config_section *section);

/* name NULL: none is known. */
bool section_is_for(const struct config_section *s, const char *name,
	const struct names_address *address, uint16_t port);
bool section_has_port(const struct config_section *s, uint16_t port);

/* Are they for the same hosts and ports? */
bool section_is_same(
	const struct config_section *a, const struct config_section *b);

/* Is the first one the more specific one?  Hosts count first: a name, then
 * *.suffix, then an address or a network, then *; a longer suffix or prefix,
 * then fewer ports.  What is equal in all is in the order of the file. */
bool section_is_before(
	const struct config_section *a, const struct config_section *b);

/* Does no connection ever come to it, because others of the same host take
 * all its ports? */
bool section_is_unreachable(
	const struct config *config, const struct config_section *s);

#endif
