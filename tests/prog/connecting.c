/* SPDX-License-Identifier: MIT */
/* connect(2) and its relatives. */
#include "oracle.h"

#include <sys/mman.h>
#include <sys/resource.h>

static char buf[1000];

static int stream_socket(bool nonblocking)
{
	return socket(
		AF_INET, SOCK_STREAM | (nonblocking ? SOCK_NONBLOCK : 0), 0);
}

/* A port of the loopback where nobody listens. */
static struct sockaddr_in nobody(void)
{
	struct sockaddr_in addr = peer_addr();
	socklen_t len = sizeof(addr);
	int fd = stream_socket(false);

	addr.sin_port = 0;
	bind(fd, (struct sockaddr *)&addr, sizeof(addr));
	getsockname(fd, (struct sockaddr *)&addr, &len);
	close(fd);
	return addr;
}

static int connect_nobody(int fd)
{
	struct sockaddr_in addr = nobody();

	return connect(fd, (struct sockaddr *)&addr, sizeof(addr));
}

static int disconnect(int fd)
{
	struct sockaddr addr = {.sa_family = AF_UNSPEC};

	return connect(fd, &addr, sizeof(addr));
}

/* It carries data, both ways. */
static void use(int fd)
{
	set_nonblocking(fd, false);
	show("write", write(fd, "ping", 4));
	say("%s\n", peer("recv 4"));
	peer("send pong");
	show_bytes("read", read(fd, buf, 10), buf);
}

static void blocking(void)
{
	int fd = stream_socket(false);

	show("connect", try_connect(fd));
	show("connect", try_connect(fd));
	show("connect", try_connect(fd));
	show_error("SO_ERROR", fd);
	show_poll("poll", fd, POLLIN | POLLOUT, 0);
	use(fd);
	show("close", close(fd));
}

static void nonblocking(void)
{
	int fd = stream_socket(true);

	show("connect", try_connect(fd));
	show_poll("poll", fd, POLLOUT, -1);
	show_poll("poll", fd, ALL_EVENTS, 0);
	show_error("SO_ERROR", fd);
	show("connect", try_connect(fd));
	show("connect", try_connect(fd));
	show("read", read(fd, buf, 10));
	use(fd);
	close(fd);
}

static void nonblocking_by_select(void)
{
	int fd = stream_socket(true);
	fd_set r, w, e;

	show("connect", try_connect(fd));
	FD_ZERO(&r);
	FD_ZERO(&e);
	FD_ZERO(&w);
	FD_SET(fd, &r);
	FD_SET(fd, &w);
	FD_SET(fd, &e);
	show("select", select(fd + 1, &r, &w, &e, NULL));
	say("%d %d %d\n", FD_ISSET(fd, &r) != 0, FD_ISSET(fd, &w) != 0,
		FD_ISSET(fd, &e) != 0);
	show_error("SO_ERROR", fd);
	use(fd);
	close(fd);
}

/* Of a blocking socket, the second connect() waits for the first. */
static void made_blocking(void)
{
	int fd = stream_socket(true);

	show("connect", try_connect(fd));
	set_nonblocking(fd, false);
	show("connect", try_connect(fd));
	show("connect", try_connect(fd));
	use(fd);
	close(fd);
	fd = stream_socket(true);
	show("connect", try_connect(fd));
	set_nonblocking(fd, false);
	show("write", write(fd, "ping", 4));
	say("%s\n", peer("@2 recv 4"));
	close(fd);
	fd = stream_socket(true);
	show("connect", try_connect(fd));
	set_nonblocking(fd, false);
	peer("&@3 send pong");
	show_bytes("read", read(fd, buf, 10), buf);
	close(fd);
}

/* Before the handshake is done; what plain TCP says of a connection whose SYN
 * was not answered. */
