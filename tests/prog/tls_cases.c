/* SPDX-License-Identifier: MIT */
/*
 * A TLS server for hundreds of certificates: each has a port of its own.
 *
 *	tls_cases LIST PORTS
 *
 * LIST has a line "NAME CHAIN KEY STAPLE" for each: PEM files, and an OCSP
 * response in DER or "-".  Writes a line "NAME PORT" for each to PORTS, whole
 * at once.  Then serves one connection after the other: handshake, echo what
 * comes first, close.  What is bad is for clients to refuse: nothing is
 * checked here, and security level 0 allows it.
 */
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define CASES_MAX 2048

struct tls_case {
	char name[64];
	SSL_CTX *ctx;
	unsigned char *staple;
	long staple_len;
};

static struct tls_case cases[CASES_MAX];
static struct pollfd fds[CASES_MAX];
static int n_cases;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int give_staple(SSL *ssl, void *arg)
{
	const struct tls_case *c = arg;
	unsigned char *copy;

	if (!c->staple)
		return SSL_TLSEXT_ERR_NOACK;
	copy = OPENSSL_memdup(c->staple, (size_t)c->staple_len);
	SSL_set_tlsext_status_ocsp_resp(ssl, copy, c->staple_len);
	return SSL_TLSEXT_ERR_OK;
}

static void read_staple(struct tls_case *c, const char *path)
{
	FILE *f = fopen(path, "r");

	if (!f)
		die(path);
	c->staple = malloc(65536);
	c->staple_len = (long)fread(c->staple, 1, 65536, f);
	fclose(f);
}

static void make_context(struct tls_case *c, const char *chain, const char *key)
{
	c->ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_security_level(c->ctx, 0);
	SSL_CTX_set_mode(c->ctx, SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_num_tickets(c->ctx, 0);
	SSL_CTX_set1_sigalgs_list(c->ctx,
		"ed25519:ed448:ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:"
		"RSA-PSS+SHA256:RSA+SHA256");
	if (SSL_CTX_use_certificate_chain_file(c->ctx, chain) != 1 ||
		SSL_CTX_use_PrivateKey_file(c->ctx, key, SSL_FILETYPE_PEM) != 1)
		die(chain);
	SSL_CTX_set_tlsext_status_cb(c->ctx, give_staple);
	SSL_CTX_set_tlsext_status_arg(c->ctx, c);
}

static int listen_anywhere(int *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&in, len) < 0 ||
		listen(fd, 16) < 0 ||
		getsockname(fd, (struct sockaddr *)&in, &len) < 0)
		die("listen");
	*port = ntohs(in.sin_port);
	return fd;
}

static void read_list(const char *path, FILE *ports)
{
	char chain[1024], key[1024], staple[1024];
	FILE *list = fopen(path, "r");
	int port;

	if (!list)
		die(path);
	while (n_cases < CASES_MAX &&
		fscanf(list, "%63s %1023s %1023s %1023s", cases[n_cases].name,
			chain, key, staple) == 4) {
		struct tls_case *c = &cases[n_cases];

		make_context(c, chain, key);
		if (strcmp(staple, "-") != 0)
			read_staple(c, staple);
		fds[n_cases].fd = listen_anywhere(&port);
		fds[n_cases++].events = POLLIN;
		fprintf(ports, "%s %d\n", c->name, port);
	}
	fclose(list);
}

static void serve(const struct tls_case *c, int listener)
{
	const struct timeval patience = {.tv_sec = 5};
	int fd = accept(listener, NULL, NULL), n;
	SSL *ssl = SSL_new(c->ctx);
	char buf[4096];

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
	struct rlimit limit = {CASES_MAX + 64, CASES_MAX + 64};
	char new_path[1024];
	FILE *ports;

	if (argc != 3)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	setrlimit(RLIMIT_NOFILE, &limit);
	snprintf(new_path, sizeof(new_path), "%s.new", argv[2]);
	ports = fopen(new_path, "w");
	if (!ports)
		die(new_path);
	read_list(argv[1], ports);
	fclose(ports);
	if (rename(new_path, argv[2]) < 0)
		die(argv[2]);
	while (poll(fds, (nfds_t)n_cases, -1) > 0)
		for (int i = 0; i < n_cases; i++)
			if (fds[i].revents & POLLIN)
				serve(&cases[i], fds[i].fd);
	return 1;
}
