/* SPDX-License-Identifier: MIT */
/*
 * Where the assembler thunks of the dl functions jump to.
 */
#ifndef TLSSHIM_HOOK_DL_H
#define TLSSHIM_HOOK_DL_H

#include <dlfcn.h>

/* Returned in two registers. */
struct hook_dl_answer {
	void *found; /* what the call returns; NULL: it is made, */
	void *next;  /* at the next definition */
};
struct hook_dl_answer hook_dlsym_answer(
	void *handle, const char *name, const void *caller);
struct hook_dl_answer hook_dlvsym_answer(void *handle, const char *name,
	const char *version, const void *caller);

/* The next definitions, once it is known that nothing is to be asked; NULL:
 * not yet, or never. */
extern void *hook_dlsym_idle, *hook_dlvsym_idle;

/* A function with dlmopen(3)'s arguments. */
void *hook_dlmopen_target(Lmid_t where, const char *file);

/* The next dlopen(3). */
void *hook_dlopen_target(void);

#endif
