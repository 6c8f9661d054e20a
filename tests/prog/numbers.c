/* SPDX-License-Identifier: MIT */
/* Descriptor numbers, names and options. */
#include "oracle.h"

#include <sys/resource.h>
#include <sys/syscall.h>

static char buf[100000];

static void works(const char *what, int fd)
{
	say("%s\n", what);
	if (show("write", write(fd, "ping", 4)) != 4)
		return;
	say("%s\n", peer("recv 4"));
	peer("send pong");
	show_bytes("read", read(fd, buf, 10), buf);
}

static void duplicates(void)
{
	int fd = dial(), a = dup(fd), b, c, d, e;

	b = dup2(fd, 50);
	c = dup3(fd, 51, O_CLOEXEC);
	d = fcntl(fd, F_DUPFD, 60);
	e = fcntl(fd, F_DUPFD_CLOEXEC, 70);
	say("%d %d %d %d\n", b, c, d, e);
	say("cloexec %d %d %d\n", fcntl(d, F_GETFD), fcntl(c, F_GETFD),
		fcntl(e, F_GETFD));
	show("close", close(fd));
	works("dup", a);
	show("close", close(a));
	works("dup2", b);
	close(b);
	works("dup3", c);
	close(c);
	works("F_DUPFD", d);
	show("onto itself", dup2(d, d));
	show("onto itself", dup3(d, d, 0));
	works("still", d);
	close(d);
	works("F_DUPFD_CLOEXEC", e);
	show("dup2 over it", dup2(2, e));
	say("%s\n", peer("end"));
	show("dup of closed", dup(fd));
}

static void duplicates_before(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), a = dup(fd);

	show("connect", try_connect(fd));
	works("first", fd);
	works("copy", a);
	show("connect", try_connect(a));
	close(fd);
	works("copy alone", a);
	close(a);
	say("%s\n", peer("end"));
}

static void reused(void)
{
	int fd = dial(), p[2];

	close(fd);
	if (pipe(p) < 0)
		give_up("pipe");
	say("same number %d\n", p[0] == fd);
	show("write", write(p[1], "x", 1));
	show_bytes("read", read(p[0], buf, 10), buf);
	close(p[0]);
	close(p[1]);
	fd = dial();
	works("again", fd);
	show("dup2 over it", dup2(oracle_control, fd));
	show("close", close(fd));
	say("%s\n", peer("@2 end"));
}

/* Loops over all numbers close what is the program's, and nothing else. */
static void close_loop(void)
{
	int fd = dial(), other = dial();

	for (int i = other; i < 3000; i++)
		close(i);
	show("gone", fcntl(other, F_GETFD));
	show("left alone", write(fd, "x", 1));
	say("%s\n", peer("@1 recv 1"));
	say("%s\n", peer("@2 end"));
	close(fd);
}

static void close_ranges(void)
{
	int fd = dial(), other = dial();

	show("close_range", close_range((unsigned)other, ~0U, 0));
	show("gone", fcntl(other, F_GETFD));
	say("%s\n", peer("@2 end"));
	show("bad", close_range(7, 6, 0));
	show("bad", close_range(90, 91, 1 << 30));
	show("cloexec", close_range((unsigned)fd, ~0U, CLOSE_RANGE_CLOEXEC));
	say("%d\n", fcntl(fd, F_GETFD));
	show("write", write(fd, "x", 1));
	say("%s\n", peer("@1 recv 1"));
	closefrom(fd);
	show("gone", fcntl(fd, F_GETFD));
	say("%s\n", peer("@1 end"));
}

static ssize_t pass_on(int fd)
{
	int pair[2];
	char control[CMSG_SPACE(sizeof(fd))];
	struct iovec iov = {"x", 1};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *passed = CMSG_FIRSTHDR(&msg);
	ssize_t r;

	passed->cmsg_level = SOL_SOCKET;
	passed->cmsg_type = SCM_RIGHTS;
	passed->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(passed), &fd, sizeof(fd));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		give_up("socketpair");
	r = sendmsg(pair[0], &msg, 0);
	close(pair[0]);
	close(pair[1]);
	return r;
}

