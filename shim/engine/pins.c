/* SPDX-License-Identifier: MIT */
/*
 * Pins.
 */
#include "engine/pins.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>
#include "engine/arena.h"
#include "engine/failure.h"
#include "engine/files.h"

#define PREFIX "sha256//"
#define BASE64_LEN 44 /* of 32 bytes */
#define BLANKS " \t\r\n"

static bool refuse(
	struct tls_failure *why, const char *setting, const char *pin, size_t n)
{
	failure_set(why, TLS_FAIL_SETUP,
		"%s: \"%.*s\" is not a pin: expected sha256// and 44 "
		"characters of base64",
		setting, (int)(n < 64 ? n : 64), pin);
	return false;
}

static bool decode(unsigned char hash[PINS_SIZE], const char *pin, size_t n)
{
	unsigned char bytes[BASE64_LEN];
	const char *base64 = pin + strlen(PREFIX);

	if (n != strlen(PREFIX) + BASE64_LEN ||
		strncmp(pin, PREFIX, strlen(PREFIX)) != 0 ||
		base64[BASE64_LEN - 1] != '=' || base64[BASE64_LEN - 2] == '=')
		return false;
	if (EVP_DecodeBlock(bytes, (const unsigned char *)base64, BASE64_LEN) !=
		PINS_SIZE + 1)
		return false;
	memcpy(hash, bytes, PINS_SIZE);
	return true;
}

static bool add(struct pins *p, const char *pin, size_t n)
{
	void *more = arena_realloc(p->hashes, (p->n + 1) * PINS_SIZE);

	if (!more)
		return false;
	p->hashes = more;
	if (!decode(p->hashes[p->n], pin, n))
		return false;
	p->n++;
	return true;
}

/* Pins between blanks; a '#' hides the rest of its line. */
static bool parse(struct pins *p, const char *setting, const char *text,
	struct tls_failure *why)
{
	while (*(text += strspn(text, BLANKS))) {
		size_t n = strcspn(text, BLANKS);

		if (*text == '#')
			n = strcspn(text, "\n");
		else if (!add(p, text, n))
			return refuse(why, setting, text, n);
		text += n;
	}
	return true;
}

static bool load_file(struct pins *p, const char *path, struct tls_failure *why)
{
	char *buf = NULL, *text;
	size_t len = 0;
	int error = files_read(path, &buf, &len);
	bool ok;

	if (error) {
		failure_set(why, TLS_FAIL_SETUP,
			"TLSSHIM_PIN_FILE: cannot read %s: %s", path,
			files_error_text(error));
		return false;
	}
	text = arena_zalloc(len + 1);
	if (text)
		memcpy(text, buf, len);
	ok = text && strlen(text) == len &&
	     parse(p, "TLSSHIM_PIN_FILE", text, why);
	if (!ok && text && strlen(text) < len)
		refuse(why, "TLSSHIM_PIN_FILE", "", 0);
	arena_free(text);
	arena_free(buf);
	return ok;
}

bool pins_load(struct pins *p, const struct tls_settings *settings,
	struct tls_failure *why)
{
	failure_set(why, TLS_FAIL_MEMORY, "out of memory");
	if (settings->pins && !parse(p, "TLSSHIM_PIN", settings->pins, why))
		return false;
	if (settings->pin_file && !load_file(p, settings->pin_file, why))
		return false;
	if (p->n || (!settings->pins && !settings->pin_file))
		return true;
	failure_set(why, TLS_FAIL_SETUP, "no pin in %s",
		settings->pin_file ? settings->pin_file : "TLSSHIM_PIN");
	return false;
}

static bool hash_of(unsigned char hash[PINS_SIZE], const X509 *cert)
{
	unsigned char *der = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

	if (n <= 0)
		return false;
	SHA256(der, (size_t)n, hash);
	OPENSSL_free(der);
	return true;
}

bool pins_match(const struct pins *p, const X509 *cert)
{
	unsigned char hash[PINS_SIZE];

	if (!hash_of(hash, cert))
		return false;
	for (unsigned i = 0; i < p->n; i++) {
		if (!memcmp(p->hashes[i], hash, PINS_SIZE))
			return true;
	}
	return false;
}

void pins_describe(char text[PINS_TEXT_SIZE], const X509 *cert)
{
	unsigned char hash[PINS_SIZE], base64[BASE64_LEN + 1];

	text[0] = '\0';
	if (!hash_of(hash, cert))
		return;
	EVP_EncodeBlock(base64, hash, PINS_SIZE);
	memcpy(text, PREFIX, strlen(PREFIX));
	memcpy(text + strlen(PREFIX), base64, sizeof(base64));
}

void pins_clear(struct pins *p)
{
	arena_free(p->hashes);
	*p = (struct pins){0};
}