static void pending(void)
{
	int fd = stream_socket(true);
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	peer("manual");
	show("connect", try_connect(fd));
	show_poll("poll", fd, ALL_EVENTS, 0);
	peer("hello");
	show_poll("poll", fd, ALL_EVENTS, 0);
	show("connect", try_connect(fd));
	show_error("SO_ERROR", fd);
	show("read", read(fd, buf, 10));
	show("recv peek", recv(fd, buf, 10, MSG_PEEK));
	show("write", write(fd, "x", 1));
	show("getpeername", getpeername(fd, (struct sockaddr *)&addr, &len));
	show("getsockname", getsockname(fd, (struct sockaddr *)&addr, &len));
	say("%s port %d\n", inet_ntoa(addr.sin_addr), addr.sin_port != 0);
	peer("&handshake");
	show_poll("poll", fd, POLLIN | POLLOUT, -1);
	show_error("SO_ERROR", fd);
	show("connect", try_connect(fd));
	show("connect", try_connect(fd));
	use(fd);
	close(fd);
}

/* Only asking to read drives the handshake too. */
static void driven_by_reading(void)
{
	int fd = stream_socket(true);

	show("connect", try_connect(fd));
	peer("&send hello");
	show_poll("poll", fd, POLLIN, -1);
	show_bytes("read", read(fd, buf, 10), buf);
	close(fd);
	fd = stream_socket(true);
	show("connect", try_connect(fd));
	while (getsockopt(fd, SOL_SOCKET, SO_ERROR, buf, &(socklen_t){4}) ==
			0 &&
		getpeername(fd, (struct sockaddr *)buf, &(socklen_t){100}) < 0)
		usleep(1000);
	show("write", write(fd, "ping", 4));
	say("%s\n", peer("@2 recv 4"));
	close(fd);
}

static void refused(void)
{
	int fd = stream_socket(false);

	show("connect", connect_nobody(fd));
	show_error("SO_ERROR", fd);
	show_poll("poll", fd, POLLIN | POLLOUT, 0);
	show("connect", connect_nobody(fd));
	show("elsewhere", try_connect(fd));
	use(fd);
	close(fd);
}

static void refused_later(void)
{
	int fd = stream_socket(true);

	show("connect", connect_nobody(fd));
	show_poll("poll", fd, ALL_EVENTS, -1);
	show_error("SO_ERROR", fd);
	show_error("SO_ERROR", fd);
	show_poll("poll", fd, ALL_EVENTS, 0);
	show("read", read(fd, buf, 10));
	show("connect", connect_nobody(fd));
	close(fd);

	fd = stream_socket(true);
	show("connect", connect_nobody(fd));
	show_poll("poll", fd, POLLOUT, -1);
	show("told by connect", connect_nobody(fd));
	show_error("SO_ERROR", fd);
	show("connect", try_connect(fd));
	show_poll("poll", fd, POLLOUT, -1);
	show_error("SO_ERROR", fd);
	use(fd);
	close(fd);

	fd = stream_socket(true);
	show("connect", connect_nobody(fd));
	show_poll("poll", fd, POLLIN, -1);
	show("told by read", read(fd, buf, 10));
	show("read", read(fd, buf, 10));
	show_error("SO_ERROR", fd);
	close(fd);

	fd = stream_socket(true);
	show("connect", connect_nobody(fd));
	show_poll("poll", fd, 0, -1);
	show("told by write", write(fd, buf, 10));
	show("send", send(fd, buf, 10, MSG_NOSIGNAL));
	show_error("SO_ERROR", fd);
	close(fd);
}

/* Told by SO_ERROR, the failure is ECONNABORTED to the next connect(), and
 * the socket is fresh after that. */
static void aborted(void)
{
	int fd = stream_socket(true);

	show("connect", connect_nobody(fd));
	show_poll("poll", fd, POLLOUT, -1);
	show_error("SO_ERROR", fd);
	show("connect", try_connect(fd));
	show("connect", try_connect(fd));
	show_poll("poll", fd, POLLOUT, -1);
	show_error("SO_ERROR", fd);
	use(fd);
	close(fd);
}

/* The peer resets before the handshake is done. */
static void reset_before_open(void)
{
	int fd = stream_socket(true);

	peer("manual");
	show("connect", try_connect(fd));
	show_poll("poll", fd, 0, 0);
	peer("hello");
	peer("reset");
	show_poll("poll", fd, ALL_EVENTS, -1);
	show_error("SO_ERROR", fd);
	show_error("SO_ERROR", fd);
	show("write", send(fd, "x", 1, MSG_NOSIGNAL));
	close(fd);
	fd = stream_socket(false);
	peer("&@2 hello");
	peer("&@2 reset");
	show("blocking", try_connect(fd));
	show_error("SO_ERROR", fd);
	peer("&@3 handshake");
	show("blocking", try_connect(fd));
	show("write", write(fd, "ping", 4));
	say("%s\n", peer("@3 recv 4"));
	close(fd);
}

