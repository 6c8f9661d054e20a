/* SPDX-License-Identifier: MIT */
/*
 * Why a certificate is refused, in words.  Those of
 * X509_verify_cert_error_string() are for people who know OpenSSL; the log
 * has them beside these.
 */
#include "engine/reason.h"

#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include "engine/chain.h"
#include "engine/describe.h"

#define FOR_TLS (KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT | KU_KEY_AGREEMENT)

static const char hint_other[] = "have the server present another certificate";
static const char hint_trust[] =
	"if this CA or server is to be trusted, set TLSSHIM_CA_FILE to its "
	"certificate";
static const char hint_issuer[] =
	"set TLSSHIM_CA_FILE to the CA's certificate, or have the server send "
	"its intermediate certificates";
static const char hint_namesake[] =
	"set TLSSHIM_CA_FILE to the CA's present certificate, or have the "
	"server present one of the CA that is trusted";
static const char hint_date[] = "renew the certificate, or set the clock right";
static const char hint_ca_date[] =
	"replace this CA's certificate, in TLSSHIM_CA_FILE or in what the "
	"server sends, or set the clock right";
static const char hint_key[] =
	"renew the certificate, with a key of at least 2048 bits (RSA) or 256 "
	"(EC)";
static const char hint_hash[] =
	"renew the certificate, signed with SHA-256 or better";
static const char hint_purpose[] =
	"have the server present a certificate that is made for TLS servers";
static const char hint_names[] =
	"have the certificate issued with such names alone as the CA's name "
	"constraints allow, or by another CA";
static const char hint_strict[] =
	"TLSSHIM_X509_STRICT asks for it: renew the certificate as RFC 5280 "
	"has it, or unset that";
static const char hint_crl[] =
	"put the CA's present CRL into TLSSHIM_CRL_FILE or TLSSHIM_CRL_DIR";

/* NULL: OpenSSL's words, or hint_other. */
static const struct {
	int error;
	const char *reason, *hint;
} known[] = {
	{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
		"certificate of an unknown issuer", hint_issuer},
	{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
		"certificate of an unknown issuer", hint_issuer},
	{X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
		"certificate of an unknown issuer", hint_issuer},
	{X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "self-signed certificate",
		hint_trust},
	{X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
		"certificate of a CA that is not trusted", hint_trust},
	{X509_V_ERR_CERT_SIGNATURE_FAILURE, "certificate's signature is wrong",
		hint_namesake},
	{X509_V_ERR_CERT_REJECTED,
		"CA is not trusted for TLS servers (a TRUSTED CERTIFICATE "
		"with restrictions)",
		"take the restrictions off: openssl x509 -clrtrust -clrreject"},
	{X509_V_ERR_CERT_HAS_EXPIRED, NULL, hint_date},
	{X509_V_ERR_CERT_NOT_YET_VALID, NULL, hint_date},
	{X509_V_ERR_INVALID_PURPOSE, NULL, hint_purpose},
	{X509_V_ERR_PATH_LENGTH_EXCEEDED,
		"more CAs are in the chain than one of them allows (path "
		"length)",
		NULL},
	{X509_V_ERR_PERMITTED_VIOLATION,
		"certificate has a name that its CA may not certify (name "
		"constraints)",
		hint_names},
	{X509_V_ERR_EXCLUDED_VIOLATION,
		"certificate has a name that its CA may not certify (name "
		"constraints)",
		hint_names},
	{X509_V_ERR_CERT_REVOKED, "certificate is revoked", NULL},
	{X509_V_ERR_EE_KEY_TOO_SMALL, NULL, hint_key},
	{X509_V_ERR_CA_KEY_TOO_SMALL, NULL, hint_key},
	{X509_V_ERR_CA_MD_TOO_WEAK, NULL, hint_hash},
	{X509_V_ERR_CERT_CHAIN_TOO_LONG, "chain of certificates is too long",
		NULL},
	{X509_V_ERR_HOSTNAME_MISMATCH, NULL,
		"set TLSSHIM_SERVER_NAME to the name that the server is known "
		"by, or have its certificate name it"},
	{X509_V_ERR_IP_ADDRESS_MISMATCH, NULL,
		"set TLSSHIM_SERVER_NAME to the name that the server is known "
		"by, or have its certificate name it"},
	{X509_V_ERR_UNABLE_TO_GET_CRL,
		"there is no CRL of the certificate's issuer", hint_crl},
	{X509_V_ERR_CRL_HAS_EXPIRED,
		"the CRL of the certificate's issuer has expired", hint_crl},
	{X509_V_ERR_CRL_NOT_YET_VALID,
		"the CRL of the certificate's issuer is not valid yet",
		hint_crl},
	{X509_V_ERR_CRL_SIGNATURE_FAILURE,
		"the signature of the issuer's CRL is wrong", hint_crl},
	{X509_V_ERR_DIFFERENT_CRL_SCOPE,
		"the CRL of the certificate's issuer is about other "
		"certificates (scope)",
		hint_crl},
	{X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER,
		"the issuer of the CRL is not known", hint_crl},
	{X509_V_ERR_CRL_PATH_VALIDATION_ERROR,
		"the issuer of the CRL is not trusted", hint_crl},
	{X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION,
		"the CRL of the certificate's issuer has an unknown critical "
		"extension",
		hint_crl},
	{X509_V_ERR_KEYUSAGE_NO_CRL_SIGN,
		"the certificate's issuer may not sign CRLs (key usage)", NULL},
	{X509_V_ERR_OCSP_VERIFY_FAILED, NULL,
		"have the server staple a good response, or set TLSSHIM_OCSP "
		"to off"},
	{X509_V_ERR_OCSP_VERIFY_NEEDED, NULL,
		"put the issuer's certificate into TLSSHIM_CA_FILE, or set "
		"TLSSHIM_OCSP to stapled"},
	{X509_V_ERR_APPLICATION_VERIFICATION, NULL,
		"if the server's key was changed on purpose, add the new pin "
		"to TLSSHIM_PIN"},
};

