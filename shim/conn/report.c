/* SPDX-License-Identifier: MIT */
/*
 * What the log says of a connection.
 */
#include "conn/report.h"

#include <errno.h>
#include <string.h>
#include "base/clock.h"
#include "config/config.h"
#include "log/log.h"

#define FIELDS_MAX 24

/* An object being put together.  Empty texts are left out. */
struct object {
	struct log_field fields[FIELDS_MAX];
	unsigned n;
};

static void add(struct object *o, const char *name, const char *text)
{
	if (text && *text && o->n < FIELDS_MAX)
		o->fields[o->n++] =
			(struct log_field){.name = name, .text = text};
}

static void add_literal(struct object *o, const char *name, const char *text)
{
	add(o, name, text);
	if (o->n && o->fields[o->n - 1].name == name)
		o->fields[o->n - 1].is_literal = true;
}

static void add_number(struct object *o, const char *name, long number)
{
	if (o->n < FIELDS_MAX)
		o->fields[o->n++] =
			(struct log_field){.name = name, .number = number};
}

static struct object object(const struct conn *c, const char *event)
{
	struct object o = {.n = 0};

	add(&o, "event", event);
	add(&o, "destination", c->key);
	add(&o, "address", c->address);
	add(&o, "name", c->name);
	add(&o, "name_source", c->name_source);
	return o;
}

static const char *verified(const struct conn *c)
{
	switch (c->dest->tls.verify) {
	case TLS_VERIFY_FULL:
		return "verified";
	case TLS_VERIFY_INSECURE_NO_NAME:
		return "chain verified, name NOT verified";
	case TLS_VERIFY_INSECURE_NONE:
		break;
	}
	return "NOT verified";
}

static void add_info(struct object *o, const struct tls_info *info)
{
	add(o, "version", info->version);
	add(o, "cipher", info->cipher);
	add(o, "group", info->group);
	add_literal(o, "resumed", info->resumed ? "true" : "false");
	add(o, "alpn", info->alpn);
	add(o, "subject", info->subject);
	add(o, "issuer", info->issuer);
	add(o, "not_before", info->not_before);
	add(o, "not_after", info->not_after);
	add(o, "names", info->names);
}

void report_opened(const struct conn *c)
{
	struct tls_info info;
	struct object o;
	int64_t us = (clock_now() - c->started) / 1000;
	char ms[32];

	if (!log_wants(LOG_LEVEL_INFO))
		return;
	log_format(ms, sizeof(ms), "%ld.%c%c", (long)(us / 1000),
		(char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10));
	c->tls->info(c->session, &info);
	if (log_is_json()) {
		o = object(c, "connected");
		add_info(&o, &info);
		add(&o, "verify", verified(c));
		add_literal(&o, "handshake_ms", ms);
		log_record(LOG_LEVEL_INFO, o.fields, o.n);
		return;
	}
	log_line(LOG_LEVEL_INFO,
		"%s: connected: %s%s%s%s%s%s%s%s, %s for %s (%s): %s, issuer "
		"%s; handshake %s ms",
		c->destination, info.version, *info.cipher ? " " : "",
		info.cipher, *info.group ? " " : "", info.group,
		info.resumed ? " resumed" : "", *info.alpn ? " alpn " : "",
		info.alpn, verified(c), c->name, c->name_source, info.subject,
		info.issuer, ms);
}

static void add_refusal(struct object *o, const struct tls_refusal *r)
{
	add(o, "hint", r->hint);
	add_number(o, "depth", r->depth);
	add(o, "verify", r->reason);
	add(o, "not_before", r->not_before);
	add(o, "not_after", r->not_after);
	add(o, "names", r->names);
	add(o, "subject", r->subject);
	add(o, "issuer", r->issuer);
}

/* The long ones last, should they not all fit. */
static void refused_certificate(
	const struct conn *c, const char *why, const struct tls_refusal *r)
{
	log_line(LOG_LEVEL_ERROR,
		"%s: refused: %s; %s [checked %s (%s), depth %d, OpenSSL: %s, "
		"valid %s to %s, names %s, subject %s, issuer %s]",
		c->destination, why, r->hint, c->name, c->name_source, r->depth,
		r->reason, r->not_before, r->not_after, r->names, r->subject,
		r->issuer);
}

/* Of a setting's error the setting: the word that it begins with. */
static void add_setting(struct object *o, const char *why, char room[64])
{
	unsigned n = 0;

	if (strncmp(why, "TLSSHIM_", 8) != 0)
		return;
	for (; n < 63 && (why[n] == '_' || (why[n] >= 'A' && why[n] <= 'Z'));
		n++)
		room[n] = why[n];
	room[n] = '\0';
	add(o, "setting", room);
}

void report_refused(const struct conn *c, int error, const char *why,
	const struct tls_failure *failure)
{
	const struct tls_refusal *refusal = failure ? failure->refusal : NULL;
	char setting[64];
	struct object o;

	if (!log_wants(LOG_LEVEL_ERROR))
		return;
	if (log_is_json()) {
		o = object(c, "refused");
		add(&o, "errno", strerrorname_np(error));
		add_setting(&o, why, setting);
		add(&o, "reason", why);
		if (refusal)
			add_refusal(&o, refusal);
		log_record(LOG_LEVEL_ERROR, o.fields, o.n);
	} else if (refusal) {
		refused_certificate(c, why, refusal);
	} else {
		log_line(LOG_LEVEL_ERROR, "%s: refused: %s", c->destination,
			why);
	}
}

