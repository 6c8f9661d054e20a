/* SPDX-License-Identifier: MIT */
/*
 * Finds and opens the engine, engine.so in the directory tlsshim/ beside this
 * library.  Knows paths and dlopen; of TLS nothing.
 */
#include "tls.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include "log.h"
#include "real.h"

#define ENGINE_FILE "tlsshim/engine.so"

/* RTLD_DEEPBIND: what the engine calls is libc's and its own, never ours or
 * the program's.  The sanitizers' runtimes refuse it. */
#ifdef TLSSHIM_SANITIZED
#define ENGINE_FLAGS (RTLD_NOW | RTLD_LOCAL)
#else
#define ENGINE_FLAGS (RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND)
#endif

static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;
static const struct tls_engine *loaded;

static bool engine_path(char *path, size_t size)
{
	Dl_info self;
	const char *slash;
	size_t dir;

	if (!dladdr((void *)&load_lock, &self) || !self.dli_fname)
		return false;
	slash = strrchr(self.dli_fname, '/');
	dir = slash ? (size_t)(slash - self.dli_fname) + 1 : 0;
	if (dir + sizeof(ENGINE_FILE) > size)
		return false;
	memcpy(path, self.dli_fname, dir);
	memcpy(path + dir, ENGINE_FILE, sizeof(ENGINE_FILE));
	return true;
}

static const struct tls_engine *open_engine(struct tls_failure *why)
{
	char path[4096];
	const struct tls_engine *tls;
	void *handle;

	why->kind = TLS_FAIL_SETUP;
	if (!engine_path(path, sizeof(path))) {
		log_format(why->text, sizeof(why->text),
			"cannot tell where libtlsshim.so lies, and so cannot "
			"find " ENGINE_FILE);
		return NULL;
	}
	handle = real(dlopen)(path, ENGINE_FLAGS);
	if (!handle) {
		log_format(why->text, sizeof(why->text),
			"cannot load the TLS engine: %s (reinstall tlsshim: "
			"the engine belongs beside libtlsshim.so)",
			dlerror());
		return NULL;
	}
	tls = dlsym(handle, TLS_ENGINE_SYMBOL);
	if (!tls || tls->abi != TLS_ENGINE_ABI) {
		log_format(why->text, sizeof(why->text),
			"the TLS engine %s is not of this version of "
			"libtlsshim.so (reinstall tlsshim)",
			path);
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