/* Every number that the program can find is its own: EBADF for the rest. */
static void hidden(void)
{
	struct rlimit limit;
	int fd, n = 0;

	/* What was inherited, such as a pipe that nobody reads any more. */
	close_range((unsigned)oracle_control + 1, ~0U, 0);
	fd = dial();
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = fd + 1; i < 3000; i++) {
		errno = 0;
		n += fcntl(i, F_GETFD) != -1 || errno != EBADF;
		n += read(i, buf, 1) != -1 || errno != EBADF;
		n += dup2(i, i) != -1 || errno != EBADF;
		n += fdopen(i, "w") != NULL || errno != EBADF;
		n += dprintf(i, "hello") != -1 || errno != EBADF;
		n += close(i) != -1 || errno != EBADF;
	}
	for (int i = fd + 3; i < 1100; i++)
		n += pass_on(i) != -1 || errno != EBADF;
	say("strange = %d\n", n);
	/* Onto any of them: the program may want that number. */
	for (int i = 500; i < 1100; i++)
		if (dup2(oracle_control, i) != i)
			give_up("dup2");
	works("after dup2 everywhere", fd);
	close(fd);
}

static void high(void)
{
	struct rlimit limit = {4096, 4096};
	int fd = dial(), up;

	setrlimit(RLIMIT_NOFILE, &limit);
	up = fcntl(fd, F_DUPFD, 3000);
	say("%d\n", up);
	close(fd);
	works("high", up);
	show_poll("poll", up, POLLIN | POLLOUT, 0);
	close(up);
	for (int i = 0; i < 1500; i++)
		dup(2);
	up = dial();
	say("high %d\n", up >= 1024);
	peer("send x");
	show_poll("poll", up, POLLIN | POLLOUT, 0);
	show("read", read(up, buf, 1));
	close(up);
}

static void by_number(void)
{
	int fd = (int)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in addr = peer_addr();
	struct iovec iov = {"iov", 3};
	socklen_t len = sizeof(addr);
	struct pollfd p = {fd, POLLIN, 0};

	show("connect", syscall(SYS_connect, fd, &addr, sizeof(addr)));
	show("write", syscall(SYS_write, fd, "write", 5));
	show("writev", syscall(SYS_writev, fd, &iov, 1));
	show("pwritev2", syscall(SYS_pwritev2, fd, &iov, 1, -1L, -1L, 0L));
	show("offset", syscall(SYS_pwritev2, fd, &iov, 1, 0L, 0L, 0L));
	show("sendto", syscall(SYS_sendto, fd, "sendto", 6, 0, NULL, 0));
	say("%s\n", peer("recv 17"));
	peer("send hello");
	show("poll", syscall(SYS_poll, &p, 1, -1));
	show_bytes("read", syscall(SYS_read, fd, buf, 2), buf);
	iov = (struct iovec){buf, 1};
	show_bytes("preadv2", syscall(SYS_preadv2, fd, &iov, 1, -1L, -1L, 0L),
		buf);
	show_bytes("recvfrom", syscall(SYS_recvfrom, fd, buf, 9, 0, NULL, NULL),
		buf);
	show("getpeername", syscall(SYS_getpeername, fd, &addr, &len));
	show("fcntl", syscall(SYS_fcntl, fd, F_SETFL, O_NONBLOCK));
	show("read", syscall(SYS_read, fd, buf, 2));
	show("preadv2",
		syscall(SYS_preadv2, fd, &iov, 1, -1L, -1L, (long)RWF_NOWAIT));
	show("close", syscall(SYS_close, fd));
	say("%s\n", peer("end"));
}

/* ---- names ---- */

static void say_name(
	const char *what, int r, const struct sockaddr_in *addr, socklen_t len)
{
	show(what, r);
	if (r == 0)
		say("%d %s %s, %u\n", addr->sin_family,
			inet_ntoa(addr->sin_addr),
			ntohs(addr->sin_port) == oracle_port ? "the port"
			: addr->sin_port		     ? "some port"
							     : "none",
			len);
}

