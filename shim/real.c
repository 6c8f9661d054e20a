/* SPDX-License-Identifier: MIT */
/*
 * Finds the next definition of each interposed call.  Knows dlsym and nothing
 * else; the only file that may.
 */
#include "real.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

struct real_calls real_calls;

static const char *const call_names[] = {
#define CALL(name) #name,
#define ALIAS(name, target)
#include "calls.def"
#undef CALL
#undef ALIAS
};

static long no_such_call(void)
{
	errno = ENOSYS;
	return -1;
}

void *real_find(size_t offset)
{
	int saved_errno = errno;
	void **place = (void **)((char *)&real_calls + offset);
	void *found = dlsym(RTLD_NEXT, call_names[offset / sizeof(void *)]);

	if (!found)
		found = (void *)no_such_call;
	__atomic_store_n(place, found, __ATOMIC_RELAXED);
	errno = saved_errno;
	return found;
}

void *real_symbol(void *handle, const char *name)
{
	return dlsym(handle, name);
}

void real_find_all(void)
{
	static atomic_bool found;

	if (atomic_load(&found))
		return;
	for (size_t i = 0; i < sizeof(real_calls); i += sizeof(void *))
		real_find(i);
	atomic_store(&found, true);
}

void *real_of_libgcc(const char *name)
{
	void *libgcc = real(dlopen)("libgcc_s.so.1", RTLD_NOW);

	return libgcc ? dlsym(libgcc, name) : NULL;
}
