/* SPDX-License-Identifier: MIT */
/*
 * Stapled OCSP responses.  Judged when the chain is verified, before any byte
 * of the peer counts.
 */
#include "engine/staple.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include "engine/describe.h"
#include "engine/failure.h"
#include "engine/session.h"
#include "engine/trace.h"
#include "engine/verify.h"

#define CLOCK_SKEW 300 /* seconds */
/* Of a response that does not say when the next one is due. */
#define UNDATED_MAX (24 * 3600)
#define FEATURE_STATUS_REQUEST 5

static const char revoked[] =
	"certificate is revoked, says the stapled OCSP response";

static bool has_must_staple(X509 *cert)
{
	TLS_FEATURE *features =
		X509_get_ext_d2i(cert, NID_tlsfeature, NULL, NULL);
	bool found = false;

	for (int i = 0; i < sk_ASN1_INTEGER_num(features); i++)
		found |= ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) ==
			 FEATURE_STATUS_REQUEST;
	TLS_FEATURE_free(features);
	return found;
}

/* NULL: the dates are right. */
static const char *judge_dates(OCSP_SINGLERESP *single, struct verdict *verdict)
{
	ASN1_GENERALIZEDTIME *this_update, *next_update;

	OCSP_single_get0_status(single, NULL, NULL, &this_update, &next_update);
	verdict_limit(verdict, next_update ? next_update : this_update,
		next_update ? 0 : UNDATED_MAX);
	if (OCSP_check_validity(this_update, next_update, CLOCK_SKEW,
		    next_update ? -1 : UNDATED_MAX))
		return NULL;
	return "the stapled OCSP response is expired or not valid yet";
}

static const char *judge_status(OCSP_SINGLERESP *single)
{
	switch (OCSP_single_get0_status(single, NULL, NULL, NULL, NULL)) {
	case V_OCSP_CERTSTATUS_GOOD:
		return NULL;
	case V_OCSP_CERTSTATUS_REVOKED:
		return revoked;
	default:
		return "the stapled OCSP response does not know the "
		       "certificate";
	}
}

/* Is it about this certificate?  By the hash that the responder chose. */
static bool is_about(
	OCSP_SINGLERESP *single, const X509 *cert, const X509 *issuer)
{
	OCSP_CERTID *theirs =
		(OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(single);
	ASN1_OBJECT *algorithm;
	const EVP_MD *md;
	OCSP_CERTID *ours;
	bool equal;

	if (!OCSP_id_get0_info(NULL, &algorithm, NULL, NULL, theirs))
		return false;
	md = EVP_get_digestbyobj(algorithm);
	ours = md ? OCSP_cert_to_id(md, cert, issuer) : NULL;
	equal = ours && !OCSP_id_cmp(ours, theirs);
	OCSP_CERTID_free(ours);
	return equal;
}

static const char *judge_singles(OCSP_BASICRESP *basic, const X509 *cert,
	const X509 *issuer, struct verdict *verdict)
{
	const char *problem =
		"the stapled OCSP response is about another certificate";

	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);

		if (!is_about(single, cert, issuer))
			continue;
		problem = judge_dates(single, verdict);
		if (!problem)
			problem = judge_status(single);
		if (problem)
			return problem;
	}
	return problem;
}

static const char *judge_basic(OCSP_BASICRESP *basic, STACK_OF(X509) * chain,
	X509_STORE *store, struct verdict *verdict)
{
	/* The responder is the issuer or one that it certified for this. */
	if (OCSP_basic_verify(basic, chain, store, OCSP_PARTIAL_CHAIN) <= 0)
		return "the stapled OCSP response is not signed by the "
		       "certificate's issuer or its responder";
	return judge_singles(basic, sk_X509_value(chain, 0),
		sk_X509_value(chain, 1), verdict);
}

static const char *judge(const unsigned char *der, long len,
	STACK_OF(X509) * chain, X509_STORE *store, struct verdict *verdict)
{
	OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &der, len);
	OCSP_BASICRESP *basic = NULL;
	const char *problem = "the stapled OCSP response is damaged";

	if (response && OCSP_response_status(response) !=
				OCSP_RESPONSE_STATUS_SUCCESSFUL)
		problem = "the stapled OCSP response is an error";
	else if (response)
		basic = OCSP_response_get1_basic(response);
	if (basic)
		problem = judge_basic(basic, chain, store, verdict);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	ERR_clear_error();
	return problem;
}

/* No response was given: may that be? */
static const char *judge_absence(const struct tls_session *s, X509 *cert)
{
	if (s->ctx->settings->ocsp == TLS_OCSP_REQUIRED)
		return "the server staples no OCSP response "
		       "(TLSSHIM_OCSP=require-stapled)";
	if (has_must_staple(cert))
		return "the certificate demands a stapled OCSP response, and "
		       "the server gives none";
	return NULL;
}

/* The server's certificate is what is trusted itself: who may sign a response
 * about it is not known. */
static int accept_anchor(struct tls_session *s, X509 *cert)
{
	if (s->ctx->settings->ocsp != TLS_OCSP_REQUIRED)
		return 1;
	s->verified = false;
	verify_refuse(s, cert, X509_V_ERR_OCSP_VERIFY_NEEDED,
		"TLSSHIM_OCSP=require-stapled cannot be met: the server's "
		"certificate itself is trusted, and its issuer is not");
	return 0;
}

/* SSL_CTX_set_tlsext_status_cb(3): 1 go on, 0 refuse. */
static int on_status(SSL *ssl, void *arg)
{
	struct tls_session *s = SSL_get_app_data(ssl);
	STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
	X509 *cert = sk_X509_value(chain, 0);
	const unsigned char *der = NULL;
	long len = SSL_get_tlsext_status_ocsp_resp(ssl, &der);
	const char *problem;

	(void)arg;
	/* What the ticket stands for was judged; finish_handshake() looks. */
	if (SSL_session_reused(ssl))
		return 1;
	if (!cert)
		return 0;
	/* RFC 7633: each handshake is to bring a response, and one that
	 * resumes a session brings none. */
	if (has_must_staple(cert))
		verdict_end(&s->verdict);
	/* The user trusts this very certificate: no issuer says more. */
	if (sk_X509_num(chain) < 2)
		return accept_anchor(s, cert);
	if (der && len > 0)
		problem = judge(der, len, chain,
			SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl)),
			&s->verdict);
	else
		problem = judge_absence(s, cert);
	trace_step(s, "stapled OCSP response: %s",
		problem	  ? problem
		: len > 0 ? "good"
			  : "none");
	if (!problem)
		return 1;
	s->verified = false;
	verify_refuse(s, cert,
		problem == revoked ? X509_V_ERR_CERT_REVOKED
				   : X509_V_ERR_OCSP_VERIFY_FAILED,
		problem);
	return 0;
}

void staple_install(SSL_CTX *ctx, const struct tls_settings *settings)
{
	if (settings->ocsp == TLS_OCSP_OFF ||
		settings->verify == TLS_VERIFY_INSECURE_NONE)
		return;
	SSL_CTX_set_tlsext_status_type(ctx, TLSEXT_STATUSTYPE_ocsp);
	SSL_CTX_set_tlsext_status_cb(ctx, on_status);
}
