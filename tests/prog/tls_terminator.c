/* SPDX-License-Identifier: MIT */
/*
 * Runs a command whose servers speak plaintext and whose clients speak TLS:
 * takes the connections that tests/lib/divert.c sends here, ends their TLS, and
 * passes on what they say; ends and resets too, each way by itself.
 *
 *	tls_terminator CERTIFICATE KEY COMMAND...
 *	tls_terminator --plain COMMAND...
 *
 * --plain passes on what it gets, in the same way: the control.  Exits as the
 * command does, after a line on stderr: how many connections there were, how
 * many of them failed in the handshake, and how many ended without
 * close_notify.  One terminator a network namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../lib/divert.h"

/* How long a client's connect() waits for a server whose queue is full. */
#define PATIENCE_MS 200

static SSL_CTX *ctx; /* NULL: --plain */
static atomic_uint n_taken, n_failed, n_truncated;

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(99);
}

/* ---- one side of a connection ---- */

enum result { DONE, AGAIN, END, BROKEN };

struct side {
	int fd;
	SSL *ssl;	/* NULL: plaintext */
	bool wants_out; /* the last call waits for room */
};

/* A reset that a write was told of looks like an end to the next read. */
static bool was_reset(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	       info.tcpi_state == TCP_CLOSE;
}

static enum result tls_result(struct side *side, int r)
{
	switch (SSL_get_error(side->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		return AGAIN;
	case SSL_ERROR_WANT_WRITE:
		side->wants_out = true;
		return AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return END;
	case SSL_ERROR_SSL:
		if (ERR_GET_REASON(ERR_peek_error()) !=
				SSL_R_UNEXPECTED_EOF_WHILE_READING ||
			was_reset(side->fd))
			return BROKEN;
		n_truncated++;
		return END;
	default:
		return BROKEN;
	}
}

static enum result side_read(
	struct side *side, char *buf, size_t size, size_t *got)
{
	ssize_t n;

	side->wants_out = false;
	if (side->ssl) {
		ERR_clear_error();
		n = SSL_read_ex(side->ssl, buf, size, got);
		return n == 1 ? DONE : tls_result(side, (int)n);
	}
	n = recv(side->fd, buf, size, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN ? AGAIN : BROKEN;
	*got = (size_t)n;
	return n ? DONE : END;
}

static enum result side_write(
	struct side *side, const char *buf, size_t size, size_t *put)
{
	ssize_t n;

	side->wants_out = false;
	if (side->ssl) {
		ERR_clear_error();
		n = SSL_write_ex(side->ssl, buf, size, put);
		if (n == 1)
			return DONE;
		/* After a close_notify every error is one of those to it. */
		return tls_result(side, (int)n) == AGAIN ? AGAIN : BROKEN;
	}
	n = send(side->fd, buf, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno == EAGAIN)
		side->wants_out = true;
	if (n < 0)
		return errno == EAGAIN ? AGAIN : BROKEN;
	*put = (size_t)n;
	return DONE;
}

static enum result side_end(struct side *side)
{
	side->wants_out = false;
	if (side->ssl) {
		int r;

		ERR_clear_error();
		r = SSL_shutdown(side->ssl);
		if (r < 0 && tls_result(side, r) == AGAIN && side->wants_out)
			return AGAIN;
	}
	shutdown(side->fd, SHUT_WR);
	return DONE;
}

/* ---- passing on ---- */

struct way {
	struct side *from, *to;
	char buf[65536];
	size_t len, at;
	bool ended; /* read to its end */
	bool over;  /* and passed on */
	bool cut;   /* what comes is passed on, but no end */
};

/* As far as it goes. */
static enum result way_push(struct way *way)
{
	enum result r = DONE;

