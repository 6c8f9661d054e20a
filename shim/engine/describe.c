/* SPDX-License-Identifier: MIT */
/*
 * Certificates in words.  Everything in a certificate was chosen by whoever
 * made it, so all of it goes through OpenSSL's or our own escaping.
 */
#include "engine/describe.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <string.h>

#define ALT_NAMES_SHOWN 6

void describe_name(struct text *t, const X509_NAME *name)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;
	long n;

	/* RFC 2253 order and escapes: no control character, no byte over 126
	 * comes out of it. */
	if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
		n = BIO_get_mem_data(bio, &p);
		text_add(t, "%.*s", (int)n, n > 0 ? p : "");
	}
	BIO_free(bio);
}

void describe_short_name(struct text *t, const X509_NAME *name)
{
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	unsigned char *utf8;
	int n;

	if (at < 0) {
		describe_name(t, name);
		return;
	}
	n = ASN1_STRING_to_UTF8(
		&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	if (n < 0)
		return;
	text_add(t, "CN=");
	text_add_escaped(t, utf8, (size_t)n);
	OPENSSL_free(utf8);
}

void describe_who(struct text *t, const X509 *cert)
{
	if (X509_NAME_entry_count(X509_get_subject_name(cert)))
		describe_short_name(t, X509_get_subject_name(cert));
	else
		text_add(t, "no subject");
	text_add(t, ", issuer ");
	describe_short_name(t, X509_get_issuer_name(cert));
}

void describe_date(struct text *t, const ASN1_TIME *date)
{
	struct tm tm;

	if (!ASN1_TIME_to_tm(date, &tm)) {
		text_add(t, "(bad date)");
		return;
	}
	text_add(t, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1,
		tm.tm_mday);
}

static void describe_address(struct text *t, const ASN1_OCTET_STRING *ip)
{
	char buf[INET6_ADDRSTRLEN];
	int family = ASN1_STRING_length(ip) == 4 ? AF_INET : AF_INET6;

	if (ASN1_STRING_length(ip) == 4 || ASN1_STRING_length(ip) == 16)
		text_add(t, "%s",
			inet_ntop(family, ASN1_STRING_get0_data(ip), buf,
				sizeof(buf)));
}

/* An address in the place of a name is good for neither: it shows that. */
static void describe_dns_name(struct text *t, const ASN1_IA5STRING *name)
{
	const unsigned char *bytes = ASN1_STRING_get0_data(name);
	int n = ASN1_STRING_length(name);
	char digits[INET6_ADDRSTRLEN] = "";
	unsigned char ip[16];

	if (n < (int)sizeof(digits))
		memcpy(digits, bytes, (size_t)n);
	if (inet_pton(AF_INET, digits, ip) == 1 ||
		inet_pton(AF_INET6, digits, ip) == 1)
		text_add(t, "the name ");
	text_add_escaped(t, bytes, (size_t)n);
}

void describe_alt_names(struct text *t, X509 *cert)
{
	GENERAL_NAMES *all =
		X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	int i, shown = 0, more = 0;

	for (i = 0; i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(all, i);

		if (n->type != GEN_DNS && n->type != GEN_IPADD)
			continue;
		if (shown == ALT_NAMES_SHOWN) {
			more++;
			continue;
		}
		text_add(t, shown++ ? ", " : "");
		if (n->type == GEN_DNS)
			describe_dns_name(t, n->d.dNSName);
		else
			describe_address(t, n->d.iPAddress);
	}
	if (more)
		text_add(t, " and %d more", more);
	if (!shown)
		text_add(t, "no name");
	GENERAL_NAMES_free(all);
}

void describe_key(struct text *t, const X509 *cert)
{
	const EVP_PKEY *key = X509_get0_pubkey(cert);
	const char *type = key ? EVP_PKEY_get0_type_name(key) : NULL;

	text_add(t, "%s %d bits", type ? type : "unknown",
		key ? EVP_PKEY_get_bits(key) : 0);
}

void describe_serial(struct text *t, const X509 *cert)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	int i, n = ASN1_STRING_length(serial);

	for (i = 0; i < n; i++)
		text_add(t, "%02x", ASN1_STRING_get0_data(serial)[i]);
}
