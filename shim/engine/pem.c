/* SPDX-License-Identifier: MIT */
/*
 * Certificates and CRLs from a PEM file into a store.
 */
#include "engine/pem.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include "engine/arena.h"
#include "engine/files.h"

/* The default would ask at the program's terminal. */
static int no_password(char *buf, int size, int writing, void *arg)
{
	(void)buf, (void)size, (void)writing, (void)arg;
	return -1;
}

/* Nothing more that looks like PEM: the normal end. */
static bool is_end_of_pem(void)
{
	unsigned long e = ERR_peek_last_error();

	return ERR_GET_LIB(e) == ERR_LIB_PEM &&
	       ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

static int parse_certs(X509_STORE *store, BIO *bio, unsigned *n)
{
	X509 *cert;
	int added;
	char *start;

	/* DER begins with a SEQUENCE. */
	if (BIO_get_mem_data(bio, &start) > 0 && start[0] == 0x30)
		return PEM_IS_DER;
	/* _AUX reads "TRUSTED CERTIFICATE" as well, with its restrictions. */
	while ((cert = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL))) {
		added = X509_STORE_add_cert(store, cert);
		X509_free(cert);
		if (!added)
			return ENOMEM;
		++*n;
	}
	return is_end_of_pem() ? 0 : PEM_GARBAGE;
}

/* RFC 5280, section 5.2.3: a delta CRL has a number.  OpenSSL before 3.0.20
 * dereferences what is not there. */
static bool is_numberless_delta(const X509_CRL *crl)
{
	ASN1_INTEGER *number;

	if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) < 0)
		return false;
	number = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
	ASN1_INTEGER_free(number);
	return !number;
}

/* Takes the reference. */
static int add_crl(X509_STORE *store, X509_CRL *crl, unsigned *n)
{
	int result = PEM_GARBAGE;

	if (!is_numberless_delta(crl))
		result = X509_STORE_add_crl(store, crl) ? 0 : ENOMEM;
	X509_CRL_free(crl);
	*n += !result;
	return result;
}

static int parse_crls(X509_STORE *store, BIO *bio, unsigned *n)
{
	X509_CRL *crl;
	char *start;
	long len = BIO_get_mem_data(bio, &start);

	/* DER begins with a SEQUENCE. */
	if (len > 0 && start[0] == 0x30) {
		crl = d2i_X509_CRL_bio(bio, NULL);
		return crl ? add_crl(store, crl, n) : PEM_GARBAGE;
	}
	while ((crl = PEM_read_bio_X509_CRL(bio, NULL, no_password, NULL))) {
		int result = add_crl(store, crl, n);

		if (result)
			return result;
	}
	return is_end_of_pem() ? 0 : PEM_GARBAGE;
}

static int load(X509_STORE *store, const char *path, unsigned *n,
	int (*parse)(X509_STORE *store, BIO *bio, unsigned *n))
{
	size_t len = 0;
	char *buf = NULL;
	BIO *bio;
	int result;

	*n = 0;
	result = files_read(path, &buf, &len);
	if (result == FILES_EMPTY)
		return 0;
	if (result)
		return result;
	ERR_clear_error();
	bio = BIO_new_mem_buf(buf, (int)len);
	result = bio ? parse(store, bio, n) : ENOMEM;
	BIO_free(bio);
	arena_free(buf);
	ERR_clear_error();
	return result;
}

int pem_load(X509_STORE *store, const char *path, unsigned *n)
{
	return load(store, path, n, parse_certs);
}

int pem_load_crls(X509_STORE *store, const char *path, unsigned *n)
{
	return load(store, path, n, parse_crls);
}

const char *pem_error_text(int result)
{
	if (result == PEM_GARBAGE)
		return "something in it is damaged";
	if (result == PEM_IS_DER)
		return "it is in DER, and PEM is expected: openssl x509 "
		       "-inform der -in FILE -out FILE.pem";
	return files_error_text(result);
}
