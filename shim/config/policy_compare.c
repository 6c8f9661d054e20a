/* SPDX-License-Identifier: MIT */
/*
 * Is what one destination asks of a peer less than what another asks?  Knows
 * what each setting admits; which section holds for a connection is policy.c's
 * affair.
 */
#include "config/policy.h"

#include <string.h>

struct comparison {
	enum policy_rank rank;
	const char *key; /* the setting that made it so */
};

/* The gravest counts, and of those the first. */
static void note(struct comparison *c, enum policy_rank rank, const char *key)
{
	if (rank <= c->rank)
		return;
	c->rank = rank;
	c->key = key;
}

static bool is_same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* How much is asked of staples, from nothing on. */
static int ocsp_grade(enum tls_ocsp ocsp)
{
	switch (ocsp) {
	case TLS_OCSP_REQUIRED:
		return 2;
	case TLS_OCSP_STAPLED:
		return 1;
	case TLS_OCSP_OFF:
		break;
	}
	return 0;
}

static void compare_anchors(struct comparison *c, const struct tls_settings *a,
	const struct tls_settings *b)
{
	if (!is_same(a->ca_file, b->ca_file))
		note(c, POLICY_OTHER, "ca-file");
	if (!is_same(a->ca_dir, b->ca_dir))
		note(c, POLICY_OTHER, "ca-dir");
	if (b->no_partial_chain && !a->no_partial_chain)
		note(c, POLICY_WEAKER, "partial-chain");
	if (b->x509_strict && !a->x509_strict)
		note(c, POLICY_WEAKER, "x509-strict");
}

static void compare_revocation(struct comparison *c,
	const struct tls_settings *a, const struct tls_settings *b)
{
	bool wanted = b->crl_file || b->crl_dir;

	if (wanted && !a->crl_file && !a->crl_dir)
		note(c, POLICY_WEAKER, "crl-file");
	else if (wanted && !is_same(a->crl_file, b->crl_file))
		note(c, POLICY_OTHER, "crl-file");
	else if (wanted && !is_same(a->crl_dir, b->crl_dir))
		note(c, POLICY_OTHER, "crl-dir");
	if (wanted && a->crl_insecure_soft && !b->crl_insecure_soft)
		note(c, POLICY_WEAKER, "crl");
	if (ocsp_grade(a->ocsp) < ocsp_grade(b->ocsp))
		note(c, POLICY_WEAKER, "ocsp");
}

static unsigned resume_seconds(const struct tls_settings *tls)
{
	if (tls->no_resume)
		return 0;
	return tls->resume_seconds ? tls->resume_seconds : TLS_RESUME_SECONDS;
}

/* The keys of both settings are one set, any of which will do. */
static void compare_pins(struct comparison *c, const struct tls_settings *a,
	const struct tls_settings *b)
{
	if (!b->pins && !b->pin_file)
		return;
	if (!a->pins && !a->pin_file)
		note(c, POLICY_WEAKER, b->pins ? "pin" : "pin-file");
	if (!is_same(a->pins, b->pins))
		note(c, POLICY_OTHER, "pin");
	if (!is_same(a->pin_file, b->pin_file))
		note(c, POLICY_OTHER, "pin-file");
}

static void compare_protocol(struct comparison *c, const struct tls_settings *a,
	const struct tls_settings *b)
{
	if (b->min_version > TLS_VERSION_1_2 && a->min_version < b->min_version)
		note(c, POLICY_WEAKER, "min-version");
	if (resume_seconds(a) > resume_seconds(b))
		note(c, POLICY_WEAKER, "resume");
	if (!is_same(a->openssl, b->openssl))
		note(c, POLICY_WEAKER, "openssl");
	if (a->eof_insecure_lax && !b->eof_insecure_lax)
		note(c, POLICY_WEAKER, "eof");
}

/*
 * a is as strict as b where b would accept every peer that a accepts, and every
 * end, and a tells no more to others.  So these make it weaker, or another:
 *   verify			a lower level: weaker.  Where b verifies nothing
 *				but pins, only those, the protocol and the key
 *				log are left to compare
 *   server-name		another, or one where b has none: other (not
 *				where b does not look at names)
 *   ca-file, ca-dir		any difference: other
 *   partial-chain, x509-strict	b's restriction is missing: weaker
 *   crl-file, crl-dir		none where b has some: weaker; others: other
 *   crl			soft where b's lists are required: weaker
 *   ocsp			less: weaker
 *   pin, pin-file		none where b has some: weaker; others: other
 *   min-version		lower: weaker
 *   resume			for longer after a verification: weaker
 *   openssl			any difference: weaker, for nobody here knows
 *				what the commands mean
 *   eof			lax where b's is strict: weaker
 *   keylog			on where b's is off: weaker
 * What says nothing of the peer does not count: cert, key, alpn, sni,
 * max-version (b has the lower versions, too), times and the port.
 */
enum policy_rank policy_compare(const struct config_dest *a,
	const struct config_dest *b, const char **key)
{
	struct comparison c = {POLICY_AS_STRICT, NULL};

	if (a->tls.verify > b->tls.verify)
		note(&c, POLICY_WEAKER, "verify");
	if (b->tls.verify == TLS_VERIFY_FULL &&
		!is_same(a->server_name, b->server_name))
		note(&c, POLICY_OTHER, "server-name");
	if (b->tls.verify != TLS_VERIFY_INSECURE_NONE) {
		compare_anchors(&c, &a->tls, &b->tls);
		compare_revocation(&c, &a->tls, &b->tls);
	}
	compare_pins(&c, &a->tls, &b->tls);
	compare_protocol(&c, &a->tls, &b->tls);
	if (a->keylog && !b->keylog)
		note(&c, POLICY_WEAKER, "keylog");
	*key = c.key;
	return c.rank;
}
