/* SPDX-License-Identifier: MIT */
/*
 * The other end of what tests/prog/loops.c and torture.c do: a server that
 * does one thing at a time, as it is told over a control connection, so that
 * a test knows what has arrived before it looks.  With TLS, or without: then
 * the application behaves the same, and tickets, key updates and halves of
 * records are nothing.
 *
 *	tls_peer SOCKET [CERTIFICATE KEY]
 *
 * SOCKET is the unix socket where control connections are taken; without a
 * certificate it speaks plain TCP.  Each control connection has a listening
 * port of its own and sessions counted from 0.  Each command is a line and is
 * answered by a line when all that it sent has been acknowledged by the other
 * end's kernel: "ok", "ok VALUE" or "failed WHY".
 *
 *	port			the listening port, on 127.0.0.1 and ::1
 *	hold | go		new sessions do not, or do, their handshake
 *	accept			waits for the next session and its handshake (or
 *				with "hold" for the connection alone)
 *	handshake N		does it now
 *	send N BYTES...		records of so many bytes
 *	feed N BYTES		the same, without waiting until it is there
 *	half N BYTES		the first half of a record (plain: nothing)
 *	rest N			the other half (plain: all of it)
 *	ticket N		a session ticket
 *	rekey N			a key update, asking for one back
 *	read N BYTES		waits for them; they must be the pattern
 *	end N			close_notify and FIN
 *	reset N			a reset
 *	close N
 *	stream N SEED SENT READ	in a thread: sends and reads so many bytes, in
 *				pieces, pauses and key updates by the seed
 *	join N			waits until that is done
 *
 * Byte I of a direction of any session is pattern(I).
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "pattern.h"

#define SESSIONS_MAX 8192
#define CHUNK 65536

struct session {
	int fd;
	SSL *ssl;
	BIO *out; /* what SSL wrote and the socket has not got */
	size_t sent, got;
	char *kept; /* the other half of a record */
	size_t n_kept;
	pthread_t streamer;
	bool streams;
	unsigned seed;
	size_t to_send, to_read;
	const char *failed;
};

struct control {
	FILE *in, *out;
	int listener;
	bool holds;
	int n;
	struct session sessions[SESSIONS_MAX];
};

static SSL_CTX *ctx;

static const char *fail(struct session *s, const char *why)
{
	return s->failed = why;
}

/* ---- the wire ---- */

