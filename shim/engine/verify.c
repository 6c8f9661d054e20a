/* SPDX-License-Identifier: MIT */
/*
 * Is this the peer that it should be?  chain.c checks the chain (RFC
 * 5280), identity.c the names; here the two become one verdict, and a refusal
 * becomes a text.
 */
#include "engine/verify.h"

#include <openssl/x509v3.h>
#include "engine/arena.h"
#include "engine/chain.h"
#include "engine/control.h"
#include "engine/describe.h"
#include "engine/failure.h"
#include "engine/reason.h"
#include "engine/session.h"
#include "engine/trace.h"

static void explain_certificate(struct tls_refusal *r, X509 *cert)
{
	struct text subject = text_in(r->subject, sizeof(r->subject));
	struct text issuer = text_in(r->issuer, sizeof(r->issuer));
	struct text names = text_in(r->names, sizeof(r->names));
	struct text from = text_in(r->not_before, sizeof(r->not_before));
	struct text to = text_in(r->not_after, sizeof(r->not_after));

	describe_name(&subject, X509_get_subject_name(cert));
	describe_name(&issuer, X509_get_issuer_name(cert));
	describe_alt_names(&names, cert);
	describe_date(&from, X509_get0_notBefore(cert));
	describe_date(&to, X509_get0_notAfter(cert));
}

/* Without memory the log says less; the refusal stands. */
static void explain(struct tls_session *s, X509 *cert, int depth, int error,
	const char *hint)
{
	struct tls_refusal *r = s->refusal;

	if (!r)
		r = arena_zalloc(sizeof(*r));
	if (!r)
		return;
	*r = (struct tls_refusal){.depth = depth,
		.reason = X509_verify_cert_error_string(error),
		.hint = hint};
	if (cert)
		explain_certificate(r, cert);
	s->refusal = r;
	s->failure.refusal = r;
}

static void refuse(struct tls_session *s, X509 *cert, int depth, int error,
	const char *problem, const char *hint)
{
	struct tls_failure *f = &s->failure;
	struct text t = text_in(f->text, sizeof(f->text));

	f->kind = TLS_FAIL_TRUST;
	explain(s, cert, depth, error, hint);
	text_add(&t, "%s", problem);
	if (!cert)
		return;
	text_add(&t, " (");
	if (depth)
		text_add(&t, "depth %d, ", depth);
	describe_who(&t, cert);
	text_add(&t, ")");
}

/* "certificate expired 2026-03-01 (depth 1, CN=..., issuer CN=...)" */
static void refuse_chain(struct tls_session *s, X509_STORE_CTX *chain)
{
	char problem[200];
	struct text t = text_in(problem, sizeof(problem));
	int error = X509_STORE_CTX_get_error(chain);
	const char *hint = reason_of_chain(&t, chain);

	refuse(s, X509_STORE_CTX_get_current_cert(chain),
		X509_STORE_CTX_get_error_depth(chain), error, problem, hint);
}

void verify_refuse(
	struct tls_session *s, X509 *cert, int error, const char *problem)
{
	refuse(s, cert, 0, error, problem, reason_hint(error, cert));
}

/* "certificate is not valid for the name a (it is for b, c; CN=...)" */
static void refuse_identity(
	struct tls_session *s, X509 *cert, int error, const char *missing)
{
	struct tls_failure *f = &s->failure;
	struct text t = text_in(f->text, sizeof(f->text));

	f->kind = TLS_FAIL_TRUST;
	explain(s, cert, 0, error, reason_hint(error, cert));
	text_add(&t, "certificate is not valid for %s (it is for ", missing);
	describe_alt_names(&t, cert);
	text_add(&t, "; ");
	describe_who(&t, cert);
	text_add(&t, ")");
}

