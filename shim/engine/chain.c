/* SPDX-License-Identifier: MIT */
/*
 * From the server's certificate to one that is trusted.  Anchors:
 *
 *   self-signed             ends a chain
 *   another of the user's   ends one as well, unless TLSSHIM_PARTIAL_CHAIN=no,
 *                           but only where no chain to a self-signed one can
 *                           be built: that one's own restrictions (dates, name
 *                           constraints, usage) hold for what is below it
 */
#include "engine/chain.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

bool chain_lacks_issuer(int error)
{
	return error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
	       error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
	       error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
	       error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN;
}

/* ---- CRLs ---- */

/*
 * TLSSHIM_CRL=insecure-soft: what no present CRL speaks of is not revoked.
 * One of another scope is still looked into.
 */
static int soft(int ok, X509_STORE_CTX *chain)
{
	switch (ok ? X509_V_OK : X509_STORE_CTX_get_error(chain)) {
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_DIFFERENT_CRL_SCOPE:
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_CRL_NOT_YET_VALID:
		X509_STORE_CTX_set_error(chain, X509_V_OK);
		return 1;
	default:
		return ok;
	}
}

static bool is_current(const X509_CRL *crl)
{
	const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);

	return X509_cmp_current_time(X509_CRL_get0_lastUpdate(crl)) < 0 &&
	       (!next || X509_cmp_current_time(next) > 0);
}

/* What the CRLs of that issuer that are there say of the anchor. */
static int judge_anchor(X509_STORE_CTX *chain, X509 *anchor)
{
	STACK_OF(X509_CRL) *all =
		X509_STORE_CTX_get1_crls(chain, X509_get_issuer_name(anchor));
	int error = sk_X509_CRL_num(all) > 0 ? X509_V_ERR_CRL_HAS_EXPIRED
					     : X509_V_OK;

	for (int i = 0; i < sk_X509_CRL_num(all); i++)
		if (is_current(sk_X509_CRL_value(all, i)))
			error = X509_V_OK;
	for (int i = 0; i < sk_X509_CRL_num(all); i++) {
		X509_REVOKED *entry;

		if (X509_CRL_get0_by_cert(
			    sk_X509_CRL_value(all, i), &entry, anchor) == 1)
			error = X509_V_ERR_CERT_REVOKED;
	}
	sk_X509_CRL_pop_free(all, X509_CRL_free);
	return error;
}

/* Is the error about a CA that the user trusts though its own issuer is not
 * known?  Not where the server itself is trusted: of that a CRL is wanted. */
static bool is_about_anchor(X509_STORE_CTX *chain)
{
	int depth = X509_STORE_CTX_get_error_depth(chain);
	STACK_OF(X509) *all = X509_STORE_CTX_get0_chain(chain);

	return depth > 0 && depth == sk_X509_num(all) - 1 &&
	       X509_self_signed(sk_X509_value(all, depth), 0) == 0;
}

/*
 * A CRL of the anchor's issuer may be missing, for OpenSSL cannot even use one
 * that is there: it does not know who may sign it.  One that is there was put
 * there by the user, and counts.
 */
static int exempt_anchor(int ok, X509_STORE_CTX *chain)
{
	int error = X509_STORE_CTX_get_error(chain);

	if (ok || !is_about_anchor(chain))
		return ok;
	switch (error) {
	case X509_V_ERR_UNABLE_TO_GET_CRL:
		error = judge_anchor(
			chain, X509_STORE_CTX_get_current_cert(chain));
		break;
	/* Its signer, or who it takes for that: the list is looked into. */
	case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
	case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
	case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
	case X509_V_ERR_CRL_SIGNATURE_FAILURE:
		error = X509_V_OK;
		break;
	default:
		return ok;
	}
	X509_STORE_CTX_set_error(chain, error);
	return error == X509_V_OK;
}

static int exempt_anchor_soft(int ok, X509_STORE_CTX *chain)
{
	return soft(exempt_anchor(ok, chain), chain);
}

/* ---- anchors ---- */

static bool run(X509_STORE_CTX *chain)
{
	bool ok = X509_verify_cert(chain) > 0;

	if (!ok && X509_STORE_CTX_get_error(chain) == X509_V_OK)
		X509_STORE_CTX_set_error(chain, X509_V_ERR_UNSPECIFIED);
	return ok;
}

/* A context of its own, for one is used once, and what differs: that any
 * certificate of the user's is an anchor. */
static X509_STORE_CTX *new_attempt(
	X509_STORE_CTX *first, const struct tls_settings *settings)
{
	int ssl = SSL_get_ex_data_X509_STORE_CTX_idx();
	X509_STORE_CTX *c = X509_STORE_CTX_new();

	if (!c)
		return NULL;
	if (!X509_STORE_CTX_init(c, X509_STORE_CTX_get0_store(first),
		    X509_STORE_CTX_get0_cert(first),
		    X509_STORE_CTX_get0_untrusted(first)) ||
		!X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(c),
			X509_STORE_CTX_get0_param(first)) ||
		!X509_STORE_CTX_set_ex_data(
			c, ssl, X509_STORE_CTX_get_ex_data(first, ssl))) {
		X509_STORE_CTX_free(c);
		return NULL;
	}
	X509_STORE_CTX_set_flags(c, X509_V_FLAG_PARTIAL_CHAIN);
	X509_STORE_CTX_set_verify_cb(c, settings->crl_insecure_soft
						? exempt_anchor_soft
						: exempt_anchor);
	return c;
}

/* What came of the attempt becomes that of the context that OpenSSL has. */
static void adopt(X509_STORE_CTX *chain, X509_STORE_CTX *attempt)
{
	X509_STORE_CTX_set0_verified_chain(
		chain, X509_STORE_CTX_get1_chain(attempt));
	X509_STORE_CTX_set_error(chain, X509_STORE_CTX_get_error(attempt));
	X509_STORE_CTX_set_error_depth(
		chain, X509_STORE_CTX_get_error_depth(attempt));
	X509_STORE_CTX_set_current_cert(
		chain, X509_STORE_CTX_get_current_cert(attempt));
}

/* Where neither finds an anchor the first one tells more: it looked for the
 * issuer of the last certificate and not for any other end. */
static bool verify_partial(
	X509_STORE_CTX *chain, const struct tls_settings *settings)
{
	X509_STORE_CTX *attempt = new_attempt(chain, settings);
	bool ok = attempt && run(attempt);

	if (ok || (attempt && !chain_lacks_issuer(
				      X509_STORE_CTX_get_error(attempt))))
		adopt(chain, attempt);
	X509_STORE_CTX_free(attempt);
	return ok;
}

/* In the system's store self-signed certificates alone are anchors. */
static bool may_be_partial(const struct tls_settings *settings)
{
	return !settings->no_partial_chain &&
	       (settings->ca_file || settings->ca_dir);
}

bool chain_verify(X509_STORE_CTX *chain, const struct tls_settings *settings)
{
	if (settings->crl_insecure_soft)
		X509_STORE_CTX_set_verify_cb(chain, soft);
	if (run(chain))
		return true;
	return may_be_partial(settings) &&
	       chain_lacks_issuer(X509_STORE_CTX_get_error(chain)) &&
	       verify_partial(chain, settings);
}
