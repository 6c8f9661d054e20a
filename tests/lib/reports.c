/* SPDX-License-Identifier: MIT */
/*
 * For runs under AddressSanitizer and UBSan: says where UBSan's reports go,
 * $SANITIZER_LOG.PID.  Both runtimes have a function by this name, the linker
 * gives both the first one's, and UBSan's would go to stderr, which a program
 * may hide and a relay has not.
 */
#include <dlfcn.h>
#include <stdlib.h>

__attribute__((constructor)) static void tell_ubsan(void)
{
	const char *path = getenv("SANITIZER_LOG");
	void *ubsan = dlopen("libubsan.so.1", RTLD_LAZY | RTLD_NOLOAD);
	void (*set_path)(const char *) = NULL;

	if (ubsan)
		set_path = (void (*)(const char *))dlsym(
			ubsan, "__sanitizer_set_report_path");
	if (path && set_path)
		set_path(path);
}