static void unspec(void)
{
	int fd = stream_socket(false);
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	show("fresh", disconnect(fd));
	show("connect", try_connect(fd));
	peer("close");
	show("unspec", disconnect(fd));
	show("getpeername", getpeername(fd, (struct sockaddr *)&addr, &len));
	show("unspec", disconnect(fd));
	show("connect", try_connect(fd));
	use(fd);
	show("short unspec", connect(fd, &(struct sockaddr){0}, 1));
	use(fd);
	close(fd);
}

static void unspec_pending(void)
{
	int fd = stream_socket(true);

	peer("manual");
	show("connect", try_connect(fd));
	show("unspec", disconnect(fd));
	show_poll("poll", fd, POLLOUT | POLLIN, 0);
	show_error("SO_ERROR", fd);
	peer("close");
	peer("&@2 handshake");
	show("connect", try_connect(fd));
	show_poll("poll", fd, POLLOUT, -1);
	show("write", write(fd, "ping", 4));
	say("%s\n", peer("@2 recv 4"));
	close(fd);
}

/* Shutting down what is not open yet makes the socket fresh. */
static void shutdown_pending(void)
{
	int fd = stream_socket(true);

	peer("manual");
	show("connect", try_connect(fd));
	show("shutdown", shutdown(fd, SHUT_RDWR));
	show_poll("poll", fd, POLLOUT | POLLIN, 0);
	show("read", read(fd, buf, 1));
	show("shutdown", shutdown(fd, SHUT_RDWR));
	peer("close");
	close(fd);
}

