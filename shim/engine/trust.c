/* SPDX-License-Identifier: MIT */
/*
 * Trust anchors.  Where they come from:
 *
 *   ca_file, ca_dir        from these alone; what cannot be read is an error
 *   neither                from the system's, as OpenSSL would: SSL_CERT_DIR
 *                          or the default directory if it has hashed names,
 *                          else SSL_CERT_FILE or the default file; when
 *                          SSL_CERT_FILE is set, from that file in any case
 *
 * OpenSSL itself always reads the default file, and that is the bundle of all
 * CAs: 20 ms for what the directory of hashed names gives for nothing.  Where
 * that exists it holds the same certificates (update-ca-certificates(8)).
 *
 * The directories are looked up by a method of our own rather than OpenSSL's
 * by_dir.c: it reads regular files only, without stdio, and it can be told to
 * stop: after a chroot() the same path is the jail's.
 */
#include "engine/trust.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/conf.h>
#include <openssl/err.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include "base/mutex.h"
#include "engine/arena.h"
#include "engine/failure.h"
#include "engine/pem.h"
#include "engine/text.h"

/* On the stack of the program's thread, which may be small. */
#define PATH_SIZE 1024
#define HASH_DIGITS 8
#define HASH_COLLISIONS_MAX 1000

struct trust {
	X509_STORE *store;
	struct files *files; /* while it is made: what is read is noted */
	const char *dirs;    /* colon-separated, as SSL_CERT_DIR; or NULL */
	char *owned_dirs;
	atomic_bool preloaded; /* dirs are not looked at any more */
	struct mutex lock;     /* of what was found in dirs */
	struct files found;
};

static X509_LOOKUP_METHOD *method;

/* Is it "5ad8a5d6.0", or "5ad8a5d6.r0" with prefix "r", as openssl-rehash(1)
 * makes them for certificates and for CRLs? */
static bool is_hashed_name(const char *name, const char *prefix)
{
	const char *tail = name + HASH_DIGITS + 1;
	size_t n = strlen(prefix);

	if (strspn(name, "0123456789abcdef") != HASH_DIGITS ||
		name[HASH_DIGITS] != '.' || strncmp(tail, prefix, n) != 0)
		return false;
	tail += n;
	return *tail && strspn(tail, "0123456789") == strlen(tail);
}

/* Calls visit for each directory of a colon-separated list. */
static void each_dir(
	const char *dirs, void (*visit)(const char *dir, void *arg), void *arg)
{
	char dir[PATH_SIZE];

	while (dirs && *dirs) {
		struct text t = text_in(dir, sizeof(dir));
		size_t n = strcspn(dirs, ":");

		text_add(&t, "%.*s", (int)n, dirs);
		if (n && text_is_whole(&t))
			visit(dir, arg);
		dirs += n + (dirs[n] == ':');
	}
}

/* Calls visit for the first hashed name of a directory, or for all of them.
 * 0 or an errno value. */
static int each_hashed_name(const char *dir, const char *prefix, bool all,
	void (*visit)(const char *path, void *arg), void *arg)
{
	char path[PATH_SIZE];
	struct dirent *e;
	DIR *d = opendir(dir);

	if (!d)
		return errno;
	while ((e = readdir(d))) {
		struct text t = text_in(path, sizeof(path));

		if (!is_hashed_name(e->d_name, prefix))
			continue;
		text_add(&t, "%s/%s", dir, e->d_name);
		if (text_is_whole(&t))
			visit(path, arg);
		if (!all)
			break;
	}
	closedir(d);
	return 0;
}

static void note_name(const char *path, void *found)
{
	(void)path;
	*(bool *)found = true;
}

static void note_dir(const char *dir, void *found)
{
	each_hashed_name(dir, "", false, note_name, found);
}

static bool has_hashed_names(const char *dirs)
{
	bool found = false;

	each_dir(dirs, note_dir, &found);
	return found;
}

struct search {
	struct trust *t;
	unsigned long hash;
};

/* Loads hash.0, hash.1 ... of one directory into the store. */
static void load_by_hash(const char *dir, void *arg)
{
	struct search *s = arg;
	char path[PATH_SIZE];
	unsigned n, i;
	struct text t;

	for (i = 0; i < HASH_COLLISIONS_MAX; i++) {
		t = text_in(path, sizeof(path));
		text_add(&t, "%s/%08lx.%u", dir, s->hash, i);
		if (!text_is_whole(&t) || !files_note_found(&s->t->found, path))
			return;
		pem_load(s->t->store, path, &n);
	}
}

