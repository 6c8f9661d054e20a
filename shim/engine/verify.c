/* SPDX-License-Identifier: MIT */
/*
 * Is this the peer that it should be?  OpenSSL builds and checks the chain
 * (RFC 5280), identity.c checks the names; here the two become one verdict,
 * and a refusal becomes a text.
 */
#include "verify.h"

#include <openssl/x509v3.h>
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
	default:
		return NULL;
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

/* "certificate expired 2026-03-01 (depth 1, CN=..., issuer CN=...)" */
static void refuse_chain(struct tls_failure *f, X509_STORE_CTX *chain)
{
	const X509 *cert = X509_STORE_CTX_get_current_cert(chain);
	int depth = X509_STORE_CTX_get_error_depth(chain);
	struct text t = text_in(f->text, sizeof(f->text));

	f->kind = TLS_FAIL_TRUST;
	add_reason(&t, X509_STORE_CTX_get_error(chain), depth, cert);
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
	struct tls_failure *f, X509 *cert, const char *missing)
{
	struct text t = text_in(f->text, sizeof(f->text));

	f->kind = TLS_FAIL_TRUST;
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
	refuse_identity(&s->failure, cert, missing);
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

	(void)arg;
	trace_chain(s, X509_STORE_CTX_get0_untrusted(chain));
	if (X509_verify_cert(chain) <= 0) {
		if (X509_STORE_CTX_get_error(chain) == X509_V_OK)
			X509_STORE_CTX_set_error(chain, X509_V_ERR_UNSPECIFIED);
		refuse_chain(&s->failure, chain);
		return 0;
	}
	if (!check_identity(s, chain))
		return 0;
	s->verified = true;
	trace_step(s, "certificate accepted: chain and identity are right");
	return 1;
}

void verify_install(SSL_CTX *ctx)
{
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, verify, NULL);
}