/* Of errors that X509_V_FLAG_X509_STRICT alone raises. */
static bool is_strict(int error)
{
	return error >= X509_V_ERR_PATHLEN_INVALID_FOR_NON_CA &&
	       error <= X509_V_ERR_EXTENSIONS_REQUIRE_VERSION_3;
}

static const char *known_reason(int error)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].error == error)
			return known[i].reason;
	return NULL;
}

static const char *known_hint(int error)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].error == error && known[i].hint)
			return known[i].hint;
	return is_strict(error) ? hint_strict : hint_other;
}

/* ---- what the certificate itself tells ---- */

static void add_dates(struct text *t, int error, const X509 *cert)
{
	if (error == X509_V_ERR_CERT_HAS_EXPIRED) {
		text_add(t, "certificate expired ");
		describe_date(t, X509_get0_notAfter(cert));
	} else {
		text_add(t, "certificate is not valid before ");
		describe_date(t, X509_get0_notBefore(cert));
	}
}

static void add_purpose(struct text *t, int depth, X509 *cert)
{
	bool has_eku = X509_get_extension_flags(cert) & EXFLAG_XKUSAGE;
	uint32_t eku = X509_get_extended_key_usage(cert);

	text_add(t, "%s is not for TLS servers%s",
		depth ? "CA certificate" : "certificate",
		has_eku && !(eku & XKU_SSL_SERVER)   ? " (extended key usage)"
		: X509_get_key_usage(cert) & FOR_TLS ? ""
						     : " (key usage)");
}

static void add_key(struct text *t, const X509 *cert)
{
	if (X509_get0_pubkey(cert)) {
		text_add(t, "certificate's key is too short: ");
		describe_key(t, cert);
	} else {
		text_add(t, "certificate's key is of a kind that OpenSSL does "
			    "not know");
	}
}

