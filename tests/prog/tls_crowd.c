/* SPDX-License-Identifier: MIT */
/*
 * What tests/prog/crowd.c measures, of a native OpenSSL client as most are
 * written: blocking connections with the library's defaults.
 *
 *	tls_crowd SOCKET CONNECTIONS CA
 *
 * Prints on stderr the memory of an idle connection that has exchanged data.
 */
#include <openssl/ssl.h>
#include "loops.h"
#include "usage.h"

#define SIZE 200

static SSL *open_tls(SSL_CTX *ctx, int i)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in addr;
	char buf[SIZE];
	SSL *ssl = SSL_new(ctx);

	set_port(&addr, peer.port);
	peer_say(&peer, "accept");
	if (connect(fd, (void *)&addr, sizeof(addr)) < 0)
		peer_die("connect");
	SSL_set_fd(ssl, fd);
	if (SSL_connect(ssl) != 1)
		peer_die("SSL_connect");
	peer_done(&peer);
	peer_do(&peer, "feed %d %d", i, SIZE);
	if (SSL_read(ssl, buf, SIZE) != SIZE ||
		SSL_write(ssl, buf, SIZE) != SIZE)
		peer_die("exchange");
	peer_do(&peer, "read %d %d", i, SIZE);
	return ssl;
}

int main(int argc, char **argv)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int n = argc > 3 ? atoi(argv[2]) : 0;
	long kb = 0;

	if (n < 2 || SSL_CTX_load_verify_locations(ctx, argv[3], NULL) != 1)
		return 2;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	peer_open(&peer, argv[1]);
	for (int i = 0; i < n; i++) {
		open_tls(ctx, i);
		if (i == 0)
			kb = resident_kb();
	}
	fprintf(stderr, "memory: %.1f kB each\n",
		(double)(resident_kb() - kb) / (n - 1));
	return 0;
}
