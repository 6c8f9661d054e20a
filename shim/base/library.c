/* SPDX-License-Identifier: MIT */
/*
 * This library as the dynamic linker knows it.
 */
#include "base/library.h"

#include <link.h>

/* The linker's: where this library begins. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));

static int note_own_path(struct dl_phdr_info *object, size_t size, void *path)
{
	(void)size;
	if (object->dlpi_addr != (uintptr_t)__ehdr_start)
		return 0;
	*(const char **)path = object->dlpi_name;
	return 1;
}

/* dladdr() would search all symbols of the library for it, in every
 * process. */
const char *library_path(void)
{
	const char *path = "";

	dl_iterate_phdr(note_own_path, &path);
	return path;
}

const void *library_header(void)
{
	return __ehdr_start;
}