/*
 * Asked by OpenSSL for a subject that the store does not have yet.  What is
 * given back is borrowed: the store, which never loses one, holds it.
 */
static int find_by_subject(X509_LOOKUP *lookup, X509_LOOKUP_TYPE type,
	const X509_NAME *name, X509_OBJECT *ret)
{
	struct trust *t = X509_LOOKUP_get_method_data(lookup);
	struct search s = {t, 0};
	X509_OBJECT *found;
	int ok;

	if (type != X509_LU_X509 || atomic_load(&t->preloaded))
		return 0;
	s.hash = X509_NAME_hash_ex(name, NULL, NULL, &ok);
	/* A signal handler that interrupts a search finds nobody. */
	if (!ok || !mutex_lock(&t->lock))
		return 0;
	each_dir(t->dirs, load_by_hash, &s);
	mutex_unlock(&t->lock);
	X509_STORE_lock(t->store);
	found = X509_OBJECT_retrieve_by_subject(
		X509_STORE_get0_objects(t->store), type, name);
	ok = found && X509_OBJECT_set1_X509(ret, X509_OBJECT_get0_X509(found));
	if (ok)
		X509_free(X509_OBJECT_get0_X509(found));
	X509_STORE_unlock(t->store);
	return ok;
}

/* Copies dirs; false: out of memory. */
static bool add_dirs(struct trust *t, const char *dirs)
{
	size_t size = strlen(dirs) + 1;
	char *copy = arena_alloc(size);
	X509_LOOKUP *lookup;

	if (!copy)
		return false;
	t->dirs = t->owned_dirs = memcpy(copy, dirs, size);
	lookup = X509_STORE_add_lookup(t->store, method);
	return lookup && X509_LOOKUP_set_method_data(lookup, t);
}

bool trust_setup(void)
{
	if (!method)
		method = X509_LOOKUP_meth_new("hashed names");
	return method &&
	       X509_LOOKUP_meth_set_get_by_subject(method, find_by_subject);
}

static bool add_file(struct trust *t, const char *file, struct tls_failure *why)
{
	unsigned n;
	int result;

	files_note(t->files, file);
	result = pem_load(t->store, file, &n);
	if (result)
		failure_set(why, TLS_FAIL_SETUP,
			"TLSSHIM_CA_FILE: cannot read %s: %s%s", file,
			pem_error_text(result),
			result == EISDIR
				? " (TLSSHIM_CA_DIR is for directories)"
				: "");
	else if (!n)
		failure_set(why, TLS_FAIL_SETUP,
			"TLSSHIM_CA_FILE: no certificate in %s", file);
	return !result && n;
}

static bool add_dir(struct trust *t, const char *dir, struct tls_failure *why)
{
	bool found = false;
	int error;

	files_note(t->files, dir);
	error = each_hashed_name(dir, "", false, note_name, &found);
	if (error)
		failure_set(why, TLS_FAIL_SETUP,
			"TLSSHIM_CA_DIR: cannot read the directory %s: %s", dir,
			failure_errno_text(error));
	else if (!found)
		failure_set(why, TLS_FAIL_SETUP,
			"TLSSHIM_CA_DIR: no certificate under a hashed name in "
			"%s: run "
			"\"openssl rehash %s\"",
			dir, dir);
	else if (!add_dirs(t, dir))
		failure_set(why, TLS_FAIL_MEMORY, "out of memory");
	else
		return true;
	return false;
}

/*
 * What OpenSSL's own default would take: without a configuration the lookup
 * is one in the environment, ignored where the program is setuid.
 */
static const char *openssl_variable(const char *name)
{
	const char *value = NCONF_get_string(NULL, "ENV", name);

	ERR_clear_error();
	return value;
}

static void watch_dir(const char *dir, void *files)
{
	files_note(files, dir);
}

