/* SPDX-License-Identifier: MIT */
/*
 * The control connection of tests/prog/tls_peer.c, from the other side.
 */
#ifndef PEER_H
#define PEER_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct peer {
	FILE *in, *out;
	int port;
	int sessions; /* accepted so far */
};

static inline int peer_die(const char *what)
{
	fflush(stdout);
	perror(what);
	exit(99);
}

/* Gives a command; peer_done() waits for its answer. */
__attribute__((format(printf, 2, 3))) static inline void peer_say(
	struct peer *peer, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfprintf(peer->out, format, ap);
	va_end(ap);
	fputc('\n', peer->out);
	fflush(peer->out);
}

static inline int peer_done(struct peer *peer)
{
	char line[256];
	int value = 0;

	if (!fgets(line, sizeof(line), peer->in) || strncmp(line, "ok", 2)) {
		printf("the peer says: %s\n", line);
		peer_die("the peer");
	}
	sscanf(line, "ok %d", &value);
	return value;
}

#define peer_do(peer, ...) (peer_say(peer, __VA_ARGS__), peer_done(peer))

static inline void peer_open(struct peer *peer, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		peer_die(path);
	peer->in = fdopen(fd, "r");
	peer->out = fdopen(dup(fd), "w");
	peer->sessions = 0;
	peer->port = peer_do(peer, "port");
}

#endif
