/* SPDX-License-Identifier: MIT */
/*
 * The settings: a table of TLSSHIM_* variables turned into one immutable
 * struct.  The parser takes strings in and gives a struct or an error out;
 * config_get() is the only code of the project that reads the environment,
 * once, in the constructor or in the first hook before it, and keeps no
 * pointer into it.
 */
#ifndef TLSSHIM_CONFIG_H
#define TLSSHIM_CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "engine/api.h"
#include "log/log.h"

#define CONFIG_PORT_RULES_MAX 64

/* Storage that is enough for any settings: ten paths and some lists. */
#define CONFIG_STORAGE_MAX (16 * PATH_MAX)

/* PORT[-PORT][:TLSPORT]: connections to first..last are TLS; they are dialled
 * at tls_port, or at the port itself where tls_port is 0.  No two overlap. */
struct config_ports {
	uint16_t first;
	uint16_t last;
	uint16_t tls_port;
};

/* What holds for the connections to one destination. */
struct config_dest {
	const char *server_name; /* a canonical name or an address; or NULL */
	const char *sni;	 /* NULL: the name; "": none */
	unsigned handshake_timeout_ms;
	bool keylog;
	bool crl_said;		 /* TLSSHIM_CRL was set, to either */
	struct tls_settings tls; /* paths are absolute */
	/* Those of equal tls settings share one: an index, below
	 * CONFIG_SECTIONS_MAX + 1. */
	unsigned context;
};

enum config_plaintext {
	CONFIG_PLAINTEXT_ALLOW,
	CONFIG_PLAINTEXT_DENY,
	CONFIG_PLAINTEXT_LOOPBACK,
};

/* What is done with a program that a preload cannot reach. */
enum config_unreached {
	CONFIG_UNREACHED_UNSET, /* as CONFIG_PLAINTEXT says */
	CONFIG_UNREACHED_WARN,
	CONFIG_UNREACHED_REFUSE,
	CONFIG_UNREACHED_ALLOW,
};

/* The most specific first. */
enum config_host_kind {
	CONFIG_HOST_NAME,
	CONFIG_HOST_SUFFIX, /* any name that ends in ".name" */
	CONFIG_HOST_NETWORK,
	CONFIG_HOST_ANY,
};

/* A section of the file of TLSSHIM_CONFIG: connections to this host and these
 * ports are TLS, or exempted from it. */
struct config_section {
	enum config_host_kind kind;
	const char *name;      /* canonical */
	unsigned char ip[16];  /* IPv4: mapped */
	unsigned bits;	       /* of ip, 96 to 128 for IPv4 */
	uint16_t first, last;  /* ports */
	unsigned line;	       /* in the file */
	bool plaintext;	       /* exempted */
	uint16_t connect_port; /* 0: the port itself, or as config_ports says */
	struct config_dest dest;
};
#define CONFIG_SECTIONS_MAX 1024

/* No fewer than there are settings. */
#define CONFIG_SETTINGS_MAX 48

struct config {
	struct config_ports ports[CONFIG_PORT_RULES_MAX];
	unsigned n_ports;
	struct config_dest base; /* where no section says otherwise */
	struct config_section *sections;
	unsigned n_sections;
	const char *file; /* that the sections are from; absolute */
	enum config_plaintext plaintext;
	enum config_unreached unreached;
	bool is_not_inherited; /* TLSSHIM_INHERIT=no */
	/* The settings were given back to this process, whose environment had
	 * been cleaned (inherit.h). */
	bool is_given_back;
	/* By place in config_settings: what a relative path in the environment
	 * was made to; or NULL. */
	const char *absolute[CONFIG_SETTINGS_MAX];
	bool names_latest;
	/* How long what was accepted may wait for a peer that takes nothing,
	 * once the program is done. */
	unsigned linger_ms;
	enum log_sink log_sink;
	const char *log_path; /* with LOG_SINK_FILE; absolute */
	enum log_level log_level;
	enum log_style log_style;
	/* "" when the settings are good; else the sentence that says which
	 * variable, which value and what was expected.  A program with bad
	 * settings is refused every TCP connection: fail closed. */
	char error[512];
};

struct config_parser; /* config.c's own */

/* One row of the settings table: README, man page and --help follow it. */
struct config_setting {
	const char *name; /* "TLSSHIM_PORTS" */
	const char *syntax;
	const char *fallback; /* the default, as text */
	const char *help;     /* one line */
	void (*parse)(struct config_parser *parser, const char *value);
};
extern const struct config_setting config_settings[];
extern const unsigned config_n_settings;

/*
 * Parses the entries of envp (which may be NULL) that begin with "TLSSHIM_";
 * others are passed over.  Of two entries for one variable the first counts,
 * as in getenv().  Every string that config points to is copied into
 * storage[0..size).  Unknown names, bad and empty values and storage too
 * small set config->error, the first of them is reported, and whatever was
 * good stays.  A relative path is made absolute with the working directory of
 * this moment, because the program may change it; that one system call apart
 * the function is pure.  Takes no lock, allocates nothing, leaves errno as
 * found.
 */
void config_parse(
	struct config *config, char *const envp[], char *storage, size_t size);

/* The same with the file of TLSSHIM_CONFIG, read by the caller. */
struct rules_file;
void config_parse_with(struct config *config, char *const envp[],
	const struct rules_file *file, char *storage, size_t size);

/* May a connection be TLS? */
static inline bool config_selects(const struct config *config)
{
	return config->n_ports || config->n_sections;
}

/* With the default in its place. */
static inline enum config_unreached config_unreached(
	const struct config *config)
{
	if (config->unreached)
		return config->unreached;
	return config->plaintext ? CONFIG_UNREACHED_REFUSE
				 : CONFIG_UNREACHED_WARN;
}

/*
 * The settings of this process; never NULL.  In secure-execution mode
 * (AT_SECURE) the environment is not trusted and nothing is selected.  The
 * first call reads the environment; where ports are selected it makes the
 * name memory (names_setup()), and where connections must be looked at it
 * sets up the log (a log file that cannot be opened is an error like any
 * other).  Other threads wait for it.  What comes in between in the same
 * thread, a signal handler or a library that is preloaded too, gets the
 * settings once they are parsed, before the log is set up, and until then some
 * whose error refuses everything.  Leaves errno as found.
 */
const struct config *config_get(void);

/* What config_get() has found; for config_active() alone. */
enum config_state { CONFIG_UNREAD, CONFIG_IDLE, CONFIG_ACTIVE };
extern int config_state;
bool config_active_first(void);

/* Are there ports, or is there an error, so that connections must be looked
 * at?  One load once config_get() has run. */
__attribute__((always_inline)) static inline bool config_active(void)
{
	int state = __atomic_load_n(&config_state, __ATOMIC_ACQUIRE);

	if (__builtin_expect(state == CONFIG_IDLE, 1))
		return false;
	return state == CONFIG_ACTIVE || config_active_first();
}

/* May a connection of this process be TLS?  One load where there are no
 * settings, and no call of another page of code. */
__attribute__((always_inline)) static inline bool config_is_selective(void)
{
	return config_active() && config_selects(config_get());
}

/* The setting that was likely meant by the n bytes at name, a variable's, or
 * NULL. */
const char *config_nearest_setting(const char *name, size_t n);

#endif
