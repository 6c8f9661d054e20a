/* SPDX-License-Identifier: MIT */
/*
 * Values of settings: keeping copies of strings and paths, noting the first
 * error, ports, times, choosing between words.  For config.c and its parts
 * alone.
 */
#ifndef TLSSHIM_VALUE_H
#define TLSSHIM_VALUE_H

#include "config/config.h"

/* Of a value, so much is quoted in an error. */
#define VALUE_QUOTE_MAX 64

struct config_parser {
	struct config *config;
	struct config_dest *dest; /* where settings of a destination go */
	/* What errors begin with: a variable's name, or "FILE:LINE". */
	char where[160];
	bool in_file;
	const char
		*absolute; /* a relative path was made this by value_path() */
	char *storage;	   /* what is left of it */
	size_t room;
};

/* Notes an error of the value (or of the first n bytes of it) unless there is
 * one already. */
void value_reject(
	struct config_parser *p, const char *value, const char *problem);
void value_reject_part(struct config_parser *p, const char *value, size_t n,
	const char *problem);

/* A copy in the storage, or NULL with an error noted. */
const char *value_copy(struct config_parser *p, const char *value);
const char *value_copy_part(
	struct config_parser *p, const char *value, size_t n);

/* Aligned room in the storage, not zeroed; NULL, and an error of `value`. */
void *value_room(struct config_parser *p, size_t size, const char *value);

/* A port at the start of s, 1 to 65535.  Returns what follows, or NULL. */
const char *value_port(const char *s, uint16_t *port);

/* Sets *chosen to a time in seconds, 0.001 to 3600, as milliseconds. */
void value_time(struct config_parser *p, const char *value, unsigned *chosen);

/* A copy of a path, made absolute with the working directory; one from a
 * file must be absolute, for whoever wrote it knew no such directory. */
const char *value_path(struct config_parser *p, const char *value);

/* The word in place: a pointer would be a relocation at every start. */
struct value_word {
	char word[20];
	unsigned value;
};

/* Sets *chosen to what the word means; false, and an error noted: none does.
 * expected says what the words are. */
bool value_choose(struct config_parser *p, const char *value,
	const struct value_word *words, unsigned n, unsigned *chosen,
	const char *expected);

#endif
