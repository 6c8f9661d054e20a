/* SPDX-License-Identifier: MIT */
/*
 * The next definition of each interposed call: real(recv)(fd, buf, len, 0) is
 * libc's recv, or that of another preloaded library behind ours.  Found with
 * dlsym(RTLD_NEXT) when first asked for, because hooks run before our
 * constructor when another library's constructor does I/O; a process that
 * selects no port looks up only what it calls.
 *
 * No other file may call a name of calls.def bare: it would run our own hook.
 */
#ifndef TLSSHIM_REAL_H
#define TLSSHIM_REAL_H

#include <stddef.h>
#include "base/libc_extra.h"

struct real_calls {
#define CALL(name) __typeof__(name) *name;
#define ALIAS(name, target)
#include "base/calls.def"
#undef CALL
#undef ALIAS
};

extern struct real_calls real_calls;

/* Finds the call of this name and remembers it in its place in real_calls.
 * A name that the C library lacks gives a function that fails with ENOSYS.
 * Never NULL; errno is left as found. */
void *real_find(void *place, const char *name);

/* dlsym(3) in one library, for whoever opened it. */
void *real_symbol(void *handle, const char *name);

/* Finds them all, and binds what this library calls of others, once: for a
 * relay, which may have lost the dynamic linker's data. */
void real_find_all(void);

#define real(name)                                                             \
	({                                                                     \
		__typeof__(name) *p_ =                                         \
			__atomic_load_n(&real_calls.name, __ATOMIC_RELAXED);   \
		__builtin_expect(p_ != NULL, 1)                                \
			? p_                                                   \
			: (__typeof__(name) *)real_find(                       \
				  &real_calls.name, #name);                    \
	})

/* A function of the libgcc_s that pthread_cancel() uses, or NULL. */
void *real_of_libgcc(const char *name);

#endif
