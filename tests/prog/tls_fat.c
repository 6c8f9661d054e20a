/* SPDX-License-Identifier: MIT */
/*
 * A TLS server that makes session tickets as large as it can, so that clients
 * that keep them pay.
 *
 *	tls_fat CHAIN KEY PORT_FILE
 *
 * Listens on all addresses, writes its port to PORT_FILE, whole at once, and
 * serves one connection after the other: handshake, one ticket of 45 KB,
 * echo what comes first, close.
 */
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int fatten(SSL *ssl, void *arg)
{
	static const char fat[45000];

	(void)arg;
	return SSL_SESSION_set1_ticket_appdata(
		SSL_get_session(ssl), fat, sizeof(fat));
}

static SSL_CTX *make_context(const char *chain, const char *key)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_session_ticket_cb(ctx, fatten, NULL, NULL);
	if (SSL_CTX_use_certificate_chain_file(ctx, chain) != 1 ||
		SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		die(chain);
	return ctx;
}

static int listen_everywhere(const char *path)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char new[1024];
	FILE *f;

	if (fd < 0 || bind(fd, (struct sockaddr *)&in, len) < 0 ||
		listen(fd, 16) < 0 ||
		getsockname(fd, (struct sockaddr *)&in, &len) < 0)
		die("listen");
	snprintf(new, sizeof(new), "%s.new", path);
	f = fopen(new, "w");
	if (!f || fprintf(f, "%d\n", ntohs(in.sin_port)) < 0 || fclose(f) ||
		rename(new, path))
		die(path);
	return fd;
}

static void serve(SSL_CTX *ctx, int fd)
{
	const struct timeval patience = {.tv_sec = 30};
	SSL *ssl = SSL_new(ctx);
	char buf[4096];
	int n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1) {
		n = SSL_read(ssl, buf, sizeof(buf));
		if (n > 0)
			SSL_write(ssl, buf, n);
		SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	close(fd);
}

int main(int argc, char **argv)
{
	SSL_CTX *ctx;
	int listener, fd;

	if (argc != 4)
		return 2;
	ctx = make_context(argv[1], argv[2]);
	listener = listen_everywhere(argv[3]);
	while ((fd = accept(listener, NULL, NULL)) >= 0)
		serve(ctx, fd);
	return 1;
}