static const char *put(struct session *s, const void *buf, size_t len)
{
	while (len) {
		ssize_t n = send(s->fd, buf, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(s, strerror(errno));
		buf = (const char *)buf + n;
		len -= (size_t)n;
	}
	return NULL;
}

/* All that SSL has written; with a seed in pieces. */
static const char *put_pending(struct session *s)
{
	char *bytes;
	long n = BIO_get_mem_data(s->out, &bytes), at = 0;

	while (at < n && !s->failed) {
		long piece = n - at;

		if (s->seed && rand_r(&s->seed) % 4 == 0)
			piece = 1 + rand_r(&s->seed) % piece;
		put(s, bytes + at, (size_t)piece);
		at += piece;
		if (s->seed && rand_r(&s->seed) % 8 == 0)
			usleep((unsigned)rand_r(&s->seed) % 2000);
	}
	(void)BIO_reset(s->out);
	return s->failed;
}

/* Reads for SSL; false: the end. */
static bool get(struct session *s)
{
	char buf[CHUNK];
	ssize_t n = recv(s->fd, buf, sizeof(buf), 0);

	if (n <= 0)
		return false;
	BIO_write(SSL_get_rbio(s->ssl), buf, (int)n);
	return true;
}

static const char *shake(struct session *s)
{
	while (s->ssl) {
		int r = SSL_do_handshake(s->ssl);

		if (put_pending(s))
			return s->failed;
		if (r == 1)
			break;
		if (SSL_get_error(s->ssl, r) != SSL_ERROR_WANT_READ || !get(s))
			return fail(s, "handshake");
	}
	return NULL;
}

/* ---- data ---- */

static const char *send_record(struct session *s, size_t len)
{
	char buf[CHUNK];

	while (len && !s->failed) {
		size_t n = len < sizeof(buf) ? len : sizeof(buf);

		pattern_fill(buf, s->sent, n);
		if (!s->ssl)
			put(s, buf, n);
		else if (SSL_write(s->ssl, buf, (int)n) == (int)n)
			put_pending(s);
		else
			return fail(s, "SSL_write");
		s->sent += n;
		len -= n;
	}
	return s->failed;
}

static const char *send_half(struct session *s, size_t len)
{
	char buf[CHUNK], *bytes;
	long n;

	if (!s->ssl) {
		s->n_kept = len;
		return NULL;
	}
	pattern_fill(buf, s->sent, len);
	s->sent += len;
	SSL_write(s->ssl, buf, (int)len);
	n = BIO_get_mem_data(s->out, &bytes);
	s->n_kept = (size_t)(n - n / 2);
	s->kept = malloc(s->n_kept);
	memcpy(s->kept, bytes + n / 2, s->n_kept);
	put(s, bytes, (size_t)(n / 2));
	(void)BIO_reset(s->out);
	return s->failed;
}

static const char *send_rest(struct session *s)
{
	if (!s->ssl)
		return send_record(s, s->n_kept);
	put(s, s->kept, s->n_kept);
	free(s->kept);
	s->kept = NULL;
	return s->failed;
}

static const char *send_ticket(struct session *s)
{
	if (!s->ssl)
		return NULL;
	if (SSL_new_session_ticket(s->ssl) != 1 ||
		SSL_do_handshake(s->ssl) != 1)
		return fail(s, "no ticket");
	return put_pending(s);
}

static const char *send_key_update(struct session *s)
{
	if (!s->ssl)
		return NULL;
	if (SSL_key_update(s->ssl, SSL_KEY_UPDATE_REQUESTED) != 1 ||
		SSL_do_handshake(s->ssl) != 1)
		return fail(s, "no key update");
	return put_pending(s);
}

/* Some of what the other end sent; 0: the end. */
static ssize_t read_some(struct session *s, char *buf, size_t len)
{
	while (s->ssl) {
		int r = SSL_read(s->ssl, buf, (int)len);

		put_pending(s);
		if (r > 0)
			return r;
		if (SSL_get_error(s->ssl, r) != SSL_ERROR_WANT_READ || !get(s))
			return 0;
	}
	return recv(s->fd, buf, len, 0);
}

static const char *read_pattern(struct session *s, size_t len)
{
	char buf[CHUNK];

	while (len) {
		ssize_t n = read_some(
			s, buf, len < sizeof(buf) ? len : sizeof(buf));

		if (n <= 0)
			return fail(s, "the end came early");
		if (!pattern_check(buf, s->got, (size_t)n))
			return fail(s, "other bytes");
		s->got += (size_t)n;
		len -= (size_t)n;
	}
	return NULL;
}

static const char *end(struct session *s)
{
	if (s->ssl) {
		SSL_shutdown(s->ssl);
		put_pending(s);
	}
	shutdown(s->fd, SHUT_WR);
	return s->failed;
}

static const char *close_session(struct session *s, bool reset)
{
	struct linger linger = {.l_onoff = reset};

	if (s->fd < 0)
		return NULL;
	if (!reset)
		end(s);
	setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(s->fd);
	SSL_free(s->ssl);
	s->ssl = NULL;
	s->fd = -1;
	return NULL;
}

/* ---- streams ---- */

/* What is there, without waiting: the other end may wait for us. */
static void read_present(struct session *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLIN};
	char buf[CHUNK];
	ssize_t n;

	if (s->ssl && poll(&p, 1, 0) > 0 && !get(s))
		fail(s, "the end came early");
	if (s->ssl)
		n = SSL_read(s->ssl, buf, sizeof(buf));
	else
		n = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (s->ssl)
		put_pending(s);
	if (n <= 0)
		return;
	if (!pattern_check(buf, s->got, (size_t)n))
		fail(s, "other bytes");
	s->got += (size_t)n;
	s->to_read -= (size_t)n;
}

static size_t some(struct session *s, size_t left)
{
	static const size_t sizes[] = {1, 30, 500, 5000, 16384, 60000};
	size_t n = sizes[rand_r(&s->seed) % 6];

	n = 1 + (size_t)rand_r(&s->seed) % n;
	return n < left ? n : left;
}

static void send_something(struct session *s)
{
	size_t n = some(s, s->to_send);
	int dice = rand_r(&s->seed) % 16;

	if (dice == 0)
		send_ticket(s);
	else if (dice == 1)
		send_key_update(s);
	send_record(s, n);
	s->to_send -= n;
	if (dice < 4)
		usleep((unsigned)rand_r(&s->seed) % 3000);
}

static void *stream(void *arg)
{
	struct session *s = arg;

	while (!s->failed && s->to_send) {
		send_something(s);
		read_present(s);
	}
	if (!s->failed)
		read_pattern(s, s->to_read);
	end(s);
	return NULL;
}

/* ---- control ---- */

static int listen_anywhere(void)
{
	struct sockaddr_in6 addr = {.sin6_family = AF_INET6};
	int fd = socket(AF_INET6, SOCK_STREAM, 0), off = 0;

	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (void *)&addr, sizeof(addr)) < 0 || listen(fd, 4096) < 0)
		perror("listen");
	return fd;
}

static int port_of(int fd)
{
	struct sockaddr_in6 addr;
	socklen_t len = sizeof(addr);

	getsockname(fd, (void *)&addr, &len);
	return ntohs(addr.sin6_port);
}

static const char *accept_session(struct control *control)
{
	struct session *s = &control->sessions[control->n++ % SESSIONS_MAX];
	int on = 1;

	*s = (struct session){.fd = accept(control->listener, NULL, NULL)};
	if (s->fd < 0)
		return fail(s, strerror(errno));
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!ctx)
		return NULL;
	s->ssl = SSL_new(ctx);
	s->out = BIO_new(BIO_s_mem());
	SSL_set_bio(s->ssl, BIO_new(BIO_s_mem()), s->out);
	SSL_set_accept_state(s->ssl);
	return control->holds ? NULL : shake(s);
}

