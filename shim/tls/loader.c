/* SPDX-License-Identifier: MIT */
/*
 * Finds and opens the engine, engine.so in the directory tlsshim/ beside this
 * library.  Knows paths and dlopen; of TLS nothing.
 */
#include "tls/loader.h"

#include <errno.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include "base/library.h"
#include "base/real.h"
#include "base/scope.h"
#include "config/config.h"
#include "log/log.h"

#define SONAME "libtlsshim.so"
#define ENGINE_FILE "tlsshim/engine.so"

/* RTLD_DEEPBIND: what the engine calls is libc's and its own, never ours or
 * the program's.  The sanitizers' runtimes end a program that asks for it: that
 * of the program does not hear of the engine, our own gets it without. */
#ifdef TLSSHIM_SANITIZED
#define ENGINE_FLAGS (RTLD_NOW | RTLD_LOCAL)
#define engine_dlopen real(dlopen)
#else
#define ENGINE_FLAGS (RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND)
#define engine_dlopen ((__typeof__(dlopen) *)scope_of_libc("dlopen"))
#endif

/* No signal handler meets it: see engine_lock.h. */
static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;
static const struct tls_engine *loaded;

/* Empty: not looked for, or not found. */
static char engine_file[PATH_MAX];

/* Where the engine lies: beside this library. */
static void find_engine(void)
{
	const char *path = *engine_file ? "" : library_path();
	const char *slash = strrchr(path, '/');
	size_t n = 0; /* of the working directory */

	if (*path && *path != '/' && getcwd(engine_file, sizeof(engine_file)))
		n = strlen(engine_file);
	if (!*path || (!n && *path != '/'))
		return;
	if (n + strlen(path) + sizeof("/" ENGINE_FILE) > sizeof(engine_file)) {
		*engine_file = '\0';
		return;
	}
	log_format(engine_file + n, (unsigned)(sizeof(engine_file) - n),
		"%s%.*s" ENGINE_FILE, n ? "/" : "",
		slash ? (int)(slash - path) + 1 : 0, path);
}

/* A relative path means something else once the program has changed its
 * working directory. */
__attribute__((constructor)) static void find_engine_early(void)
{
	if (!config_is_selective() || *library_path() == '/')
		return;
	pthread_mutex_lock(&load_lock);
	find_engine();
	pthread_mutex_unlock(&load_lock);
}

/* The object's DT_SONAME, or "". */
static const char *soname_of(const struct dl_phdr_info *object)
{
	const ElfW(Dyn) *d = NULL;
	uintptr_t strings = 0, offset = 0;

	for (unsigned i = 0; i < object->dlpi_phnum && !d; i++)
		if (object->dlpi_phdr[i].p_type == PT_DYNAMIC)
			d = (const void *)(object->dlpi_addr +
					   object->dlpi_phdr[i].p_vaddr);
	for (; d && d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_STRTAB)
			strings = d->d_un.d_ptr;
		if (d->d_tag == DT_SONAME)
			offset = d->d_un.d_val;
	}
	/* The kernel's own object is not relocated. */
	if (strings < object->dlpi_addr)
		strings += object->dlpi_addr;
	return offset ? (const char *)strings + offset : "";
}

static int note_twin(struct dl_phdr_info *object, size_t size, void *path)
{
	(void)size;
	if (object->dlpi_addr == (uintptr_t)library_header() ||
		strcmp(soname_of(object), SONAME) != 0)
		return 0;
	*(const char **)path = object->dlpi_name;
	return 1;
}

/* Two copies of this library would each put TLS around the other's. */
static bool has_twin(struct tls_failure *why)
{
	const char *twin = NULL;

	dl_iterate_phdr(note_twin, &twin);
	if (twin)
		log_format(why->text, sizeof(why->text),
			"two copies of " SONAME
			" are loaded, %s and %s: name one of them in "
			"LD_PRELOAD",
			library_path(), twin);
	return twin != NULL;
}

static const struct tls_engine *open_engine(struct tls_failure *why)
{
	const struct tls_engine *tls;
	void *handle;

	why->kind = TLS_FAIL_SETUP;
	if (has_twin(why))
		return NULL;
	find_engine();
	if (!*engine_file) {
		log_format(why->text, sizeof(why->text),
			"cannot tell where libtlsshim.so lies, and so cannot "
			"find " ENGINE_FILE);
		return NULL;
	}
	handle = engine_dlopen(engine_file, ENGINE_FLAGS);
	if (!handle) {
		log_format(why->text, sizeof(why->text),
			"cannot load the TLS engine: %s (reinstall tlsshim: "
			"the engine belongs beside libtlsshim.so)",
			dlerror());
		return NULL;
	}
	tls = real_symbol(handle, TLS_ENGINE_SYMBOL);
	if (!tls || tls->abi != TLS_ENGINE_ABI) {
		log_format(why->text, sizeof(why->text),
			"the TLS engine %s is not of this version of "
			"libtlsshim.so (reinstall tlsshim)",
			engine_file);
		return NULL;
	}
	return tls;
}

const struct tls_engine *tls_loaded(void)
{
	return __atomic_load_n(&loaded, __ATOMIC_ACQUIRE);
}

const struct tls_engine *tls_load(struct tls_failure *why)
{
	const struct tls_engine *tls = tls_loaded();

	if (tls)
		return tls;
	pthread_mutex_lock(&load_lock);
	tls = loaded ? loaded : open_engine(why);
	__atomic_store_n(&loaded, tls, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&load_lock);
	return tls;
}
