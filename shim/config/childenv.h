/* SPDX-License-Identifier: MIT */
/*
 * The environment of a program that this one starts, where its author or an
 * administrator has cleaned it: is the library still in LD_PRELOAD, first of
 * all, and are the settings still there?  Pure: entries in, entries out; where
 * they come from, and what becomes of them, it does not know.
 *
 *	LD_PRELOAD	TLSSHIM_	then
 *	none, or blank	none		both are given
 *	none, or blank	some		somebody's decision: left so
 *	any		none		the settings are given
 *	any		some		they stay: a partial set is never merged
 *
 * In any LD_PRELOAD the library is put before everything but the runtimes of
 * sanitizers, which insist on being first.
 */
#ifndef TLSSHIM_CHILDENV_H
#define TLSSHIM_CHILDENV_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Which connections are inherited (peers.h), and a mark of settings that were
 * given: no settings. */
#define CHILDENV_PEERS "TLSSHIM_INHERITED"
#define CHILDENV_GIVEN "TLSSHIM_GIVEN_BACK"

/* What is given; made once (inherit.h). */
struct childenv_own {
	/* "LD_PRELOAD=/absolute/libtlsshim.so"; NULL: children have the library
	 * without it. */
	const char *preload;
	/* As it stood in LD_PRELOAD itself, or NULL. */
	const char *as_found;
	const char *const *settings; /* entries, with the mark */
	size_t n_settings;
};

struct childenv_plan {
	const struct childenv_own *own;
	char *const *envp;
	bool gives_settings;
	bool sets_preload;
	/* By a decision: the child has settings and not the library. */
	bool is_left_out;
	const char *list;   /* of libraries in LD_PRELOAD, or NULL */
	size_t entries;	    /* room for pointers, with the NULL */
	size_t preload_len; /* room for LD_PRELOAD's text, with the NUL */
};

/* Is it an entry of this name? */
static inline bool childenv_is(const char *entry, const char *name)
{
	size_t n = strlen(name);

	return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

/* Two letters first: most environments have nothing that begins so, and then
 * no function of libc's must be bound at every start. */
static inline bool childenv_is_setting(const char *entry)
{
	return entry[0] == 'T' && entry[1] == 'L' &&
	       !strncmp(entry, "TLSSHIM_", 8) && strchr(entry, '=') &&
	       !childenv_is(entry, CHILDENV_PEERS) &&
	       !childenv_is(entry, CHILDENV_GIVEN);
}

/* Is there anything but separators in LD_PRELOAD's value? */
bool childenv_has_library(const char *list);

/* Does this library stand in it, by this path or under this file's name? */
bool childenv_names(const char *list, const char *path);

/* What is to be done with envp, which may be NULL. */
void childenv_plan(struct childenv_plan *plan, const struct childenv_own *own,
	char *const envp[]);

/*
 * Does it.  to[] has plan->entries places and one for extra, an entry of
 * CHILDENV_PEERS that replaces any such (NULL: none); text has
 * plan->preload_len bytes.  What the environment has got since, and has no room
 * here, is left out.
 */
void childenv_make(
	const struct childenv_plan *plan, char **to, char *text, char *extra);

#endif
