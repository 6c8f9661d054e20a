/* SPDX-License-Identifier: MIT */
/*
 * A program with an OpenSSL of its own: four threads shake hands with
 * themselves over memory, all the time, while it makes plaintext connections;
 * then it cleans OpenSSL up, as some do at their end, and makes one more.
 *
 *	tls_beside PORT CERTIFICATE KEY
 *
 * Prints "plaintext-marker" for each of the three connections, then how the
 * handshakes of its own went.
 */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MARKER "plaintext-marker"

static const char *port;
static SSL_CTX *ctx;
static atomic_bool over;
static atomic_int handshakes, failures;

static void converse(void)
{
	char answer[sizeof(MARKER)] = "";
	struct sockaddr_in in = {.sin_family = AF_INET,
		.sin_port = htons((in_port_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0 ||
		write(fd, MARKER, strlen(MARKER)) < 0 ||
		recv(fd, answer, strlen(MARKER), MSG_WAITALL) < 0)
		perror("converse");
	puts(answer);
	close(fd);
}

static int shake_hands(void)
{
	SSL *client = SSL_new(ctx), *server = SSL_new(ctx);
	BIO *a, *b;
	int done = 0;

	if (!client || !server || !BIO_new_bio_pair(&a, 0, &b, 0))
		return 0;
	SSL_set_bio(client, a, a);
	SSL_set_bio(server, b, b);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (int i = 0; i < 10 && !done; i++) {
		done = SSL_do_handshake(client) == 1;
		done = SSL_do_handshake(server) == 1 && done;
	}
	SSL_free(client);
	SSL_free(server);
	return done;
}

static void *work(void *arg)
{
	while (!over) {
		failures += !shake_hands();
		handshakes++;
	}
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t threads[4];

	if (argc < 4)
		return 2;
	port = argv[1];
	ctx = SSL_CTX_new(TLS_method());
	if (!ctx || SSL_CTX_use_certificate_file(ctx, argv[2], 1) != 1 ||
		SSL_CTX_use_PrivateKey_file(ctx, argv[3], 1) != 1)
		return 3;
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, work, NULL);
	while (handshakes < 20)
		usleep(1000);
	converse();
	converse();
	over = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	SSL_CTX_free(ctx);
	OPENSSL_cleanup();
	converse();
	printf("own handshakes: %s\n", failures ? "failed" : "good");
	return 0;
}
