/* SPDX-License-Identifier: MIT */
/*
 * From an environment to struct config, and the one reading of the process's
 * own.  Which settings there are is settings.c's affair.
 */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>
#include "base/idle.h"
#include "base/kernel.h"
#include "base/map.h"
#include "base/real.h"
#include "base/scope.h"
#include "base/x86_64/thread.h"
#include "config/childenv.h"
#include "config/inherit.h"
#include "config/rules.h"
#include "config/settings.h"
#include "names/names.h"

#define FILE_MAX (1 << 20) /* of TLSSHIM_CONFIG */
/* clang-format off */
#define DEFAULTS { .base = { .handshake_timeout_ms = 30000 }, .linger_ms = 60000, \
	.log_sink = LOG_SINK_STDERR, .log_level = LOG_LEVEL_ERROR }
/* clang-format on */

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* Levenshtein's distance, blind to case, row by row; n <= 32. */
static unsigned edit_distance(const char *a, size_t n, const char *b)
{
	unsigned char row[33];

	for (unsigned i = 0; i <= n; i++)
		row[i] = (unsigned char)i;
	for (unsigned char j = 1; *b; b++, j++) {
		unsigned char diagonal = row[0];

		row[0] = j;
		for (unsigned i = 1; i <= n; i++) {
			unsigned best = diagonal + (upper(a[i - 1]) != *b);

			diagonal = row[i];
			if (best > row[i] + 1u)
				best = row[i] + 1u;
			if (best > row[i - 1] + 1u)
				best = row[i - 1] + 1u;
			row[i] = (unsigned char)best;
		}
	}
	return row[n];
}

const char *config_nearest_setting(const char *name, size_t n)
{
	const char *nearest = NULL;
	unsigned least = 3; /* two slips, or one transposition */

	for (unsigned i = 0; i < config_n_settings && n <= 32; i++) {
		unsigned d = edit_distance(name, n, config_settings[i].name);

		if (d < least) {
			least = d;
			nearest = config_settings[i].name;
		}
	}
	return nearest;
}

static void reject_name(struct config *config, const char *name, size_t n)
{
	const char *meant = config_nearest_setting(name, n);
	int shown = (int)(n < VALUE_QUOTE_MAX ? n : VALUE_QUOTE_MAX);

	if (config->error[0])
		return;
	if (meant)
		log_format(config->error, sizeof(config->error),
			"%.*s is not a setting: did you mean %s?", shown, name,
			meant);
	else
		log_format(config->error, sizeof(config->error),
			"%.*s is not a setting: tlsshim(7) lists them", shown,
			name);
}

static void parse_entry(
	struct config_parser *p, const char *entry, unsigned long *seen)
{
	size_t n = (size_t)(strchr(entry, '=') - entry);
	const char *value = entry + n + 1;
	int which = settings_find(entry, n);

	if (which < 0) {
		reject_name(p->config, entry, n);
		return;
	}
	if (*seen & 1ul << which)
		return;
	*seen |= 1ul << which;
	log_format(
		p->where, sizeof(p->where), "%s", config_settings[which].name);
	p->absolute = NULL;
	if (*value)
		settings_parse(p, which, value);
	else if (!p->config->error[0])
		/* Mostly a script's unset variable, which must not turn into
		 * plaintext or into other trust than was meant. */
		log_format(p->config->error, sizeof(p->config->error),
			"%s is empty: expected %s, or the variable not set",
			p->where, config_settings[which].syntax);
	p->config->absolute[which] = p->absolute;
}

/* What demands something of a chain, where none is verified. */
static const char *problem_of_insecure(const struct tls_settings *tls)
{
	if (tls->crl_file || tls->crl_dir)
		return "TLSSHIM_VERIFY is insecure-none, which verifies no "
		       "chain: expected neither TLSSHIM_CRL_FILE nor "
		       "TLSSHIM_CRL_DIR";
	if (tls->ocsp == TLS_OCSP_REQUIRED)
		return "TLSSHIM_VERIFY is insecure-none, which verifies no "
		       "chain: expected another TLSSHIM_OCSP than "
		       "require-stapled";
	if (tls->x509_strict)
		return "TLSSHIM_VERIFY is insecure-none, which verifies no "
		       "chain: expected no TLSSHIM_X509_STRICT";
	return NULL;
}

