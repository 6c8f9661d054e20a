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
#include "libc_extra.h"

struct real_calls {
#define CALL(name) __typeof__(name) *name;
#define ALIAS(name, target)
#include "calls.def"
#undef CALL
#undef ALIAS
};

extern struct real_calls real_calls;

/* Finds the call whose pointer stands at this offset and remembers it.  A
 * name that the C library lacks gives a function that fails with ENOSYS.
 * Never NULL; errno is left as found. */
void *real_find(size_t offset);

/* dlsym(3) in one library, for whoever opened it. */
void *real_symbol(void *handle, const char *name);

/* Finds them all, once: for a relay, which must not look any up. */
void real_find_all(void);

#define real(name)                                                             \
	({                                                                     \
		__typeof__(name) *p_ =                                         \
			__atomic_load_n(&real_calls.name, __ATOMIC_RELAXED);   \
		__builtin_expect(p_ != NULL, 1)                                \
			? p_                                                   \
			: (__typeof__(name) *)real_find(                       \
				  offsetof(struct real_calls, name));          \
	})

/* A function of the libgcc_s that pthread_cancel() uses, or NULL. */
void *real_of_libgcc(const char *name);

#endif