static void add_hash(struct text *t, const X509 *cert)
{
	text_add(t, "certificate's signature uses a weak hash: %s",
		OBJ_nid2sn(X509_get_signature_nid(cert)));
}

static void add_critical(struct text *t, const X509 *cert)
{
	X509_EXTENSION *e;
	char oid[80];
	int i = -1;

	while ((i = X509_get_ext_by_critical(cert, 1, i)) >= 0) {
		e = X509_get_ext(cert, i);
		if (X509_supported_extension(e))
			continue;
		OBJ_obj2txt(oid, sizeof(oid), X509_EXTENSION_get_object(e), 1);
		text_add(t, "certificate has an unknown critical extension, %s",
			oid);
		return;
	}
}

static bool add_certificate(struct text *t, int error, int depth, X509 *cert)
{
	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		add_dates(t, error, cert);
		return true;
	case X509_V_ERR_INVALID_PURPOSE:
		add_purpose(t, depth, cert);
		return true;
	case X509_V_ERR_EE_KEY_TOO_SMALL:
	case X509_V_ERR_CA_KEY_TOO_SMALL:
		add_key(t, cert);
		return true;
	case X509_V_ERR_INVALID_CA:
		text_add(t, "issuer's certificate %s",
			X509_get_extension_flags(cert) & EXFLAG_CA
				? "may not sign certificates (key usage)"
				: "is not one of a CA");
		return true;
	case X509_V_ERR_CA_MD_TOO_WEAK:
		add_hash(t, cert);
		return true;
	case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION:
		add_critical(t, cert);
		return true;
	default:
		return false;
	}
}

/* ---- issuers that are not found ---- */

/* X509_check_issued(), and the signature. */
static int try_issuer(X509 *issuer, X509 *cert)
{
	int error = X509_check_issued(issuer, cert);

	if (error == X509_V_OK &&
		X509_verify(cert, X509_get0_pubkey(issuer)) <= 0)
		return X509_V_ERR_AKID_SKID_MISMATCH;
	return error;
}

/* What is wrong with the first that has the issuer's name and is not the
 * issuer, or OK. */
static int try_issuers(const STACK_OF(X509) * all, X509 *cert)
{
	for (int i = 0; i < sk_X509_num(all); i++) {
		int error = try_issuer(sk_X509_value(all, i), cert);

		if (error != X509_V_OK &&
			error != X509_V_ERR_SUBJECT_ISSUER_MISMATCH)
			return error;
	}
	return X509_V_OK;
}

/* Why is a certificate of the issuer's name, sent or trusted, not the one? */
static int try_namesakes(X509_STORE_CTX *chain, X509 *cert)
{
	STACK_OF(X509) *trusted =
		X509_STORE_CTX_get1_certs(chain, X509_get_issuer_name(cert));
	int error = try_issuers(trusted, cert);

	sk_X509_pop_free(trusted, X509_free);
	if (error == X509_V_OK)
		error = try_issuers(X509_STORE_CTX_get0_untrusted(chain), cert);
	return error;
}

/* ---- extensions that cannot be read ---- */

static bool is_readable(X509_EXTENSION *e)
{
	const X509V3_EXT_METHOD *method = X509V3_EXT_get(e);
	void *value = method ? X509V3_EXT_d2i(e) : NULL;

	if (value && method->it)
		ASN1_item_free(value, ASN1_ITEM_ptr(method->it));
	else if (value)
		method->ext_free(value);
	return !method || value;
}

/* "certificate's extension subjectAltName is malformed", the first one that is
 * so or stands twice; false: OpenSSL has nothing against its extensions, or
 * it is in how they fit together. */
static bool add_malformed(struct text *t, const char *whose, X509 *cert)
{
	if (!(X509_get_extension_flags(cert) & EXFLAG_INVALID))
		return false;
	for (int i = 0; i < X509_get_ext_count(cert); i++) {
		X509_EXTENSION *e = X509_get_ext(cert, i);
		const ASN1_OBJECT *kind = X509_EXTENSION_get_object(e);
		bool twice = X509_get_ext_by_OBJ(cert, kind, i) >= 0;

		if (is_readable(e) && !twice)
			continue;
		text_add(t, "%s extension %s %s", whose,
			OBJ_nid2sn(OBJ_obj2nid(kind)),
			twice ? "stands twice" : "is malformed");
		return true;
	}
	return false;
}