/* NULL, or what makes no sense, or cannot be had, without or with another. */
static const char *problem_of(const struct config_dest *dest)
{
	const struct tls_settings *tls = &dest->tls;

	if (tls->key && !tls->cert)
		return "TLSSHIM_KEY is set and TLSSHIM_CERT is not: expected "
		       "both";
	if (tls->key_password_file && !tls->cert)
		return "TLSSHIM_KEY_PASSWORD_FILE is set and TLSSHIM_CERT is "
		       "not: expected both";
	if (dest->crl_said && !tls->crl_file && !tls->crl_dir)
		return "TLSSHIM_CRL is set and neither TLSSHIM_CRL_FILE nor "
		       "TLSSHIM_CRL_DIR is: expected one of them";
	if (tls->max_version && tls->min_version > tls->max_version)
		return "TLSSHIM_MIN_VERSION is above TLSSHIM_MAX_VERSION";
	if (dest->keylog && !tls->keylog_file)
		return "TLSSHIM_KEYLOG is set and SSLKEYLOGFILE, which names "
		       "the file, is not: expected both";
	if (tls->verify == TLS_VERIFY_INSECURE_NONE)
		return problem_of_insecure(tls);
	return NULL;
}

/* The variable is one that other programs honour, hence the setting of ours
 * that allows it. */
static const char *keylog_file(struct config_parser *p, char *const envp[])
{
	static const char name[] = "SSLKEYLOGFILE";
	size_t n = strlen(name);

	for (; envp && *envp; envp++)
		if (!strncmp(*envp, name, n) && (*envp)[n] == '=' &&
			(*envp)[n + 1]) {
			log_format(p->where, sizeof(p->where), "%s", name);
			return value_path(p, *envp + n + 1);
		}
	return NULL;
}

static bool is_same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool is_same_tls(
	const struct tls_settings *a, const struct tls_settings *b)
{
	return is_same(a->ca_file, b->ca_file) &&
	       is_same(a->ca_dir, b->ca_dir) &&
	       a->no_partial_chain == b->no_partial_chain &&
	       a->x509_strict == b->x509_strict &&
	       is_same(a->crl_file, b->crl_file) &&
	       is_same(a->crl_dir, b->crl_dir) &&
	       a->crl_insecure_soft == b->crl_insecure_soft &&
	       a->ocsp == b->ocsp && a->verify == b->verify &&
	       a->no_resume == b->no_resume &&
	       a->resume_seconds == b->resume_seconds &&
	       a->eof_insecure_lax == b->eof_insecure_lax &&
	       is_same(a->pins, b->pins) && is_same(a->pin_file, b->pin_file) &&
	       is_same(a->cert, b->cert) && is_same(a->key, b->key) &&
	       is_same(a->key_password_file, b->key_password_file) &&
	       a->min_version == b->min_version &&
	       a->max_version == b->max_version && is_same(a->alpn, b->alpn) &&
	       is_same(a->openssl, b->openssl) &&
	       is_same(a->keylog_file, b->keylog_file);
}

/* What follows from all of a destination's settings.  n: of the section, or
 * that of the base, which is the first. */
static void finish_dest(struct config_parser *p, struct config_dest *dest,
	unsigned n, const char *keylog)
{
	struct config *config = p->config;
	const char *problem;

	dest->tls.keylog_file = dest->keylog ? keylog : NULL;
	problem = problem_of(dest);
	dest->context = n;
	for (unsigned i = 0; i < n; i++) {
		const struct config_dest *other =
			i ? &config->sections[i - 1].dest : &config->base;

		if (!is_same_tls(&other->tls, &dest->tls))
			continue;
		dest->context = other->context;
		break;
	}
	if (!problem || config->error[0])
		return;
	if (n)
		log_format(config->error, sizeof(config->error), "%s:%u: %s",
			config->file ? config->file : "",
			config->sections[n - 1].line, problem);
	else
		log_format(config->error, sizeof(config->error), "%s", problem);
}

static void finish(struct config_parser *p, char *const envp[])
{
	struct config *config = p->config;
	const char *keylog = NULL;
	bool wanted = config->base.keylog;

	for (unsigned i = 0; i < config->n_sections; i++)
		wanted |= config->sections[i].dest.keylog;
	if (wanted)
		keylog = keylog_file(p, envp);
	finish_dest(p, &config->base, 0, keylog);
	for (unsigned i = 0; i < config->n_sections; i++)
		finish_dest(p, &config->sections[i].dest, i + 1, keylog);
}

