/* SPDX-License-Identifier: MIT */
/*
 * By which protocol.  The order counts: the system's openssl.cnf was read by
 * SSL_CTX_new(), TLSSHIM_OPENSSL comes on top of it, then the settings that
 * have a name of their own, then the rules that nothing may break.
 */
#include "engine/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <string.h>
#include <strings.h>
#include <sys/uio.h>
#include <unistd.h>
#include "engine/failure.h"
#include "engine/session.h"
#include "engine/text.h"

#define COMMAND_SIZE 1024
#define BLANKS " \t\r\n"
/* Before OpenSSL 3.2 there was no such compression. */
#ifndef SSL_OP_NO_TX_CERTIFICATE_COMPRESSION
#define SSL_OP_NO_TX_CERTIFICATE_COMPRESSION 0
#define SSL_OP_NO_RX_CERTIFICATE_COMPRESSION 0
#endif

static bool refuse(struct tls_failure *why, const char *command, size_t n,
	const char *problem)
{
	char quoted[200];
	struct text t = text_in(quoted, sizeof(quoted));

	text_add_escaped(&t, command, n < 100 ? n : 100);
	failure_set(why, TLS_FAIL_SETUP, "TLSSHIM_OPENSSL: \"%s\" %s", quoted,
		problem);
	return false;
}

static bool refuse_result(
	struct tls_failure *why, const char *command, size_t n, int result)
{
	if (result == -2)
		return refuse(why, command, n,
			"is no command of SSL_CONF_cmd(3): expected "
			"Name=Value, such as CipherString=HIGH or "
			"Groups=X25519:P-256");
	return refuse(why, command, n,
		"has a value that OpenSSL refuses: see SSL_CONF_cmd(3)");
}

/* One "Name=Value" of n bytes. */
static bool run_command(SSL_CONF_CTX *conf, SSL_CTX *ctx, const char *command,
	size_t n, struct tls_failure *why)
{
	char name[COMMAND_SIZE], *value;
	int result;

	if (n >= sizeof(name))
		return refuse(why, command, n, "is too long");
	memcpy(name, command, n);
	name[n] = '\0';
	value = strchr(name, '=');
	if (!value || value == name || !value[1])
		return refuse(why, command, n, "is not of the form Name=Value");
	*value++ = '\0';
	if (!strcasecmp(name, "VerifyMode"))
		return refuse(why, command, n,
			"is not for here: TLSSHIM_VERIFY is the setting for "
			"it");
	result = SSL_CONF_cmd(conf, name, value);
	ERR_clear_error();
	if (result <= 0)
		return refuse_result(why, command, n, result);
	if (!strcasecmp(name, "MinProtocol") &&
		SSL_CTX_get_min_proto_version(ctx) < TLS1_2_VERSION)
		return refuse(why, command, n,
			"would allow less than TLS 1.2: expected TLSv1.2 or "
			"TLSv1.3");
	return true;
}

static bool run_commands(SSL_CONF_CTX *conf, SSL_CTX *ctx, const char *text,
	struct tls_failure *why)
{
	while (*(text += strspn(text, BLANKS))) {
		size_t n = strcspn(text, BLANKS);

		if (!run_command(conf, ctx, text, n, why))
			return false;
		text += n;
	}
	return true;
}

static bool apply_openssl(
	SSL_CTX *ctx, const char *text, struct tls_failure *why)
{
	SSL_CONF_CTX *conf = SSL_CONF_CTX_new();
	bool ok;

	failure_set(why, TLS_FAIL_MEMORY, "out of memory");
	if (!conf)
		return false;
	SSL_CONF_CTX_set_flags(conf, SSL_CONF_FLAG_FILE | SSL_CONF_FLAG_CLIENT |
					     SSL_CONF_FLAG_SHOW_ERRORS);
	SSL_CONF_CTX_set_ssl_ctx(conf, ctx);
	ok = run_commands(conf, ctx, text, why);
	if (ok && !SSL_CONF_CTX_finish(conf))
		ok = refuse(why, text, strlen(text), "is refused by OpenSSL");
	SSL_CONF_CTX_free(conf);
	return ok;
}