	while (r == DONE && !way->over) {
		size_t n = 0;

		if (way->at < way->len) {
			r = side_write(way->to, way->buf + way->at,
				way->len - way->at, &n);
			way->at += n;
		} else if (way->ended) {
			r = side_end(way->to);
			way->over = r == DONE;
		} else {
			r = side_read(
				way->from, way->buf, sizeof(way->buf), &n);
			way->at = 0;
			way->len = n;
			if (r == END && way->cut)
				break;
			if (r == END) {
				way->ended = true;
				r = DONE;
			}
		}
	}
	return r;
}

static short events_of(const struct way *in, const struct way *out)
{
	short events = 0;

	if (!in->ended && in->at == in->len)
		events |= POLLIN;
	if (!out->over && (out->at < out->len || out->ended))
		events |= POLLOUT;
	return events;
}

static void reset(int fd)
{
	const struct linger now = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static void pass_on(struct side *client, struct side *server)
{
	static _Thread_local struct way up, down;
	bool broken = false;

	up = (struct way){.from = client, .to = server};
	down = (struct way){.from = server, .to = client};
	while (!broken && !(up.over && down.over)) {
		struct pollfd p[2] = {
			{client->fd, events_of(&up, &down), 0},
			{server->fd, events_of(&down, &up), 0},
		};

		if (way_push(&down) == BROKEN || way_push(&up) == BROKEN) {
			broken = true;
			break;
		}
		if (up.over && down.over)
			break;
		p[0].events = events_of(&up, &down);
		p[1].events = events_of(&down, &up);
		/* A side with nothing to ask would say POLLHUP for ever. */
		for (int i = 0; i < 2; i++)
			if (!p[i].events)
				p[i].fd = -1;
		poll(p, 2, -1);
	}
	if (broken) {
		/* The last words of a side that could not be written to. */
		up.cut = down.cut = true;
		way_push(&down);
		way_push(&up);
		reset(client->fd);
		reset(server->fd);
	}
}

static bool shake_hands(struct side *client)
{
	int r;

	client->ssl = SSL_new(ctx);
	SSL_set_fd(client->ssl, client->fd);
	while ((r = SSL_accept(client->ssl)) != 1) {
		struct pollfd p = {.fd = client->fd, .events = POLLIN};

		client->wants_out = false;
		if (tls_result(client, r) != AGAIN)
			return false;
		if (client->wants_out)
			p.events = POLLOUT;
		poll(&p, 1, -1);
	}
	return true;
}

/* ---- taking them ---- */

static const int on = 1;

/* To the server, from where the client is bound; *pending: not at once. */
static int reach(const struct divert_question *q, bool *pending)
{
	int fd = socket(q->to.any.sa_family,
		SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int error = 0;
	socklen_t len = sizeof(error);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!q->from.in.sin_port)
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
			sizeof(on));
	bind(fd, &q->from.any, q->len);
	if (connect(fd, &q->to.any, q->len) < 0)
		error = errno;
	if (error == EINPROGRESS) {
		*pending = poll(&p, 1, PATIENCE_MS) == 0;
		error = 0;
		if (!*pending)
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	}
	if (!error)
		return fd;
	close(fd);
	errno = error;
	return -1;
}

/* A listener for this one connection. */
static int listen_beside(int server, struct divert_answer *answer)
{
	socklen_t len = sizeof(answer->from);
	int fd;

	getsockname(server, &answer->from.any, &len);
	answer->at = answer->from;
	answer->at.in.sin_port = 0;
	fd = socket(answer->at.any.sa_family,
		SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(fd, &answer->at.any, len) < 0 || listen(fd, 1) < 0)
		die("listen");
	getsockname(fd, &answer->at.any, &len);
	return fd;
}

/* The client, where it comes; it may have changed its mind. */
static int await(int listener, int asker)
{
	struct pollfd p[2] = {{listener, POLLIN, 0}, {asker, POLLIN, 0}};

	/* The asker's end comes after its connect(). */
	poll(p, 2, -1);
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static bool server_is_there(struct side *server)
{
	struct pollfd p = {.fd = server->fd, .events = POLLOUT};
	int error = 0;
	socklen_t len = sizeof(error);

	poll(&p, 1, -1);
	getsockopt(server->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return error == 0;
}

static void serve(
	int asker, struct side *server, struct side *client, int listener)
{
	client->fd = await(listener, asker);
	close(listener);
	if (client->fd < 0) {
		reset(server->fd);
		return;
	}
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	n_taken++;
	if (!server_is_there(server)) {
		reset(client->fd);
	} else if (ctx && !shake_hands(client)) {
		n_failed++;
		reset(server->fd);
	} else {
		pass_on(client, server);
	}
	SSL_free(client->ssl);
	close(client->fd);
}

static void *answer_one(void *arg)
{
	int asker = (int)(intptr_t)arg, listener = -1;
	struct divert_question question;
	struct divert_answer answer = {.error = 0};
	struct side server = {.fd = -1}, client = {.fd = -1};
	bool pending = false;

	if (recv(asker, &question, sizeof(question), 0) == sizeof(question)) {
		server.fd = reach(&question, &pending);
		answer.error = server.fd < 0 ? errno : 0;
		if (server.fd >= 0)
			listener = listen_beside(server.fd, &answer);
		send(asker, &answer, sizeof(answer), MSG_NOSIGNAL);
		if (server.fd >= 0)
			serve(asker, &server, &client, listener);
	}
	close(server.fd);
	close(asker);
	return NULL;
}

static void *answer_all(void *arg)
{
	int listener = (int)(intptr_t)arg;

	for (;;) {
		int asker = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		pthread_t thread;

		if (asker < 0 || pthread_create(&thread, NULL, answer_one,
					 (void *)(intptr_t)asker) != 0)
			die("answer");
		pthread_detach(thread);
	}
	return NULL;
}

/* ---- the command ---- */

static int listen_for_questions(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	memcpy(un.sun_path + 1, DIVERT_NAME, strlen(DIVERT_NAME));
	if (bind(fd, (struct sockaddr *)&un,
		    offsetof(struct sockaddr_un, sun_path) + 1 +
			    strlen(DIVERT_NAME)) < 0 ||
		listen(fd, 1024) < 0)
		die("another terminator in this network namespace");
	return fd;
}

static void make_ctx(const char *certificate, const char *key)
{
	ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1 ||
		SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		die(certificate);
}

int main(int argc, char **argv)
{
	bool plain = argc > 2 && !strcmp(argv[1], "--plain");
	int first = plain ? 2 : 3, listener, status = 0;
	pthread_t thread;
	pid_t pid;

	if (argc <= first) {
		fprintf(stderr, "usage: tls_terminator CERTIFICATE KEY "
				"COMMAND...\n");
		return 99;
	}
	listener = listen_for_questions();
	pid = fork();
	if (pid == 0) {
		execvp(argv[first], argv + first);
		die(argv[first]);
	}
	if (!plain)
		make_ctx(argv[1], argv[2]);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	pthread_create(&thread, NULL, answer_all, (void *)(intptr_t)listener);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid");
	fprintf(stderr,
		"terminator: %u connections, %u handshakes failed, "
		"%u ended without close_notify\n",
		n_taken, n_failed, n_truncated);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}