/*
 * In this order, each above the one before: [default] of the file, the
 * environment, a section of the file.
 */
void config_parse_with(struct config *config, char *const envp[],
	const struct rules_file *file, char *storage, size_t size)
{
	struct config_parser p = {.config = config,
		.dest = &config->base,
		.storage = storage,
		.room = size};
	int saved_errno = errno;
	unsigned long seen = 0;

	*config = (struct config)DEFAULTS;
	if (file)
		config->file = file->path;
	if (file)
		rules_parse_default(&p, file);
	for (char *const *e = envp; e && *e; e++)
		if (childenv_is_setting(*e))
			parse_entry(&p, *e, &seen);
		else
			config->is_given_back |=
				childenv_is(*e, CHILDENV_GIVEN);
	if (file)
		rules_parse_sections(&p, file);
	finish(&p, envp);
	errno = saved_errno;
}

void config_parse(
	struct config *config, char *const envp[], char *storage, size_t size)
{
	config_parse_with(config, envp, NULL, storage, size);
}

/* The settings of the process. */

int config_state IDLE_DATA = CONFIG_UNREAD;
static struct config process_config;
static const struct config unread_config = {
	.base = {.handshake_timeout_ms = 1},
	.error = "the settings are still being read",
};
static char process_storage[CONFIG_STORAGE_MAX];
/* The thread that reads the settings, for ever after. */
static void *_Atomic reader IDLE_DATA;
/* By then that thread knows which connections are selected, for a library that
 * connects inside a call of ours, and has no log yet. */
static atomic_bool is_decided;

static bool has_settings(char *const envp[])
{
	for (; envp && *envp; envp++)
		if (childenv_is_setting(*envp))
			return true;
	return false;
}

/* The whole file, or why not. */
static const char *read_descriptor(int fd, struct rules_file *file)
{
	struct stat st;
	size_t len = 0;
	ssize_t n = 1;
	char *text;

	if (kernel_fstat(fd, &st) < 0)
		return strerrordesc_np(errno);
	if (!S_ISREG(st.st_mode))
		return "it is not a regular file";
	if (st.st_size > FILE_MAX)
		return "it is larger than a megabyte";
	text = map_memory((size_t)st.st_size + 1);
	if (!text)
		return "out of memory";
	while (len < (size_t)st.st_size && n > 0) {
		n = real(read)(fd, text + len, (size_t)st.st_size - len);
		len += n > 0 ? (size_t)n : 0;
	}
	file->text = text;
	file->len = len;
	return n < 0 ? strerrordesc_np(errno) : NULL;
}

/* Once, with the environment: later the process may have changed its root,
 * its user or its mind. */