static bool check_identity(struct tls_session *s, X509_STORE_CTX *chain)
{
	X509 *cert = X509_STORE_CTX_get0_cert(chain);
	char missing[160];
	struct text t = text_in(missing, sizeof(missing));
	int error = identity_check(s->id, cert, &t);

	if (error == X509_V_OK)
		return true;
	X509_STORE_CTX_set_error(chain, error);
	refuse_identity(s, cert, error, missing);
	return false;
}

/* Without a verified chain only the server's own key has proved itself. */
static bool check_pins(struct tls_session *s, X509_STORE_CTX *chain)
{
	const struct pins *pins = &s->ctx->pins;
	X509 *cert = X509_STORE_CTX_get0_cert(chain);
	STACK_OF(X509) *all = X509_STORE_CTX_get0_chain(chain);
	char pin[PINS_TEXT_SIZE], problem[160];
	struct text t = text_in(problem, sizeof(problem));

	if (!pins->n || pins_match(pins, cert))
		return true;
	if (s->ctx->settings->verify != TLS_VERIFY_INSECURE_NONE)
		for (int i = 0; i < sk_X509_num(all); i++)
			if (pins_match(pins, sk_X509_value(all, i)))
				return true;
	pins_describe(pin, cert);
	text_add(&t, "no pin matches the chain; the server's is %s", pin);
	X509_STORE_CTX_set_error(chain, X509_V_ERR_APPLICATION_VERIFICATION);
	verify_refuse(s, cert, X509_V_ERR_APPLICATION_VERIFICATION, problem);
	return false;
}

static bool check_chain(struct tls_session *s, X509_STORE_CTX *chain)
{
	if (chain_verify(chain, s->ctx->settings))
		return true;
	refuse_chain(s, chain);
	return false;
}

/*
 * SSL_CTX_set_cert_verify_callback(3): instead of X509_verify_cert().  The
 * error left in the chain's context chooses the alert.
 */
static int verify(X509_STORE_CTX *chain, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
		chain, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_session *s = SSL_get_app_data(ssl);
	enum tls_verify level = s->ctx->settings->verify;

	(void)arg;
	trace_chain(s, X509_STORE_CTX_get0_untrusted(chain));
	if (level != TLS_VERIFY_INSECURE_NONE && !check_chain(s, chain))
		return 0;
	if (!check_pins(s, chain))
		return 0;
	if (level == TLS_VERIFY_FULL && !check_identity(s, chain))
		return 0;
	X509_STORE_CTX_set_error(chain, X509_V_OK);
	verdict_begin(&s->verdict);
	verdict_limit_chain(&s->verdict, X509_STORE_CTX_get0_chain(chain));
	s->verified = true;
	trace_step(s,
		level == TLS_VERIFY_FULL
			? "certificate accepted: chain and identity are right"
			: "certificate accepted as TLSSHIM_VERIFY has it");
	return 1;
}

/* SSL_CTX_set_cert_cb(3): the server asks for our certificate. */
static int note_request(SSL *ssl, void *arg)
{
	struct tls_session *s = SSL_get_app_data(ssl);

	(void)arg;
	s->client_cert_asked = true;
	return control_cert_request(s);
}

/*
 * RFC 5280, section 6.3, whole.  Without the extended support OpenSSL before
 * 3.0.22 takes a delta CRL, which lists changes alone, for a complete one: what
 * the complete one revokes would be good again.
 */
#define CRL_FLAGS                                                              \
	(X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL |                   \
		X509_V_FLAG_EXTENDED_CRL_SUPPORT | X509_V_FLAG_USE_DELTAS)

void verify_install(SSL_CTX *ctx, const struct tls_settings *settings)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
	unsigned long flags = 0;

	if (settings->x509_strict)
		flags |= X509_V_FLAG_X509_STRICT;
	if (settings->crl_file || settings->crl_dir)
		flags |= CRL_FLAGS;
	X509_VERIFY_PARAM_set_flags(param, flags);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, verify, NULL);
	SSL_CTX_set_cert_cb(ctx, note_request, NULL);
}
