/* SPDX-License-Identifier: MIT */
/*
 * Values of settings: keeping copies of strings and paths, noting the first
 * error, choosing between words.  For config.c and its parts alone.
 */
#ifndef TLSSHIM_VALUE_H
#define TLSSHIM_VALUE_H

#include "config.h"

/* Of a value, so much is quoted in an error. */
#define VALUE_QUOTE_MAX 64

struct config_parser {
	struct config *config;
	struct config_dest *dest; /* where settings of a destination go */
	const struct config_setting *setting; /* the one being parsed */
	char *storage;			      /* what is left of it */
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

/* The same of a path, made absolute with the working directory. */
const char *value_path(struct config_parser *p, const char *value);

struct value_word {
	const char *word;
	unsigned value;
};

/* Sets *chosen to what the word means; false, and an error noted: none does.
 * expected says what the words are. */
bool value_choose(struct config_parser *p, const char *value,
	const struct value_word *words, unsigned n, unsigned *chosen,
	const char *expected);

#endif
