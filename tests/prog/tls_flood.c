/* SPDX-License-Identifier: MIT */
/*
 * A hostile server: it sends what is no data, more of it than anybody wants.
 *
 *	tls_flood CERTIFICATE KEY KIND COUNT
 *
 * Listens on 127.0.0.1, says the port in a line, and sends to whoever connects
 * COUNT times
 *
 *	updates		a key update
 *	asks		one that wants an answer; the answers are not read
 *	tickets		a session ticket
 *	mixed		a key update that wants an answer, and a byte of data
 *	hellos		a HelloRequest, with TLS 1.2
 *	requests	a request for the client's certificate
 *	before		a HelloRequest, before its own hello
 *
 * and, where the client still listens, the line "done".
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static SSL_CTX *ctx;
static const char *kind;
static long count;

static bool is(const char *name)
{
	return !strcmp(kind, name);
}

/* OpenSSL has no second request under way. */
static bool hear_answer(SSL *ssl)
{
	char c;

	return SSL_get_error(ssl, SSL_read(ssl, &c, 1)) == SSL_ERROR_WANT_READ;
}

static int accept_any(int ok, X509_STORE_CTX *store)
{
	(void)ok;
	(void)store;
	return 1;
}

static bool say(SSL *ssl)
{
	if (is("updates"))
		return SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 &&
		       SSL_do_handshake(ssl) == 1;
	if (is("asks"))
		return SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) == 1 &&
		       SSL_do_handshake(ssl) == 1;
	if (is("tickets"))
		return SSL_new_session_ticket(ssl) == 1 &&
		       SSL_do_handshake(ssl) == 1;
	if (is("mixed"))
		return SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) == 1 &&
		       SSL_do_handshake(ssl) == 1 &&
		       SSL_write(ssl, "x", 1) == 1;
	if (is("hellos"))
		return SSL_renegotiate(ssl) == 1 && SSL_do_handshake(ssl) == 1;
	return SSL_verify_client_post_handshake(ssl) == 1 &&
	       SSL_do_handshake(ssl) == 1 && hear_answer(ssl);
}

/* Four bytes of zero are a HelloRequest; a record has room for many. */
static void flood_before(int fd)
{
	static unsigned char record[5 + 16384] = {0x16, 3, 3, 0x40, 0};
	ssize_t sent = 1;

	for (long i = 0; i < count && sent > 0; i += 16384 / 4)
		sent = send(fd, record, sizeof(record), MSG_NOSIGNAL);
}

static void serve(int fd)
{
	SSL *ssl = SSL_new(ctx);
	char buf[4096];
	long i = 0;

	/* OpenSSL sends tickets into the void and says that it did. */
	signal(SIGPIPE, SIG_DFL);
	SSL_set_fd(ssl, fd);
	if (is("before"))
		flood_before(fd);
	else if (SSL_accept(ssl) == 1) {
		while (i < count && say(ssl))
			i++;
		if (i == count)
			SSL_write(ssl, "done\n", 5);
	}
	shutdown(fd, SHUT_WR);
	while (recv(fd, buf, sizeof(buf), 0) > 0)
		;
	close(fd);
	_exit(0);
}

static void set_up(char **argv)
{
	ctx = SSL_CTX_new(TLS_server_method());
	kind = argv[3];
	count = atol(argv[4]);
	SSL_CTX_set_verify(
		ctx, SSL_VERIFY_PEER | SSL_VERIFY_POST_HANDSHAKE, accept_any);
	/* A read ends with the answer that it was for. */
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	if (is("hellos"))
		SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	if (SSL_CTX_use_certificate_chain_file(ctx, argv[1]) != 1 ||
		SSL_CTX_use_PrivateKey_file(ctx, argv[2], SSL_FILETYPE_PEM) !=
			1)
		exit(1);
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0), little = 4096, on = 1;

	if (argc != 5)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	set_up(argv);
	/* What it does not read shall not fit. */
	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
	/* Nor does it wait for acknowledgements between its messages. */
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(listener, (void *)&addr, sizeof(addr)) < 0 ||
		listen(listener, 64) < 0 ||
		getsockname(listener, (void *)&addr, &len) < 0)
		return 1;
	printf("%d\n", ntohs(addr.sin_port));
	fflush(stdout);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fork() == 0)
			serve(fd);
		close(fd);
	}
}