static void names(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in addr = {0};
	socklen_t len = sizeof(addr);

	say_name("self before", getsockname(fd, (void *)&addr, &len), &addr,
		len);
	say_name("peer before", getpeername(fd, (void *)&addr, &len), &addr,
		len);
	show("connect", try_connect(fd));
	say_name("self", getsockname(fd, (void *)&addr, &len), &addr, len);
	say("as the peer sees it: %d\n",
		atoi(strchr(peer("client"), ' ')) == ntohs(addr.sin_port));
	say_name("peer", getpeername(fd, (void *)&addr, &len), &addr, len);
	len = 4;
	memset(&addr, 0, sizeof(addr));
	show("short", getpeername(fd, (void *)&addr, &len));
	say("%u, rest %x\n", len, addr.sin_addr.s_addr);
	len = 100;
	say_name("long", getpeername(fd, (void *)&addr, &len), &addr, len);
	len = (socklen_t)-1;
	show("negative", getpeername(fd, (void *)&addr, &len));
	show("null", getpeername(fd, NULL, &len));
	peer("reset");
	show_poll("poll", fd, 0, -1);
	len = sizeof(addr);
	say_name("after reset", getpeername(fd, (void *)&addr, &len), &addr,
		len);
	close(fd);
}

static void bound(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof(addr);
	char want[40];

	inet_pton(AF_INET, "127.0.0.2", &addr.sin_addr);
	show("bind", bind(fd, (struct sockaddr *)&addr, sizeof(addr)));
	getsockname(fd, (struct sockaddr *)&addr, &len);
	snprintf(want, sizeof(want), "127.0.0.2 %d", ntohs(addr.sin_port));
	show("connect", try_connect(fd));
	say("what was bound %d\n", strcmp(peer("client"), want) == 0);
	works("bound", fd);
	close(fd);
}

/* ---- options ---- */

struct named {
	int level, name, value;
	const char *text;
};

#define OPT(level, name, value)                                                \
	{                                                                      \
		level, name, value, #name                                      \
	}

static const struct named options[] = {OPT(SOL_SOCKET, SO_KEEPALIVE, 1),
	OPT(SOL_SOCKET, SO_REUSEADDR, 1), OPT(SOL_SOCKET, SO_OOBINLINE, 1),
	OPT(SOL_SOCKET, SO_PRIORITY, 3), OPT(SOL_SOCKET, SO_SNDBUF, 30000),
	OPT(SOL_SOCKET, SO_RCVBUF, 40000), OPT(SOL_SOCKET, SO_RCVLOWAT, 5),
	OPT(IPPROTO_TCP, TCP_NODELAY, 1), OPT(IPPROTO_TCP, TCP_KEEPIDLE, 77),
	OPT(IPPROTO_TCP, TCP_KEEPINTVL, 7), OPT(IPPROTO_TCP, TCP_KEEPCNT, 4),
	OPT(IPPROTO_TCP, TCP_SYNCNT, 3), OPT(IPPROTO_TCP, TCP_MAXSEG, 900),
	OPT(IPPROTO_TCP, TCP_USER_TIMEOUT, 9000),
	OPT(IPPROTO_TCP, TCP_LINGER2, 5),
	OPT(IPPROTO_TCP, TCP_NOTSENT_LOWAT, 70000),
	OPT(IPPROTO_IP, IP_TOS, 0x10), OPT(IPPROTO_IP, IP_TTL, 33),
	OPT(SOL_SOCKET, SO_TYPE, 0), OPT(SOL_SOCKET, SO_DOMAIN, 0),
	OPT(SOL_SOCKET, SO_PROTOCOL, 0), OPT(SOL_SOCKET, SO_ERROR, 0),
	OPT(SOL_SOCKET, SO_ACCEPTCONN, 0)};

#define N_OPTIONS (sizeof(options) / sizeof(*options))

static void read_options(int fd, int but)
{
	for (unsigned i = 0; i < N_OPTIONS; i++) {
		int value = -7;
		socklen_t len = sizeof(value);

		if (options[i].level == IPPROTO_TCP && options[i].name == but)
			continue;
		if (getsockopt(fd, options[i].level, options[i].name, &value,
			    &len) < 0)
			show(options[i].text, -1);
		else
			say("%s = %d (%u)\n", options[i].text, value, len);
	}
}