/* Until the other end's kernel has all of it. */
static void settle(struct session *s)
{
	int queued = 1;

	while (s->fd >= 0 && ioctl(s->fd, SIOCOUTQ, &queued) == 0 && queued) {
		struct pollfd p = {.fd = s->fd, .events = POLLRDHUP};

		if (poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP)))
			return;
		usleep(100);
	}
}

static void join(struct session *s)
{
	if (s->streams)
		pthread_join(s->streamer, NULL);
	s->streams = false;
}

static const char *start_stream(struct session *s, char *args)
{
	if (sscanf(args, "%u %zu %zu", &s->seed, &s->to_send, &s->to_read) != 3)
		return "stream N SEED SENT READ";
	s->seed |= 1;
	s->streams = true;
	pthread_create(&s->streamer, NULL, stream, s);
	return NULL;
}

static const char *send_all(struct session *s, char *args)
{
	for (char *rest, *at = strtok_r(args, " ", &rest); at;
		at = strtok_r(NULL, " ", &rest))
		send_record(s, strtoul(at, NULL, 0));
	return s->failed;
}

static const char *on_session(struct session *s, const char *word, char *args)
{
	if (!strcmp(word, "handshake"))
		return shake(s);
	if (!strcmp(word, "send") || !strcmp(word, "feed"))
		return send_all(s, args);
	if (!strcmp(word, "half"))
		return send_half(s, strtoul(args, NULL, 0));
	if (!strcmp(word, "rest"))
		return send_rest(s);
	if (!strcmp(word, "ticket"))
		return send_ticket(s);
	if (!strcmp(word, "rekey"))
		return send_key_update(s);
	if (!strcmp(word, "read"))
		return read_pattern(s, strtoul(args, NULL, 0));
	if (!strcmp(word, "end"))
		return end(s);
	if (!strcmp(word, "stream"))
		return start_stream(s, args);
	return "no such command";
}

static const char *do_command(struct control *control, char *line)
{
	char word[16] = "";
	int n = 0, end = 0;
	struct session *s;
	const char *failed;

	sscanf(line, "%15s %n%d %n", word, &end, &n, &end);
	if (!strcmp(word, "hold") || !strcmp(word, "go")) {
		control->holds = !strcmp(word, "hold");
		return NULL;
	}
	if (!strcmp(word, "accept"))
		return accept_session(control);
	s = &control->sessions[n % SESSIONS_MAX];
	if (!strcmp(word, "reset") || !strcmp(word, "close"))
		return close_session(s, *word == 'r');
	if (!strcmp(word, "join")) {
		join(s);
		return s->failed;
	}
	failed = on_session(s, word, line + end);
	if (!failed && strcmp(word, "stream") != 0 && strcmp(word, "feed") != 0)
		settle(s);
	return failed;
}

static void *serve(void *arg)
{
	struct control *control = arg;
	char line[4096];

	while (fgets(line, sizeof(line), control->in)) {
		const char *failed;

		line[strcspn(line, "\n")] = '\0';
		if (!strcmp(line, "port")) {
			fprintf(control->out, "ok %d\n",
				port_of(control->listener));
		} else {
			failed = do_command(control, line);
			fprintf(control->out, "%s%s\n",
				failed ? "failed " : "ok",
				failed ? failed : "");
		}
		fflush(control->out);
	}
	for (int i = 0; i < control->n; i++) {
		if (control->sessions[i].streams)
			shutdown(control->sessions[i].fd, SHUT_RDWR);
		join(&control->sessions[i]);
		close_session(&control->sessions[i], false);
	}
	close(control->listener);
	fclose(control->in);
	fclose(control->out);
	free(control);
	return NULL;
}

static void take_control(int fd)
{
	struct control *control = calloc(1, sizeof(*control));
	pthread_t thread;

	control->in = fdopen(fd, "r");
	control->out = fdopen(dup(fd), "w");
	control->listener = listen_anywhere();
	pthread_create(&thread, NULL, serve, control);
	pthread_detach(thread);
}

static void use_certificate(const char *cert, const char *key)
{
	ctx = SSL_CTX_new(TLS_server_method());
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
		SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
		ERR_print_errors_fp(stderr);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd;

	signal(SIGPIPE, SIG_IGN);
	if (argc > 3)
		use_certificate(argv[2], argv[3]);
	if (argc < 2 || strlen(argv[1]) >= sizeof(addr.sun_path))
		return 2;
	strcpy(addr.sun_path, argv[1]);
	if (bind(listener, (void *)&addr, sizeof(addr)) < 0 ||
		listen(listener, 64) < 0) {
		perror(argv[1]);
		return 1;
	}
	while ((fd = accept(listener, NULL, NULL)) >= 0)
		take_control(fd);
	return 1;
}