bool report_is_early(const struct conn *c)
{
	return c->tls->received(c->session) == 0;
}

/*
 * How loud:
 *  - an end without close_notify that nobody waits for: many servers end so;
 *  - all else before any data, which is a refusal or looks like one;
 *  - what nobody hears;
 *  - a reset is the peer's affair, and the program is told by errno;
 *  - alerts, bad records, truncation.
 */
static enum log_level level_of_end(
	const struct conn *c, const struct tls_failure *failure, bool heard)
{
	if (!heard && failure->kind == TLS_FAIL_TRUNCATED)
		return LOG_LEVEL_DEBUG;
	if (report_is_early(c))
		return LOG_LEVEL_ERROR;
	if (!heard)
		return LOG_LEVEL_DEBUG;
	return failure->kind == TLS_FAIL_TRANSPORT ? LOG_LEVEL_INFO
						   : LOG_LEVEL_ERROR;
}

static void broken(const struct conn *c, enum log_level level, const char *why)
{
	struct object o;

	if (!log_wants(level))
		return;
	if (log_is_json()) {
		o = object(c, "broken");
		add(&o, "reason", why);
		log_record(level, o.fields, o.n);
		return;
	}
	log_line(level, "%s: connection broken: %s", c->destination, why);
}

void report_broken(
	const struct conn *c, const struct tls_failure *failure, bool heard)
{
	broken(c, level_of_end(c, failure, heard), failure->text);
}

/* Nobody hears it. */
void report_reset(const struct conn *c, bool early, int error)
{
	broken(c, early ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG,
		strerrordesc_np(error));
}

void report_lost(const struct conn *c)
{
	log_line(LOG_LEVEL_ERROR,
		"%s: the peer takes nothing, what it has not got is lost "
		"(TLSSHIM_LINGER)",
		c->destination);
}

void report_closed(const struct conn *c)
{
	struct tls_info info;
	struct object o;

	if (!log_is_json() || !log_wants(LOG_LEVEL_INFO))
		return;
	c->tls->info(c->session, &info);
	o = object(c, "closed");
	add_info(&o, &info);
	add_number(&o, "bytes_in", (long)info.received);
	add_number(&o, "bytes_out", (long)info.sent);
	log_record(LOG_LEVEL_INFO, o.fields, o.n);
}

void report_refused_early(const char *destination, int error, const char *why)
{
	struct object o = {.n = 0};
	char setting[64];

	if (!log_wants(LOG_LEVEL_ERROR))
		return;
	if (!log_is_json()) {
		log_line(LOG_LEVEL_ERROR, "%s: refused: %s", destination, why);
		return;
	}
	add(&o, "event", "refused");
	add(&o, "destination", destination);
	add(&o, "errno", strerrorname_np(error));
	add_setting(&o, why, setting);
	add(&o, "reason", why);
	log_record(LOG_LEVEL_ERROR, o.fields, o.n);
}

/* An event of a connection that has one text of its own. */
struct event {
	const char *name;   /* as an object */
	const char *label;  /* as a line, before the text */
	const char *member; /* as an object, the text's */
};

static void report_event(const struct conn *c, enum log_level level,
	const struct event *event, const char *text)
{
	struct object o;

	if (!log_wants(level))
		return;
	if (!log_is_json()) {
		log_line(level, "%s: %s%s", c->destination, event->label, text);
		return;
	}
	o = object(c, event->name);
	add(&o, event->member, text);
	log_record(level, o.fields, o.n);
}

void report_warning(const struct conn *c, const char *text)
{
	static const struct event warning = {"warning", "warning: ", "reason"};

	report_event(c, LOG_LEVEL_ERROR, &warning, text);
}

void report_step(const struct conn *c, const char *step)
{
	static const struct event trace = {"trace", "", "step"};

	report_event(c, LOG_LEVEL_DEBUG, &trace, step);
}

void report_silence(const struct conn *c)
{
	static const struct event waiting = {"waiting", "waiting: ", "reason"};

	report_event(c, LOG_LEVEL_INFO, &waiting,
		"the server has sent nothing since the TLS handshake began: "
		"does it speak TLS on this port?");
}

/* A program that tries several addresses at once gives most of them up soon
 * (RFC 8305): that is no fault of anybody's. */
void report_given_up(const struct conn *c)
{
	static const struct event given_up = {
		"given up", "given up: ", "reason"};
	bool silent = !c->pulled;
	bool waited = clock_now() - c->started >= REPORT_SILENCE_NS;

	report_event(c, silent && waited ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO,
		&given_up,
		silent ? "the program closed it during the TLS handshake; the "
			 "server has sent nothing: does it speak TLS on this "
			 "port?"
		       : "the program closed it during the TLS handshake");
}