static bool add_malformed_issuer(
	struct text *t, const STACK_OF(X509) * all, const X509 *cert)
{
	const X509_NAME *name = X509_get_issuer_name(cert);

	for (int i = 0; i < sk_X509_num(all); i++) {
		X509 *issuer = sk_X509_value(all, i);

		if (!X509_NAME_cmp(X509_get_subject_name(issuer), name) &&
			add_malformed(t, "issuer's certificate: its", issuer))
			return true;
	}
	return false;
}

/* Of the certificate or of its issuer, sent or trusted. */
static void add_damage(
	struct text *t, X509_STORE_CTX *chain, X509 *cert, const char *reason)
{
	STACK_OF(X509) *trusted =
		X509_STORE_CTX_get1_certs(chain, X509_get_issuer_name(cert));
	bool found = add_malformed_issuer(t, trusted, cert) ||
		     add_malformed_issuer(
			     t, X509_STORE_CTX_get0_untrusted(chain), cert);

	sk_X509_pop_free(trusted, X509_free);
	if (!found)
		text_add(t,
			"%s: an extension of it or of its issuer is damaged",
			reason);
}

/* Errors that OpenSSL raises where it could not read an extension. */
static bool may_be_about_form(int error)
{
	return chain_lacks_issuer(error) ||
	       error == X509_V_ERR_INVALID_PURPOSE ||
	       error == X509_V_ERR_INVALID_CA ||
	       error == X509_V_ERR_INVALID_EXTENSION ||
	       error == X509_V_ERR_UNSPECIFIED;
}

static const char *add_issuer(struct text *t, X509_STORE_CTX *chain,
	const char *reason, const char *hint, X509 *cert)
{
	switch (try_namesakes(chain, cert)) {
	case X509_V_OK:
		text_add(t, "%s", reason);
		return hint;
	case X509_V_ERR_AKID_SKID_MISMATCH:
	case X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH:
		text_add(t, "%s: the known CA of that name has another key",
			reason);
		return hint_namesake;
	case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
		text_add(t,
			"issuer's certificate may not sign certificates (key "
			"usage)");
		return hint_other;
	default:
		add_damage(t, chain, cert, reason);
		return hint_other;
	}
}

const char *reason_of_chain(struct text *t, X509_STORE_CTX *chain)
{
	int error = X509_STORE_CTX_get_error(chain);
	int depth = X509_STORE_CTX_get_error_depth(chain);
	X509 *cert = X509_STORE_CTX_get_current_cert(chain);
	const char *reason = known_reason(error), *hint = known_hint(error);

	if (cert && may_be_about_form(error) &&
		add_malformed(t, "certificate's", cert))
		return hint_other;
	if (cert && chain_lacks_issuer(error))
		return add_issuer(t, chain, reason, hint, cert);
	if (depth && hint == hint_date)
		hint = hint_ca_date;
	if (cert && add_certificate(t, error, depth, cert))
		return hint;
	if (reason)
		text_add(t, "%s", reason);
	else
		text_add(t, "certificate refused: %s",
			X509_verify_cert_error_string(error));
	return hint;
}

static bool has_name(X509 *cert)
{
	GENERAL_NAMES *all =
		X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(all); i++)
		found |= sk_GENERAL_NAME_value(all, i)->type == GEN_DNS;
	GENERAL_NAMES_free(all);
	return found;
}

const char *reason_hint(int error, X509 *cert)
{
	if (error == X509_V_ERR_HOSTNAME_MISMATCH && !has_name(cert))
		return "have the certificate name the server in its "
		       "subjectAltName (a subject's CN does not count)";
	return known_hint(error);
}