/* The system's minimum holds where it is the higher one: a crypto policy. */
static bool apply_versions(SSL_CTX *ctx, const struct tls_settings *settings,
	struct tls_failure *why)
{
	int min = SSL_CTX_get_min_proto_version(ctx), max;

	if (min < TLS1_2_VERSION)
		min = TLS1_2_VERSION;
	if (min < (int)settings->min_version)
		min = (int)settings->min_version;
	if (settings->max_version)
		SSL_CTX_set_max_proto_version(ctx, (int)settings->max_version);
	max = SSL_CTX_get_max_proto_version(ctx);
	if (SSL_CTX_set_min_proto_version(ctx, min) && (!max || max >= min))
		return true;
	failure_set(why, TLS_FAIL_SETUP,
		"no version of TLS is left between the lowest and the highest "
		"allowed (TLSSHIM_MIN_VERSION, TLSSHIM_MAX_VERSION, "
		"TLSSHIM_OPENSSL, openssl.cnf)");
	return false;
}

static bool check_ciphers(SSL_CTX *ctx, struct tls_failure *why)
{
	STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ctx);
	const SSL_CIPHER *c;
	const char *problem;

	for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
		c = sk_SSL_CIPHER_value(all, i);
		problem = SSL_CIPHER_get_cipher_nid(c) == NID_undef
				  ? "does not encrypt"
			  : SSL_CIPHER_get_auth_nid(c) == NID_auth_null
				  ? "does not authenticate the server"
				  : NULL;
		if (!problem)
			continue;
		failure_set(why, TLS_FAIL_SETUP,
			"the cipher %s %s: take it out of CipherString in "
			"TLSSHIM_OPENSSL or openssl.cnf",
			SSL_CIPHER_get_name(c), problem);
		return false;
	}
	return true;
}

/* RFC 7301, section 3.1: each name behind its length. */
static bool apply_alpn(SSL_CTX *ctx, const char *names, struct tls_failure *why)
{
	unsigned char list[256];
	unsigned len = 0;

	while (*names) {
		size_t n = strcspn(names, ",");

		if (!n || n > 255 || len + 1 + n > sizeof(list))
			break;
		list[len++] = (unsigned char)n;
		memcpy(list + len, names, n);
		len += (unsigned)n;
		names += n + (names[n] == ',');
	}
	if (len && !*names && !SSL_CTX_set_alpn_protos(ctx, list, len))
		return true;
	failure_set(why, TLS_FAIL_SETUP,
		"TLSSHIM_ALPN: expected names of protocols separated by "
		"commas, such as h2,http/1.1");
	return false;
}

/* SSL_CTX_set_keylog_callback(3).  A file that cannot be written loses the
 * line: it is there to debug with. */
static void log_secret(const SSL *ssl, const char *line)
{
	const struct tls_session *s = SSL_get_app_data(ssl);
	struct iovec iov[] = {
		{(void *)(uintptr_t)line, strlen(line)}, {(char *)"\n", 1}};
	int fd = open(s->ctx->settings->keylog_file,
		O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY |
			O_NONBLOCK,
		0600);

	if (fd < 0)
		return;
	if (writev(fd, iov, 2) < 0)
		errno = 0;
	close(fd);
}

bool protocol_apply(SSL_CTX *ctx, const struct tls_settings *settings,
	struct tls_failure *why)
{
	if (settings->openssl && !apply_openssl(ctx, settings->openssl, why))
		return false;
	if (!apply_versions(ctx, settings, why) || !check_ciphers(ctx, why))
		return false;
	if (settings->alpn && !apply_alpn(ctx, settings->alpn, why))
		return false;
	if (settings->keylog_file)
		SSL_CTX_set_keylog_callback(ctx, log_secret);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION);
	/* Of certificates (RFC 8879): zlib and zstd take the C library's
	 * memory, which a relay has not. */
	SSL_CTX_set_options(ctx, SSL_OP_NO_TX_CERTIFICATE_COMPRESSION |
					 SSL_OP_NO_RX_CERTIFICATE_COMPRESSION);
	/* openssl.cnf can switch these on. */
	SSL_CTX_clear_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_clear_options(ctx, SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
	return true;
}