static void set_options(int fd)
{
	for (unsigned i = 0; i < N_OPTIONS; i++)
		if (options[i].value)
			show(options[i].text,
				setsockopt(fd, options[i].level,
					options[i].name, &options[i].value,
					sizeof(int)));
}

static void options_before(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	set_options(fd);
	show("connect", try_connect(fd));
	read_options(fd, -1);
	close(fd);
}

static void options_after(void)
{
	int fd = dial(), value;
	struct tcp_info info;
	struct timeval tv = {3, 0};
	struct linger linger = {0};
	socklen_t len = sizeof(info);

	set_options(fd);
	read_options(fd, TCP_MAXSEG); /* what it is now depends on the path */
	show("TCP_INFO", getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len));
	say("established %d\n", info.tcpi_state == TCP_ESTABLISHED);
	show("set", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	len = sizeof(tv);
	memset(&tv, 0, sizeof(tv));
	show("get", getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len));
	say("%ld %u\n", (long)tv.tv_sec, len);
	len = sizeof(linger);
	show("linger", getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len));
	len = 2;
	show("short", getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len));
	say("%u\n", len);
	len = (socklen_t)-1;
	show("negative", getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &len));
	show("null", getsockopt(fd, SOL_SOCKET, SO_ERROR, NULL, &len));
	show("unknown", getsockopt(fd, SOL_SOCKET, 9999, &value, &len));
	show("short", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, 1));
	show("type", setsockopt(fd, SOL_SOCKET, SO_TYPE, &value, 4));
	close(fd);
}

static void ioctls(void)
{
	int fd = dial(), n = -1, on = 1;

	show("FIONREAD", ioctl(fd, FIONREAD, &n));
	say("%d\n", n);
	peer("send hello");
	peer("send world!");
	show("FIONREAD", ioctl(fd, FIONREAD, &n));
	say("%d\n", n);
	show_bytes("read", read(fd, buf, 3), buf);
	show("FIONREAD", ioctl(fd, FIONREAD, &n));
	say("%d\n", n);
	show_poll("poll", fd, POLLIN, 0);
	show_bytes("read", read(fd, buf, 30), buf);
	show("write", write(fd, "x", 1));
	peer("recv 1");
	do /* until it is acknowledged */
		if (ioctl(fd, TIOCOUTQ, &n) < 0)
			give_up("TIOCOUTQ");
	while (n);
	show("FIONBIO", ioctl(fd, FIONBIO, &on));
	show("read", read(fd, buf, 1));
	show("FIOCLEX", ioctl(fd, FIOCLEX));
	say("%d\n", fcntl(fd, F_GETFD));
	show("unknown", ioctl(fd, 0x9999, &n));
	show("isatty", isatty(fd));
	peer("finish");
	show("FIONREAD", ioctl(fd, FIONREAD, &n));
	say("%d\n", n);
	close(fd);
}

static void show_nodelay(int fd)
{
	int on = -1;
	socklen_t len = sizeof(on);

	getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len);
	say("TCP_NODELAY %d\n", on != 0);
}

static void set_nodelay(int fd, int on)
{
	show("set", setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
	show_nodelay(fd);
}

/* What the program set is what it is told, whenever it asks. */
static void nodelay(void)
{
	for (int before = 0; before < 2; before++)
		for (int after = 0; after < 2; after++) {
			int fd = socket(AF_INET, SOCK_STREAM, 0);

			set_nodelay(fd, before);
			show("connect", try_connect(fd));
			show_nodelay(fd);
			set_nodelay(fd, after);
			works("first bytes", fd);
			show_nodelay(fd);
			works("more", fd);
			show_nodelay(fd);
			set_nodelay(fd, !after);
			works("at last", fd);
			close(fd);
		}
}

SCENARIOS({"nodelay", nodelay}, {"duplicates", duplicates},
	{"duplicates-before", duplicates_before}, {"reused", reused},
	{"close-loop", close_loop}, {"close-ranges", close_ranges},
	{"hidden", hidden}, {"high", high}, {"by-number", by_number},
	{"names", names}, {"bound", bound}, {"options-before", options_before},
	{"options-after", options_after}, {"ioctls", ioctls})