static void bad_arguments(void)
{
	int fd = stream_socket(false), file = open("/dev/null", O_RDONLY);
	struct sockaddr_in addr = peer_addr();
	struct sockaddr_in6 addr6 = {.sin6_family = AF_INET6,
		.sin6_port = addr.sin_port,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr *sa = (struct sockaddr *)&addr;
	struct sockaddr *volatile nowhere = (struct sockaddr *)-1;
	struct msghdr *volatile message = (struct msghdr *)-1;
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sockaddr *half = (struct sockaddr *)(pages + 4096 - 8);
	struct sockaddr *page = (struct sockaddr *)(pages + 4096);

	memcpy(half, &addr, 8);
	mprotect(page, 4096, PROT_NONE);
	show("message", sendmsg(fd, message, MSG_NOSIGNAL));
	show("len 0", connect(fd, sa, 0));
	show("len 1", connect(fd, sa, 1));
	show("len 8", connect(fd, sa, 8));
	show("len 15", connect(fd, sa, 15));
	show("len 1000", connect(fd, sa, 1000));
	show("null", connect(fd, NULL, 16));
	show("nowhere", connect(fd, nowhere, 16));
	show("no memory", connect(fd, page, 16));
	show("half", connect(fd, half, 16));
	show("inet6", connect(fd, (struct sockaddr *)&addr6, sizeof(addr6)));
	show("file", connect(file, sa, sizeof(addr)));
	show("closed", connect(777, sa, sizeof(addr)));
	show("negative", connect(-1, sa, sizeof(addr)));
	addr.sin_family = 77;
	show("family", connect(fd, sa, sizeof(addr)));
	addr.sin_family = AF_INET;
	show("more than enough", connect(fd, sa, 64));
	show("len 1", connect(fd, sa, 1));
	show("null", connect(fd, NULL, 16));
	show("nowhere", connect(fd, nowhere, 16));
	use(fd);
	close(fd);
	fd = stream_socket(false);
	show("listen", listen(fd, 5));
	show("connect", connect(fd, sa, sizeof(addr)));
	close(fd);
}

/* A datagram socket with that port is none of the shim's business. */
static void datagrams(void)
{
	struct sockaddr_in addr = peer_addr();
	int server = socket(AF_INET, SOCK_DGRAM, 0);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	show("bind", bind(server, (struct sockaddr *)&addr, sizeof(addr)));
	show("connect", try_connect(fd));
	show("connect", try_connect(fd));
	show("write", write(fd, "ping", 4));
	show_bytes("read", read(server, buf, 10), buf);
	show("sendto", sendto(fd, "pong", 4, 0, (struct sockaddr *)&addr,
			       sizeof(addr)));
	show_bytes("read", recv(server, buf, 10, 0), buf);
	show("unspec", disconnect(fd));
}

static void unconnected(void)
{
	int other = dial(), fd = stream_socket(false);
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	show("read", read(fd, buf, 10));
	show("send", send(fd, buf, 10, MSG_NOSIGNAL));
	show("getpeername", getpeername(fd, (struct sockaddr *)&addr, &len));
	show("shutdown", shutdown(fd, SHUT_WR));
	show_poll("poll", fd, ALL_EVENTS, 0);
	show_error("SO_ERROR", fd);
	close(fd);
	close(other);
}

static void fastopen_sendto(void)
{
	struct sockaddr_in addr = peer_addr();
	struct iovec iov[2] = {{"hel", 3}, {"lo", 2}};
	struct msghdr msg = {.msg_name = &addr,
		.msg_namelen = sizeof(addr),
		.msg_iov = iov,
		.msg_iovlen = 2};
	struct mmsghdr twice[2] = {{.msg_hdr = msg}, {.msg_hdr = msg}};
	int fd = stream_socket(false);

	show("sendto", sendto(fd, "hello", 5, MSG_FASTOPEN,
			       (struct sockaddr *)&addr, sizeof(addr)));
	say("%s\n", peer("recv 5"));
	show("again", sendto(fd, "hello", 5, MSG_FASTOPEN,
			      (struct sockaddr *)&addr, sizeof(addr)));
	show("connect", try_connect(fd));
	use(fd);
	close(fd);
	fd = stream_socket(false);
	show("sendmsg", sendmsg(fd, &msg, MSG_FASTOPEN));
	say("%s\n", peer("@2 recv 5"));
	close(fd);
	fd = stream_socket(true);
	show("nonblocking", sendto(fd, "hello", 5, MSG_FASTOPEN,
				    (struct sockaddr *)&addr, sizeof(addr)));
	show_poll("poll", fd, POLLOUT, -1);
	show("write", write(fd, "hello", 5));
	say("%s\n", peer("@3 recv 5"));
	close(fd);
	fd = stream_socket(false);
	show("sendmmsg", sendmmsg(fd, twice, 2, MSG_FASTOPEN));
	say("%s\n", peer("@4 recv 5"));
	use(fd);
	close(fd);
	fd = stream_socket(false);
	addr = nobody();
	show("nobody", sendto(fd, "hello", 5, MSG_FASTOPEN | MSG_NOSIGNAL,
			       (struct sockaddr *)&addr, sizeof(addr)));
	show("no address",
		sendto(fd, "hello", 5, MSG_FASTOPEN | MSG_NOSIGNAL, NULL, 0));
	show("bad address", sendto(fd, "hello", 5, MSG_FASTOPEN | MSG_NOSIGNAL,
				    (struct sockaddr *)&addr, 3));
	close(fd);
}

static void fastopen_connect(void)
{
	int fd = stream_socket(false), on = 1;

	show("option", setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on,
			       sizeof(on)));
	show("connect", try_connect(fd));
	use(fd);
	close(fd);
	fd = stream_socket(true);
	setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on));
	show("connect", try_connect(fd));
	show_poll("poll", fd, POLLOUT, -1);
	show("write", write(fd, "hello", 5));
	say("%s\n", peer("@2 recv 5"));
	close(fd);
}

/* A blocking connect() whose SO_SNDTIMEO is over goes on by itself. */
static void send_timeout(void)
{
	int fd = stream_socket(false);
	struct timeval tv = {.tv_usec = 50000};
	double start = now();

	peer("manual");
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	show("connect", try_connect(fd));
	say("in time: %d\n", now() - start >= 0.045 && now() - start < 5);
	show_error("SO_ERROR", fd);
	show_poll("poll", fd, POLLOUT | POLLIN, 0);
	show("write", write(fd, "x", 1));
	peer("&handshake");
	show_poll("poll", fd, POLLOUT | POLLIN, -1);
	show("connect", try_connect(fd));
	use(fd);
	close(fd);
}

