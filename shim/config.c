/* SPDX-License-Identifier: MIT */
/*
 * From an environment to struct config, and the one reading of the process's
 * own.  Which settings there are is settings.c's affair.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>
#include "names.h"
#include "value.h"

#define PREFIX "TLSSHIM_"
/* clang-format off */
#define DEFAULTS { .base = { .handshake_timeout_ms = 30000 }, .log_sink = LOG_SINK_STDERR, \
	.log_level = LOG_LEVEL_ERROR }
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

/* The setting that was likely meant by the n bytes at name, or NULL. */
static const char *nearest_setting(const char *name, size_t n)
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
	const char *meant = nearest_setting(name, n);
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

/* The index of the setting, or -1. */
static int find_setting(const char *name, size_t n)
{
	for (unsigned i = 0; i < config_n_settings; i++)
		if (!strncmp(config_settings[i].name, name, n) &&
			!config_settings[i].name[n])
			return (int)i;
	return -1;
}

static bool is_setting(const char *entry)
{
	return !strncmp(entry, PREFIX, strlen(PREFIX)) && strchr(entry, '=');
}

static void parse_entry(
	struct config_parser *p, const char *entry, unsigned long *seen)
{
	size_t n = (size_t)(strchr(entry, '=') - entry);
	const char *value = entry + n + 1;
	int which = find_setting(entry, n);

	if (which < 0) {
		reject_name(p->config, entry, n);
		return;
	}
	if (*seen & 1ul << which)
		return;
	*seen |= 1ul << which;
	p->setting = &config_settings[which];
	if (*value)
		p->setting->parse(p, value);
	else if (!p->config->error[0])
		/* Mostly a script's unset variable, which must not turn into
		 * plaintext or into other trust than was meant. */
		log_format(p->config->error, sizeof(p->config->error),
			"%s is empty: expected %s, or the variable not set",
			p->setting->name, p->setting->syntax);
}

/* Settings that make no sense without or with another. */
static void check_dest(struct config *config, const struct config_dest *dest)
{
	const struct tls_settings *tls = &dest->tls;
	const char *problem = NULL;

	if (tls->key && !tls->cert)
		problem = "TLSSHIM_KEY is set and TLSSHIM_CERT is not: "
			  "expected both";
	else if (tls->key_password_file && !tls->cert)
		problem = "TLSSHIM_KEY_PASSWORD_FILE is set and TLSSHIM_CERT "
			  "is not: expected both";
	else if (tls->crl_insecure_soft && !tls->crl_file && !tls->crl_dir)
		problem = "TLSSHIM_CRL is set and neither TLSSHIM_CRL_FILE "
			  "nor TLSSHIM_CRL_DIR is: expected one of them";
	else if (tls->max_version && tls->min_version > tls->max_version)
		problem = "TLSSHIM_MIN_VERSION is above TLSSHIM_MAX_VERSION";
	if (problem && !config->error[0])
		log_format(config->error, sizeof(config->error), "%s", problem);
}

/* The variable is one that other programs honour, hence the setting of ours
 * that allows it. */
static const char *keylog_file(struct config_parser *p, char *const envp[])
{
	static const char name[] = "SSLKEYLOGFILE=";

	for (; envp && *envp; envp++)
		if (!strncmp(*envp, name, strlen(name)) &&
			(*envp)[strlen(name)])
			return value_path(p, *envp + strlen(name));
	return NULL;
}

void config_parse(
	struct config *config, char *const envp[], char *storage, size_t size)
{
	struct config_parser p = {config, &config->base, NULL, storage, size};
	char *const *first = envp;
	int saved_errno = errno;
	unsigned long seen = 0;

	*config = (struct config)DEFAULTS;
	for (; envp && *envp; envp++)
		if (is_setting(*envp))
			parse_entry(&p, *envp, &seen);
	envp = first;
	if (config->base.keylog)
		config->base.tls.keylog_file = keylog_file(&p, envp);
	check_dest(config, &config->base);
	errno = saved_errno;
}

/* The settings of the process. */

int config_state = CONFIG_UNREAD;
static struct config process_config = DEFAULTS;
static const struct config unread_config = {
	.base = {.handshake_timeout_ms = 1},
	.error = "the settings are still being read",
};
static char process_storage[CONFIG_STORAGE_MAX];
/* The thread that reads the settings, for ever after. */
static _Atomic pthread_t reader;

static bool has_settings(char *const envp[])
{
	for (; envp && *envp; envp++)
		if (is_setting(*envp))
			return true;
	return false;
}

static enum config_state read_settings(void)
{
	struct config *c = &process_config;
	int error;

	if (!has_settings(environ) || getauxval(AT_SECURE))
		return CONFIG_IDLE;
	config_parse(c, environ, process_storage, sizeof(process_storage));
	if (!c->n_ports && !c->error[0])
		return CONFIG_IDLE;
	error = log_setup(c->log_sink, c->log_path, c->log_level);
	if (error && !c->error[0])
		log_format(c->error, sizeof(c->error),
			"TLSSHIM_LOG: \"%.*s\" cannot be opened: %s",
			VALUE_QUOTE_MAX, c->log_path ? c->log_path : "syslog",
			strerrordesc_np(error));
	if (c->n_ports && !c->error[0])
		names_setup();
	return CONFIG_ACTIVE;
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
	int saved_errno = errno;
	pthread_t self = pthread_self(), nobody = 0;
	const struct config *config = &process_config;

	if (atomic_compare_exchange_strong(&reader, &nobody, self))
		__atomic_store_n(
			&config_state, (int)read_settings(), __ATOMIC_RELEASE);
	else if (nobody != self)
		config = wait_for_reader();
	else if (__atomic_load_n(&config_state, __ATOMIC_ACQUIRE) < CONFIG_IDLE)
		config = &unread_config; /* a signal handler amid the reading */
	errno = saved_errno;
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

	return config->n_ports || config->error[0];
}

__attribute__((constructor)) static void config_constructor(void)
{
	config_get();
}
