/* SPDX-License-Identifier: MIT */
/*
 * The log: one line an event, built on the stack and handed to the system in
 * one call.  Never stdio, never stdout, never malloc; errno is left as found.
 * Where the lines go and how many is config's affair (TLSSHIM_LOG,
 * TLSSHIM_LOG_LEVEL), told by log_setup(); before that, errors go to stderr.
 */
#ifndef TLSSHIM_LOG_H
#define TLSSHIM_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_sink {
	LOG_SINK_STDERR,
	LOG_SINK_FILE,
	LOG_SINK_SYSLOG,
	LOG_SINK_NONE
};

enum log_style { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* Longest line, newline and prefix included; longer ones are cut and end in
 * "...".  Within PIPE_BUF, so that lines of several processes do not mix. */
#define LOG_LINE_MAX 2048

/*
 * Says where lines go from now on.  path is used with LOG_SINK_FILE only and
 * need not live on.  The file is opened here where it exists, otherwise made
 * (0600) for the first line; where the path names another file later (log
 * rotation), lines go to that one, made if need be.  Its lines begin with the
 * time.  The descriptor
 * is close-on-exec and out of the program's way (fdtab_hide()).  Returns 0 or
 * an errno value: then lines go to stderr.  For one thread at a time.
 */
int log_setup(enum log_sink sink, const char *path, enum log_level level);

/* The process is about to be restricted (another user, another root): a log
 * file that is still to be made is made now. */
void log_prepare(void);

/* The descriptor of a log file or of syslog, or -1. */
int log_descriptor(void);

/*
 * This process is a relay, whose log is all that it keeps of the program's
 * descriptors.  stderr it has only where lines go there and nobody waits for
 * its end, as the reader of a pipe does: a file, and a terminal by its name; a
 * pipe only while `opening`, for a refusal must be said, until
 * log_release_stderr().  Before the program's memory is dropped, the table of
 * descriptors with it.
 */
void log_enter_relay(bool opening);
bool log_keeps_stderr(void);
void log_release_stderr(void);

/* What lines look like from now on: text as below, or one JSON object each,
 * with "time" (RFC 3339, UTC), "pid", "program", "level" and "message". */
void log_set_style(enum log_style style);
bool log_is_json(void);

/* Would a line of this level be written?  Cheap: ask before building one. */
bool log_wants(enum log_level level);

/*
 * Writes "tlsshim[PID] " + the formatted text + newline.  Formats known:
 * %s %.*s %d %u %ld %lu %zu %x %c %%.  Control characters and bytes over 126
 * in the result are written as \xNN, so that no certificate can forge a line.
 * May be called anywhere, also in signal handlers and after fork or vfork.  A
 * reader that went away costs the line, not the program: no SIGPIPE.  Waits
 * as a write(2) to the program's own stderr would.
 */
void log_line(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* One member of a JSON object: a string, or where text is NULL a number.
 * is_literal: text is JSON as it is (true, 6.33). */
struct log_field {
	const char *name;
	const char *text;
	long number;
	bool is_literal;
};

/*
 * An event as a JSON object: "time", "pid", "program", "level", and these.  A
 * field that does not fit into the line is left out.  For log_is_json() alone;
 * otherwise as log_line().
 */
void log_record(
	enum log_level level, const struct log_field *fields, unsigned n);

/*
 * The formatter behind it, for other modules that build text without stdio:
 * like snprintf() but with the formats above only; always terminates; returns
 * the number of bytes written without the NUL (never more than size - 1).
 */
int log_format(char *buf, unsigned size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