/* As the program sees them. */
static unsigned count_open(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 5000; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* No number is free: EMFILE, and nothing has changed. */
static void no_numbers(void)
{
	struct rlimit limit = {40, 40};
	int fd = stream_socket(false), other = -1, last = -1;
	unsigned before;

	setrlimit(RLIMIT_NOFILE, &limit);
	while ((other = dup(2)) >= 0)
		last = other;
	show("dup", other);
	before = count_open();
	for (int i = 0; i < 5; i++)
		show("connect", try_connect(fd));
	say("lost = %u\n", count_open() - before);
	close(last);
	show("connect", try_connect(fd));
	use(fd);
	close(fd);
}

/* Two connections for three numbers of the soft limit; nobody is told of
 * another limit than the program's. */
static void few_numbers(void)
{
	struct rlimit limit = {256, 4096};
	int fd = -1, n = 0;

	setrlimit(RLIMIT_NOFILE, &limit);
	for (; n < 170; n++) {
		fd = stream_socket(false);
		if (fd < 0 || try_connect(fd) < 0)
			break;
	}
	say("connections = %d\n", n);
	if (n < 170)
		give_up("connect");
	getrlimit(RLIMIT_NOFILE, &limit);
	say("limit = %d %d\n", (int)limit.rlim_cur, (int)limit.rlim_max);
	use(fd);
	show("system", system("ulimit -Sn"));
}

static void ipv6(void)
{
	struct sockaddr_in6 addr = {
		.sin6_family = AF_INET6, .sin6_port = peer_addr().sin_port};
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	inet_pton(AF_INET6, "::ffff:127.0.0.1", &addr.sin6_addr);
	show("mapped", connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
	use(fd);
	memset(&addr, 0, sizeof(addr));
	getpeername(fd, (struct sockaddr *)&addr, &(socklen_t){sizeof(addr)});
	say("%d %s\n", addr.sin6_family,
		inet_ntop(AF_INET6, &addr.sin6_addr, buf, sizeof(buf)));
	close(fd);
}

/* No address is this host's. */
static void no_address(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_port = peer_addr().sin_port};
	struct sockaddr_in6 mapped = {
		.sin6_family = AF_INET6, .sin6_port = addr.sin_port};
	int fd = stream_socket(false);

	show("0.0.0.0", connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
	use(fd);
	getpeername(fd, (struct sockaddr *)&addr, &(socklen_t){sizeof(addr)});
	say("%s\n", inet_ntop(AF_INET, &addr.sin_addr, buf, sizeof(buf)));
	close(fd);
	fd = socket(AF_INET6, SOCK_STREAM, 0);
	inet_pton(AF_INET6, "::ffff:0.0.0.0", &mapped.sin6_addr);
	show("mapped", connect(fd, (struct sockaddr *)&mapped, sizeof(mapped)));
	use(fd);
	getpeername(
		fd, (struct sockaddr *)&mapped, &(socklen_t){sizeof(mapped)});
	say("%s\n", inet_ntop(AF_INET6, &mapped.sin6_addr, buf, sizeof(buf)));
	close(fd);
}

SCENARIOS({"blocking", blocking}, {"nonblocking", nonblocking},
	{"nonblocking-by-select", nonblocking_by_select},
	{"made-blocking", made_blocking}, {"pending", pending},
	{"driven-by-reading", driven_by_reading}, {"refused", refused},
	{"refused-later", refused_later}, {"aborted", aborted},
	{"reset-before-open", reset_before_open}, {"unspec", unspec},
	{"unspec-pending", unspec_pending},
	{"shutdown-pending", shutdown_pending},
	{"bad-arguments", bad_arguments}, {"datagrams", datagrams},
	{"unconnected", unconnected}, {"fastopen-sendto", fastopen_sendto},
	{"fastopen-connect", fastopen_connect}, {"send-timeout", send_timeout},
	{"no-numbers", no_numbers}, {"few-numbers", few_numbers},
	{"ipv6", ipv6}, {"no-address", no_address})
