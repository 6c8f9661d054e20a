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
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>
#include <sys/un.h>
#include "tls_session.h"

#define SESSIONS_MAX 8192

struct control {
	FILE *in, *out;
	int listener;
	bool holds;
	int n;
	struct session sessions[SESSIONS_MAX];
};

static SSL_CTX *ctx;

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
