/* SPDX-License-Identifier: MIT */
/*
 * Finds the next definition of each interposed call.  Knows the C library's own
 * dlsym, since that name is a hook of ours, and what it works on; the only file
 * that may.
 */
#include "base/real.h"

#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include "base/idle.h"
#include "base/scope.h"

struct real_calls real_calls IDLE_DATA;

/* In the order of their pointers.  One text: a pointer to each would be a
 * relocation at the start of every process. */
static const char call_names[] =
#define CALL(name) #name "\0"
#define ALIAS(name, target)
#include "base/calls.def"
#undef CALL
#undef ALIAS
	;

static long no_such_call(void)
{
	errno = ENOSYS;
	return -1;
}

static void *no_such_symbol(void *handle, const char *name)
{
	(void)handle;
	(void)name;
	return NULL;
}

typedef void *(*look_up)(void *handle, const char *name);

/* The C library's dlsym(3).  For RTLD_NEXT it is to be called by code of this
 * library. */
static look_up libc_dlsym(void)
{
	static void *known IDLE_DATA;
	void *found = __atomic_load_n(&known, __ATOMIC_RELAXED);

	if (found)
		return (look_up)found;
	found = scope_of_libc("dlsym");
	if (!found)
		found = (void *)no_such_symbol;
	__atomic_store_n(&known, found, __ATOMIC_RELAXED);
	return (look_up)found;
}

void *real_find(void *place, const char *name)
{
	int saved_errno = errno;
	void *found = libc_dlsym()(RTLD_NEXT, name);

	if (!found)
		found = (void *)no_such_call;
	__atomic_store_n((void **)place, found, __ATOMIC_RELAXED);
	errno = saved_errno;
	return found;
}

void *real_symbol(void *handle, const char *name)
{
	return libc_dlsym()(handle, name);
}

/* What this library's dynamic section says of its own calls of others. */
struct bindings {
	const ElfW(Rela) * calls;
	size_t n;
	const ElfW(Sym) * symbols;
	const char *names;
};

static struct bindings read_bindings(const struct link_map *self)
{
	struct bindings b = {.n = 0};

	for (const ElfW(Dyn) *d = self->l_ld; d->d_tag != DT_NULL; d++)
		switch (d->d_tag) {
		case DT_JMPREL:
			b.calls = (const ElfW(Rela) *)d->d_un.d_ptr;
			break;
		case DT_PLTRELSZ:
			b.n = d->d_un.d_val / sizeof(*b.calls);
			break;
		case DT_SYMTAB:
			b.symbols = (const ElfW(Sym) *)d->d_un.d_ptr;
			break;
		case DT_STRTAB:
			b.names = (const char *)d->d_un.d_ptr;
			break;
		}
	return b;
}

/* Does what the dynamic linker would do at the first use of each. */
static void bind_own_calls(void)
{
	struct link_map *self;
	struct bindings b;
	Dl_info info;

	if (!dladdr1(&real_calls, &info, (void **)&self, RTLD_DL_LINKMAP))
		return;
	b = read_bindings(self);
	if (!b.calls || !b.symbols || !b.names)
		return;
	for (size_t i = 0; i < b.n; i++) {
		const ElfW(Rela) *call = &b.calls[i];
		const ElfW(Sym) *symbol = &b.symbols[ELF64_R_SYM(call->r_info)];
		void **slot = (void **)(self->l_addr + call->r_offset);
		void *found =
			libc_dlsym()(RTLD_DEFAULT, b.names + symbol->st_name);

		if (found && *slot != found)
			__atomic_store_n(slot, found, __ATOMIC_RELAXED);
	}
}

void real_find_all(void)
{
	static atomic_bool found;
	void **place = (void **)&real_calls;

	if (atomic_load(&found))
		return;
	for (const char *name = call_names; *name; name += strlen(name) + 1)
		real_find(place++, name);
	bind_own_calls();
	atomic_store(&found, true);
}

void *real_of_libgcc(const char *name)
{
	void *libgcc = real(dlopen)("libgcc_s.so.1", RTLD_NOW);

	return libgcc ? libc_dlsym()(libgcc, name) : NULL;
}
