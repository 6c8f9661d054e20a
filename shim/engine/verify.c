/* SPDX-License-Identifier: MIT */
/*
 * Is this the peer that it should be?  OpenSSL builds and checks the chain
 * (RFC 5280), identity.c checks the names; here the two become one verdict,
 * and a refusal becomes a text.
 */
#include "verify.h"

#include <openssl/x509v3.h>
#include "arena.h"
#include "describe.h"
#include "failure.h"
#include "session.h"
#include "trace.h"

/* What a refusal says, where X509_verify_cert_error_string() does not speak
 * to a user of the program. */
static const char *reason_of(int error, int depth)
{
	switch (error) {
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return "certificate of an unknown issuer";
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		return "self-signed certificate";
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		return "certificate of a CA that is not trusted";
	case X509_V_ERR_INVALID_PURPOSE:
		return depth ? "CA certificate is not for TLS servers "
			       "(extended key usage)"
			     : "certificate is not for TLS servers "
			       "(extended key usage)";
	case X509_V_ERR_INVALID_CA:
		return "issuer's certificate is not one of a CA";
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		return "certificate's signature is wrong";
	case X509_V_ERR_CERT_REVOKED:
		return "certificate is revoked";
	case X509_V_ERR_EE_KEY_TOO_SMALL:
	case X509_V_ERR_CA_KEY_TOO_SMALL:
		return "certificate's key is too short";
	case X509_V_ERR_CA_MD_TOO_WEAK:
		return "certificate's signature uses a weak hash";
	case X509_V_ERR_CERT_CHAIN_TOO_LONG:
		return "chain of certificates is too long";
	case X509_V_ERR_UNABLE_TO_GET_CRL:
		return "there is no CRL of the certificate's issuer";
	case X509_V_ERR_CRL_HAS_EXPIRED:
		return "the CRL of the certificate's issuer has expired";
	case X509_V_ERR_CRL_NOT_YET_VALID:
		return "the CRL of the certificate's issuer is not valid yet";
	case X509_V_ERR_CRL_SIGNATURE_FAILURE:
		return "the signature of the issuer's CRL is wrong";
	default:
		return NULL;
	}
}

/* What the user can do about it. */
static const char *hint_for(int error)
{
	switch (error) {
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return "set TLSSHIM_CA_FILE to the CA's certificate, or have "
		       "the server send its intermediate certificates";
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		return "if this CA or server is to be trusted, set "
		       "TLSSHIM_CA_FILE to its certificate";
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return "set TLSSHIM_SERVER_NAME to the name that the server "
		       "is known by, or have its certificate name it";
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "renew the certificate, or set the clock right";
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_CRL_NOT_YET_VALID:
		return "put the CA's present CRL into TLSSHIM_CRL_FILE or "
		       "TLSSHIM_CRL_DIR";
	case X509_V_ERR_OCSP_VERIFY_FAILED:
		return "have the server staple a good response (TLSSHIM_OCSP)";
	case X509_V_ERR_APPLICATION_VERIFICATION:
		return "if the server's key was changed on purpose, add the "
		       "new pin to TLSSHIM_PIN";
	default:
		return "have the server present another certificate";
	}
}

static void add_reason(struct text *t, int error, int depth, const X509 *cert)
{
	const char *reason = reason_of(error, depth);

	if (error == X509_V_ERR_CERT_HAS_EXPIRED && cert) {
		text_add(t, "certificate expired ");
		describe_date(t, X509_get0_notAfter(cert));
	} else if (error == X509_V_ERR_CERT_NOT_YET_VALID && cert) {
		text_add(t, "certificate is not valid before ");
		describe_date(t, X509_get0_notBefore(cert));
	} else if (reason) {
		text_add(t, "%s", reason);
	} else {
		text_add(t, "certificate refused: %s",
			X509_verify_cert_error_string(error));
	}
}

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
static void explain(struct tls_session *s, X509 *cert, int depth, int error)
{
	struct tls_refusal *r = s->refusal;

	if (!r)
		r = arena_zalloc(sizeof(*r));
	if (!r)
		return;
	*r = (struct tls_refusal){.depth = depth,
		.reason = X509_verify_cert_error_string(error),
		.hint = hint_for(error)};
	if (cert)
		explain_certificate(r, cert);
	s->refusal = r;
	s->failure.refusal = r;
}

/* "certificate expired 2026-03-01 (depth 1, CN=..., issuer CN=...)" */
static void refuse_chain(struct tls_session *s, X509_STORE_CTX *chain)
{
	X509 *cert = X509_STORE_CTX_get_current_cert(chain);
	int depth = X509_STORE_CTX_get_error_depth(chain);
	int error = X509_STORE_CTX_get_error(chain);
	char problem[200];
	struct text t = text_in(problem, sizeof(problem));

	add_reason(&t, error, depth, cert);
	verify_refuse(s, cert, depth, error, problem);
}

void verify_refuse(struct tls_session *s, X509 *cert, int depth, int error,
	const char *problem)
{
	struct tls_failure *f = &s->failure;
	struct text t = text_in(f->text, sizeof(f->text));

	f->kind = TLS_FAIL_TRUST;
	explain(s, cert, depth, error);
	text_add(&t, "%s", problem);
	if (!cert)
		return;
	text_add(&t, " (");
	if (depth)
		text_add(&t, "depth %d, ", depth);
	describe_who(&t, cert);
	text_add(&t, ")");
}

/* "certificate is not valid for the name a (it is for b, c; CN=...)" */
static void refuse_identity(
	struct tls_session *s, X509 *cert, int error, const char *missing)
{
	struct tls_failure *f = &s->failure;
	struct text t = text_in(f->text, sizeof(f->text));

	f->kind = TLS_FAIL_TRUST;
	explain(s, cert, 0, error);
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
	verify_refuse(s, cert, 0, X509_V_ERR_APPLICATION_VERIFICATION, problem);
	return false;
}

/* TLSSHIM_CRL=insecure-soft: what no present CRL speaks of is not revoked. */
static int soft(int ok, X509_STORE_CTX *chain)
{
	switch (ok ? X509_V_OK : X509_STORE_CTX_get_error(chain)) {
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_CRL_NOT_YET_VALID:
		X509_STORE_CTX_set_error(chain, X509_V_OK);
		return 1;
	default:
		return ok;
	}
}

static bool check_chain(struct tls_session *s, X509_STORE_CTX *chain)
{
	if (s->ctx->settings->crl_insecure_soft)
		X509_STORE_CTX_set_verify_cb(chain, soft);
	if (X509_verify_cert(chain) > 0)
		return true;
	if (X509_STORE_CTX_get_error(chain) == X509_V_OK)
		X509_STORE_CTX_set_error(chain, X509_V_ERR_UNSPECIFIED);
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
	return 1;
}

void verify_install(SSL_CTX *ctx, const struct tls_settings *settings)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
	unsigned long flags = 0;

	if (settings->x509_strict)
		flags |= X509_V_FLAG_X509_STRICT;
	if (settings->crl_file || settings->crl_dir)
		flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
	X509_VERIFY_PARAM_set_flags(param, flags);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, verify, NULL);
	SSL_CTX_set_cert_cb(ctx, note_request, NULL);
}