static const char *read_file(const char *path, struct rules_file *file)
{
	int fd = real(open)(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *problem;

	if (fd < 0)
		return strerrordesc_np(errno);
	file->path = path;
	problem = read_descriptor(fd, file);
	real(close)(fd);
	return problem;
}

/* Settings that were parsed without their file are parsed again with it. */
static void read_rules(struct config *c)
{
	static char path[PATH_MAX];
	struct rules_file file = {.len = 0};
	const char *problem;
	char *storage;
	size_t size;

	log_format(path, sizeof(path), "%s", c->file);
	problem = read_file(path, &file);
	size = CONFIG_STORAGE_MAX + (problem ? 0 : rules_storage(&file));
	storage = problem ? NULL : map_memory(size);
	if (problem || !storage) {
		log_format(c->error, sizeof(c->error),
			"TLSSHIM_CONFIG: cannot read \"%.*s\": %s",
			4 * VALUE_QUOTE_MAX, path,
			problem ? problem : "out of memory");
		return;
	}
	config_parse_with(c, environ, &file, storage, size);
	if (!c->error[0] && !config_selects(c) && !c->plaintext)
		log_format(c->error, sizeof(c->error),
			"TLSSHIM_CONFIG: \"%.*s\" has no section of a "
			"destination, and TLSSHIM_PORTS is not set: expected "
			"one of them",
			4 * VALUE_QUOTE_MAX, path);
}

/* What a library before us makes of connections is seen too late: it may dial
 * a proxy where the program dials a selected port, or not call us at all. */
static void check_order(struct config *c)
{
	const char *other = c->error[0] ? NULL : scope_before_us();

	if (other && scope_is_copy(other))
		log_format(c->error, sizeof(c->error),
			"another copy of libtlsshim.so, %.*s, is loaded before "
			"this one: name one of them in LD_PRELOAD",
			4 * VALUE_QUOTE_MAX, other);
	else if (other)
		log_format(c->error, sizeof(c->error),
			"%.*s is loaded before libtlsshim.so and has a "
			"connect() of its own, which decides where connections "
			"go: put libtlsshim.so in front of it in LD_PRELOAD",
			4 * VALUE_QUOTE_MAX, other);
}

/* For debugging: that the library is there, and with which settings. */
static void tell_loaded(void)
{
	char text[1536];
	unsigned n = 0;

	if (!log_wants(LOG_LEVEL_DEBUG))
		return;
	text[0] = '\0';
	for (char **entry = environ; *entry && n < sizeof(text) - 2; entry++)
		if (childenv_is_setting(*entry))
			n += (unsigned)log_format(
				text + n, sizeof(text) - n, " %s", *entry);
	log_line(LOG_LEVEL_DEBUG, "loaded:%s", text);
}

static enum config_state parse_settings(void)
{
	struct config *c = &process_config;
	int error;

	if (getauxval(AT_SECURE))
		return CONFIG_IDLE;
	config_parse(c, environ, process_storage, sizeof(process_storage));
	if (c->file)
		read_rules(c);
	if (!config_selects(c) && !c->error[0] && !c->plaintext)
		return CONFIG_IDLE;
	check_order(c);
	if (config_selects(c) && !c->error[0])
		names_setup();
	atomic_store(&is_decided, true);
	log_set_style(c->log_style);
	error = log_setup(c->log_sink, c->log_path, c->log_level);
	/* Whoever had the log was perhaps another user: postfix's daemons. */
	if (error && c->is_given_back)
		log_line(LOG_LEVEL_INFO,
			"TLSSHIM_LOG: \"%s\" cannot be opened by this "
			"program, whose lines go to standard error: %s",
			c->log_path ? c->log_path : "syslog",
			strerrordesc_np(error));
	else if (error && !c->error[0])
		log_format(c->error, sizeof(c->error),
			"TLSSHIM_LOG: \"%.*s\" cannot be opened: %s",
			VALUE_QUOTE_MAX, c->log_path ? c->log_path : "syslog",
			strerrordesc_np(error));
	tell_loaded();
	inherit_setup(environ, c);
	return CONFIG_ACTIVE;
}

static enum config_state read_settings(void)
{
	int saved_errno;
	enum config_state state;

	if (!has_settings(environ))
		return CONFIG_IDLE; /* without a call of libc */
	saved_errno = errno;
	state = parse_settings();
	errno = saved_errno;
	return state;
}

/* Waits for the thread that reads: microseconds, unless a log file lies on a
 * dead server, or we are its forked child and it will never be done. */
static const struct config *wait_for_reader(void)
{
	const struct timespec moment = {.tv_nsec = 1000000};

	for (int i = 0; i < 5000; i++) {
		if (__atomic_load_n(&config_state, __ATOMIC_ACQUIRE) >=
			CONFIG_IDLE)
			return &process_config;
		if (i < 100)
			sched_yield();
		else
			nanosleep(&moment, NULL);
	}
	return &unread_config;
}

static const struct config *config_first(void)
{
	void *self = thread_pointer(), *nobody = NULL;
	const struct config *config = &process_config;

	if (atomic_compare_exchange_strong(&reader, &nobody, self)) {
		__atomic_store_n(
			&config_state, (int)read_settings(), __ATOMIC_RELEASE);
	} else if (nobody != self) {
		int saved_errno = errno;

		config = wait_for_reader();
		errno = saved_errno;
	} else if (__atomic_load_n(&config_state, __ATOMIC_ACQUIRE) <
			   CONFIG_IDLE &&
		   !atomic_load(&is_decided)) {
		config = &unread_config; /* a signal handler amid the reading */
	}
	return config;
}

const struct config *config_get(void)
{
	if (__builtin_expect(__atomic_load_n(&config_state, __ATOMIC_ACQUIRE) >=
				     CONFIG_IDLE,
		    1))
		return &process_config;
	return config_first();
}

bool config_active_first(void)
{
	const struct config *config = config_get();

	return config_selects(config) || config->error[0] || config->plaintext;
}

__attribute__((constructor)) static void config_constructor(void)
{
	config_get();
}