static bool add_default(struct trust *t, struct tls_failure *why)
{
	const char *file = openssl_variable(X509_get_default_cert_file_env());
	const char *dirs = openssl_variable(X509_get_default_cert_dir_env());
	bool has_dirs;
	unsigned n = 0;

	if (!dirs)
		dirs = X509_get_default_cert_dir();
	each_dir(dirs, watch_dir, t->files);
	has_dirs = has_hashed_names(dirs);
	if (has_dirs && !add_dirs(t, dirs)) {
		failure_set(why, TLS_FAIL_MEMORY, "out of memory");
		return false;
	}
	if (has_dirs && !file)
		return true;
	if (!file)
		file = X509_get_default_cert_file();
	files_note(t->files, file);
	pem_load(t->store, file, &n);
	if (!n && !has_dirs)
		failure_set(why, TLS_FAIL_SETUP,
			"no trust anchors: neither the file %s nor the "
			"directory %s has any; install ca-certificates, or set "
			"TLSSHIM_CA_FILE",
			file, dirs);
	return n || has_dirs;
}

static bool add_anchors(struct trust *t, const struct tls_settings *settings,
	struct tls_failure *why)
{
	if (!settings->ca_file && !settings->ca_dir)
		return add_default(t, why);
	if (settings->ca_file && !add_file(t, settings->ca_file, why))
		return false;
	return !settings->ca_dir || add_dir(t, settings->ca_dir, why);
}

/* ---- CRLs ---- */

/* Loading the CRLs of a directory, and how it went. */
struct crls {
	struct trust *t;
	unsigned n;
	struct tls_failure *why;
	bool failed;
};

static void add_crl_file(const char *path, void *arg)
{
	struct crls *c = arg;
	unsigned n;
	int result;

	files_note(c->t->files, path);
	result = pem_load_crls(c->t->store, path, &n);
	c->n += n;
	if (!result && n)
		return;
	c->failed = true;
	failure_set(c->why, TLS_FAIL_SETUP, "no CRL can be read from %s: %s",
		path, result ? pem_error_text(result) : "there is none in it");
}

static bool add_crl_dir(struct crls *c, const char *dir)
{
	int error;

	files_note(c->t->files, dir);
	error = each_hashed_name(dir, "r", true, add_crl_file, c);
	if (error)
		failure_set(c->why, TLS_FAIL_SETUP,
			"TLSSHIM_CRL_DIR: cannot read the directory %s: %s",
			dir, failure_errno_text(error));
	else if (!c->n)
		failure_set(c->why, TLS_FAIL_SETUP,
			"TLSSHIM_CRL_DIR: no CRL under a hashed name in %s: "
			"run \"openssl rehash %s\"",
			dir, dir);
	return !error && c->n && !c->failed;
}

/* All of them at once: unlike anchors, the newest of an issuer is wanted. */
static bool add_crls(struct trust *t, const struct tls_settings *settings,
	struct tls_failure *why)
{
	struct crls file = {t, 0, why, false}, dir = file;

	if (settings->crl_file)
		add_crl_file(settings->crl_file, &file);
	if (file.failed)
		return false;
	return !settings->crl_dir || add_crl_dir(&dir, settings->crl_dir);
}

struct trust *trust_new(const struct tls_settings *settings,
	struct files *files, struct tls_failure *why)
{
	struct trust *t = arena_zalloc(sizeof(*t));

	failure_set(why, TLS_FAIL_MEMORY, "out of memory");
	if (t) {
		t->files = files;
		t->store = X509_STORE_new();
	}
	if (t && t->store && add_anchors(t, settings, why) &&
		add_crls(t, settings, why)) {
		failure_set(why, TLS_FAIL_NONE, "%s", "");
		t->files = NULL;
		return t;
	}
	trust_free(t);
	return NULL;
}

void trust_free(struct trust *t)
{
	if (!t)
		return;
	X509_STORE_free(t->store);
	files_clear(&t->found);
	arena_free(t->owned_dirs);
	arena_free(t);
}

X509_STORE *trust_store(const struct trust *t)
{
	return t->store;
}

bool trust_changed(struct trust *t)
{
	bool changed;

	if (!mutex_lock(&t->lock))
		return false;
	changed = files_changed(&t->found);
	mutex_unlock(&t->lock);
	return changed;
}

static void load_path(const char *path, void *store)
{
	unsigned n;

	pem_load(store, path, &n);
}

static void load_dir(const char *dir, void *store)
{
	each_hashed_name(dir, "", true, load_path, store);
}

void trust_preload(struct trust *t)
{
	if (atomic_load(&t->preloaded))
		return;
	each_dir(t->dirs, load_dir, t->store);
	atomic_store(&t->preloaded, true);
}
