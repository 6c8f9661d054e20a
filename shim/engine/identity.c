/* SPDX-License-Identifier: MIT */
/*
 * Whom the peer must prove to be.
 */
#include "engine/identity.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>
#include "engine/arena.h"

/* A whole label or nothing for "*", and never the subject's CN. */
#define HOST_FLAGS                                                             \
	(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |                                \
		X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)

/* Bytes of a key that say what is there. */
#define KEY_HEAD 5

static size_t size_of(const char *s)
{
	return s ? strlen(s) + 1 : 0;
}

/* Copies s to *at and moves *at behind it. */
static const char *store(char **at, const char *s)
{
	char *copy = *at;

	if (!s)
		return NULL;
	*at += size_of(s);
	return memcpy(copy, s, size_of(s));
}

/*
 * The strings lie one behind the other, each with its terminator, so their
 * bytes are a key once it is said which of them are there.
 */
static void store_key(struct identity *id, const char *strings, char *at)
{
	const struct tls_identity *is = &id->is;
	const unsigned char head[KEY_HEAD] = {is->sni != NULL,
		(unsigned char)is->n_names, (unsigned char)is->ip_len,
		is->or_localhost, is->or_name != NULL};

	id->key = (const unsigned char *)strings;
	memcpy(at, head, sizeof(head));
	at += sizeof(head);
	memcpy(at, is->ip, is->ip_len);
	id->key_len = (size_t)(at + is->ip_len - strings);
}

static bool is_valid(const struct tls_identity *id)
{
	unsigned i;

	if (id->n_names > TLS_NAMES_MAX)
		return false;
	for (i = 0; i < id->n_names; i++) {
		if (!id->names[i])
			return false;
	}
	return id->ip_len == 0 || id->ip_len == 4 || id->ip_len == 16;
}

struct identity *identity_new(const struct tls_identity *from)
{
	size_t size = sizeof(struct identity) + KEY_HEAD + sizeof(from->ip);
	struct identity *id;
	char *at;
	unsigned i;

	if (!is_valid(from))
		return NULL;
	size += size_of(from->sni) + size_of(from->or_name) +
		size_of(from->cache_key);
	for (i = 0; i < from->n_names; i++)
		size += size_of(from->names[i]);
	id = arena_zalloc(size);
	if (!id)
		return NULL;
	id->is = *from;
	at = (char *)(id + 1);
	id->is.sni = store(&at, from->sni);
	for (i = 0; i < from->n_names; i++)
		id->is.names[i] = store(&at, from->names[i]);
	id->is.or_name = store(&at, from->or_name);
	id->is.cache_key = store(&at, from->cache_key);
	if (from->cache_key)
		store_key(id, (char *)(id + 1), at);
	return id;
}

void identity_free(struct identity *id)
{
	arena_free(id);
}

static int check_address(
	const unsigned char *ip, size_t len, X509 *cert, struct text *missing)
{
	char buf[INET6_ADDRSTRLEN];

	if (X509_check_ip(cert, ip, len, 0) == 1)
		return X509_V_OK;
	text_add(missing, "the address %s",
		inet_ntop(len == 4 ? AF_INET : AF_INET6, ip, buf, sizeof(buf)));
	return X509_V_ERR_IP_ADDRESS_MISMATCH;
}

/*
 * Names that OpenSSL would read in a way of its own: none at all is "do not
 * check", ".example.com" is any name below it, and "*.example.com" equals the
 * wildcard of a certificate without being a host's name.
 */
static bool is_plain_name(const char *name)
{
	return name[0] && name[0] != '.' && !strchr(name, '*');
}

static int check_name(const char *name, X509 *cert, struct text *missing)
{
	unsigned char ip[16];

	if (inet_pton(AF_INET, name, ip) == 1)
		return check_address(ip, 4, cert, missing);
	if (inet_pton(AF_INET6, name, ip) == 1)
		return check_address(ip, 16, cert, missing);
	if (is_plain_name(name) &&
		X509_check_host(cert, name, 0, HOST_FLAGS, NULL) == 1)
		return X509_V_OK;
	text_add(missing, "the name ");
	text_add_escaped(missing, name, strlen(name));
	return X509_V_ERR_HOSTNAME_MISMATCH;
}

/*
 *   names                      every one of them
 *   none, an address           the address
 *   the same, or_localhost     the address or the name localhost
 *   the same, or_name          the address or that name
 *   none, no address           refused, or localhost where that will do
 */
int identity_check(const struct identity *id, X509 *cert, struct text *missing)
{
	const struct tls_identity *is = &id->is;
	int result = X509_V_OK;
	unsigned i;

	for (i = 0; i < is->n_names && result == X509_V_OK; i++)
		result = check_name(is->names[i], cert, missing);
	if (is->n_names)
		return result;
	if (is->or_localhost &&
		X509_check_host(cert, "localhost", 0, HOST_FLAGS, NULL) == 1)
		return X509_V_OK;
	if (is->or_name && is_plain_name(is->or_name) &&
		X509_check_host(cert, is->or_name, 0, HOST_FLAGS, NULL) == 1)
		return X509_V_OK;
	if (is->ip_len)
		return check_address(is->ip, is->ip_len, cert, missing);
	text_add(missing, "anything that could be checked: no name is known");
	return X509_V_ERR_HOSTNAME_MISMATCH;
}
