/* SPDX-License-Identifier: MIT */
/* Every call that reads, on a connection whose peer says what the scenario
 * makes it say. */
#include "oracle.h"

static char buf[300000];

/* Each reading call takes its share of one record. */
static void all_calls(void)
{
	int fd = dial();
	char a[4], b[8];
	struct iovec iov[] = {{a, 2}, {NULL, 0}, {b, 3}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 3};
	struct sockaddr_in from = {.sin_family = 77};
	socklen_t len = sizeof(from);

	peer("send abcdefghijklmnopqrstuvwxyz0123456789");
	show_bytes("read", read(fd, buf, 3), buf);
	show("readv", readv(fd, iov, 3));
	say("%.2s %.3s\n", a, b);
	show("preadv2", preadv2(fd, iov, 3, -1, 0));
	say("%.2s %.3s\n", a, b);
	show_bytes("recv", recv(fd, buf, 4, 0), buf);
	show_bytes("recvfrom",
		recvfrom(fd, buf, 4, 0, (struct sockaddr *)&from, &len), buf);
	say("len %u family %d\n", len, from.sin_family);
	msg.msg_name = &from;
	msg.msg_namelen = sizeof(from);
	msg.msg_control = buf;
	msg.msg_controllen = 100;
	msg.msg_flags = -1;
	show("recvmsg", recvmsg(fd, &msg, 0));
	say("%.2s %.3s namelen %u controllen %zu flags %x\n", a, b,
		msg.msg_namelen, msg.msg_controllen, msg.msg_flags);
	show_bytes("rest", read(fd, buf, sizeof(buf)), buf);
	close(fd);
}

static void many_messages(void)
{
	int fd = dial();
	char room[4][5];
	struct iovec iov[4];
	struct mmsghdr msgs[4] = {0};
	struct timespec soon = {.tv_nsec = 1};

	for (int i = 0; i < 4; i++) {
		iov[i] = (struct iovec){room[i], 5};
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	peer("send aaaaabbbbbcc");
	show("recvmmsg", recvmmsg(fd, msgs, 4, MSG_WAITFORONE, NULL));
	for (int i = 0; i < 3; i++)
		say("%u %.*s\n", msgs[i].msg_len, (int)msgs[i].msg_len,
			room[i]);
	peer("send dddddeeeee");
	show("with timeout", recvmmsg(fd, msgs, 2, 0, &soon));
	say("%u %.5s\n", msgs[0].msg_len, room[0]);
	show("dontwait", recvmmsg(fd, msgs, 4, MSG_DONTWAIT, NULL));
	show("again", recvmmsg(fd, msgs, 4, MSG_DONTWAIT, NULL));
	show("none", recvmmsg(fd, msgs, 0, MSG_DONTWAIT, NULL));
	peer("finish");
	show("end", recvmmsg(fd, msgs, 4, 0, NULL));
	say("%u\n", msgs[0].msg_len);
	close(fd);
}

static void many_iovecs(void)
{
	int fd = dial();
	struct iovec iov[50];
	size_t sum = 0;
	ssize_t got;
	volatile int n = -1; /* which the compiler would not let pass */

	for (int i = 0; i < 50; i++) {
		iov[i].iov_base = buf + sum;
		iov[i].iov_len = (i % 3 == 1) ? 0 : (size_t)(i * 41);
		sum += iov[i].iov_len;
	}
	peer("pattern 40000");
	got = show("readv", readv(fd, iov, 50));
	say("of %zu, %s\n", sum,
		is_pattern(buf, 0, (size_t)got) ? "right" : "wrong");
	read_all(fd, buf, 40000 - (size_t)got);
	show("none", readv(fd, iov, 0));
	show("negative", readv(fd, iov, n));
	n = 1025;
	show("too many", readv(fd, iov, n));
	iov[1].iov_len = (size_t)-1;
	show("too long", readv(fd, iov, 3));
	close(fd);
}

/* Reading nothing, with and without something there. */
static void zero_length(void)
{
	int fd = dial();
	struct iovec none[2] = {{buf, 0}, {NULL, 0}};
	struct msghdr msg = {.msg_iov = none, .msg_iovlen = 2};

	show("read", read(fd, buf, 0));
	show("readv", readv(fd, none, 2));
	show("recv dontwait", recv(fd, buf, 0, MSG_DONTWAIT));
	show("recvmsg dontwait", recvmsg(fd, &msg, MSG_DONTWAIT));
	show("peek dontwait", recv(fd, buf, 0, MSG_DONTWAIT | MSG_PEEK));
	peer("send x");
	show("read", read(fd, buf, 0));
	show("recv", recv(fd, buf, 0, 0));
	show("peek", recv(fd, buf, 0, MSG_PEEK));
	show("recvmsg", recvmsg(fd, &msg, 0));
	show_bytes("read", read(fd, buf, 10), buf);
	peer("finish");
	show("read at end", read(fd, buf, 0));
	show("recv at end", recv(fd, buf, 0, 0));
	close(fd);
}

static void peek(void)
{
	int fd = dial();

	show("nothing", recv(fd, buf, 5, MSG_PEEK | MSG_DONTWAIT));
	peer("send hello");
	show_bytes("some", recv(fd, buf, 3, MSG_PEEK), buf);
	show_bytes("all", recv(fd, buf, 30, MSG_PEEK), buf);
	peer("send , ");
	peer("send world");
	show_bytes("three records", recv(fd, buf, 30, MSG_PEEK), buf);
	show_bytes("read part", read(fd, buf, 2), buf);
	show_bytes("peek", recv(fd, buf, 30, MSG_PEEK), buf);
	show_bytes(
		"peek and trunc", recv(fd, buf, 4, MSG_PEEK | MSG_TRUNC), buf);
	show_bytes("read", read(fd, buf, 30), buf);
	show("gone", recv(fd, buf, 5, MSG_PEEK | MSG_DONTWAIT));
	peer("&pattern 100000/7000");
	show("peek much", recv(fd, buf, 30000, MSG_PEEK | MSG_WAITALL));
	say("%s\n", is_pattern(buf, 0, 30000) ? "right" : "wrong");
	read_all(fd, buf, 100000);
	say("%s\n", is_pattern(buf, 0, 100000) ? "right" : "wrong");
	peer("send end");
	peer("finish");
	show_bytes("before end", recv(fd, buf, 30, MSG_PEEK), buf);
	show_bytes("waitall before end",
		recv(fd, buf, 30, MSG_PEEK | MSG_WAITALL), buf);
	show_bytes("read", read(fd, buf, 30), buf);
	show("peek at end", recv(fd, buf, 30, MSG_PEEK));
	show("read at end", read(fd, buf, 30));
	close(fd);
}

static void *say_rest(void *unused)
{
	(void)unused;
	peer("send two");
	peer("send three");
	return NULL;
}

static void waitall(void)
{
	int fd = dial();
	struct iovec iov[2] = {{buf, 4}, {buf + 4, 7}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	pthread_t thread;

	peer("send one");
	pthread_create(&thread, NULL, say_rest, NULL);
	show_bytes("recv", recv(fd, buf, 11, MSG_WAITALL), buf);
	pthread_join(thread, NULL);
	peer("send one");
	pthread_create(&thread, NULL, say_rest, NULL);
	show_bytes("recvmsg", recvmsg(fd, &msg, MSG_WAITALL), buf);
	pthread_join(thread, NULL);
	peer("send part");
	show_bytes(
		"dontwait", recv(fd, buf, 11, MSG_WAITALL | MSG_DONTWAIT), buf);
	show("dontwait", recv(fd, buf, 11, MSG_WAITALL | MSG_DONTWAIT));
	peer("send part");
	peer("finish");
	show_bytes("cut by the end", recv(fd, buf, 11, MSG_WAITALL), buf);
	show("end", recv(fd, buf, 11, MSG_WAITALL));
	close(fd);
}

static void waitall_reset(void)
{
	int fd = dial();

	peer("send part");
	show_bytes("peek", recv(fd, buf, 11, MSG_PEEK), buf);
	peer("reset");
	show("after reset", recv(fd, buf, 11, MSG_WAITALL));
	show("again", recv(fd, buf, 11, MSG_WAITALL));
	show("once more", recv(fd, buf, 11, 0));
	close(fd);
}

static void dontwait(void)
{
	int fd = dial();

	show("empty", recv(fd, buf, 10, MSG_DONTWAIT));
	peer("send hello");
	show_bytes("some", recv(fd, buf, 2, MSG_DONTWAIT), buf);
	show_bytes("rest", recv(fd, buf, 10, MSG_DONTWAIT), buf);
	show("empty", recv(fd, buf, 10, MSG_DONTWAIT));
	say("flags %d\n", fcntl(fd, F_GETFL) & O_NONBLOCK);
	struct iovec iov = {buf, 10};
	show("nowait", preadv2(fd, &iov, 1, -1, RWF_NOWAIT));
	show("offset", preadv2(fd, &iov, 1, 0, 0));
	show("pread", pread(fd, buf, 1, 0));
	show("lseek", lseek(fd, 0, SEEK_CUR));
	close(fd);
}

static void trunc_discards(void)
{
	int fd = dial();

	peer("send hello world");
	memset(buf, '-', 20);
	show("trunc", recv(fd, buf, 6, MSG_TRUNC));
	say("%.6s\n", buf);
	show("null", recv(fd, NULL, 2, MSG_TRUNC));
	show_bytes("rest", read(fd, buf, 20), buf);
	show("none", recv(fd, buf, 6, MSG_TRUNC | MSG_DONTWAIT));
	peer("pattern 20000");
	show("more", recv(fd, NULL, 18000, MSG_TRUNC | MSG_WAITALL));
	show("rest", read(fd, buf, 20000));
	say("%s\n", is_pattern(buf, 18000, 2000) ? "right" : "wrong");
	peer("finish");
	show("end", recv(fd, buf, 6, MSG_TRUNC));
	close(fd);
}

/* MSG_OOB is left out here: TLS has none, see oob in writing.bats. */
static void bad_arguments(void)
{
	int fd = dial();
	struct iovec iov[3] = {{buf, 5}, {(void *)8, 5}, {buf, 5}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2000};
	char *volatile nowhere = (char *)-1, *volatile null = NULL;

	show("nothing for nowhere", recv(fd, nowhere, 5, MSG_DONTWAIT));
	show("errqueue", recv(fd, buf, 5, MSG_ERRQUEUE | MSG_DONTWAIT));
	show("msgsize", recvmsg(fd, &msg, MSG_DONTWAIT));
	show("preadv2 flags", preadv2(fd, iov, 1, -1, 0x4000));
	peer("send hello");
	show("readable", poll(&(struct pollfd){fd, POLLIN, 0}, 1, -1));
	show("nowhere", recv(fd, nowhere, 5, 0));
	show("a look from nowhere", recv(fd, nowhere, 5, MSG_PEEK));
	show("null", read(fd, null, 5));
	show_bytes("still there", read(fd, buf, 9), buf);
	close(fd);
}

/* A short read means drained: edge-triggered programs go to sleep on it. */
static void short_is_drained(void)
{
	int fd = dial();

	set_nonblocking(fd, true);
	peer("records 1,2,3,400,5000,16384,7,1");
	show("all records", read(fd, buf, sizeof(buf)));
	say("%s\n", is_pattern(buf, 0, 21798) ? "right" : "wrong");
	show("then", read(fd, buf, sizeof(buf)));
	peer("records 100,200,300");
	show("exact", read(fd, buf, 600));
	show("then", read(fd, buf, sizeof(buf)));
	peer("records 100,200,300");
	show("one less", read(fd, buf, 599));
	show("then", read(fd, buf, 599));
	show("then", read(fd, buf, 599));
	close(fd);
}

/* Half a record is nothing, its end is everything. */
static void half_records(void)
{
	int fd = dial();

	set_nonblocking(fd, true);
	peer("part hello");
	show("read", read(fd, buf, 10));
	show_poll("poll", fd, POLLIN | POLLRDNORM, 0);
	show("peek", recv(fd, buf, 10, MSG_PEEK));
	peer("rest");
	show_poll("poll", fd, POLLIN | POLLRDNORM, 0);
	show_bytes("read", read(fd, buf, 10), buf);
	show_poll("poll", fd, POLLIN | POLLRDNORM, 0);
	close(fd);
}

static void byte_by_byte(void)
{
	int fd = dial();
	size_t n = 0;

	peer("pattern 5000");
	while (n < 5000 && read(fd, buf + n, 1) == 1)
		n++;
	say("%zu = %s\n", n, is_pattern(buf, 0, n) ? "right" : "wrong");
	show("empty", recv(fd, buf, 1, MSG_DONTWAIT));
	close(fd);
}

static void much(void)
{
	int fd = dial();
	size_t total = 20000000, n = 0;
	bool right = true;

	peer("&pattern %zu", total);
	while (n < total) {
		ssize_t r = read(fd, buf, sizeof(buf));

		if (r <= 0)
			give_up("read");
		right = right && is_pattern(buf, n, (size_t)r);
		n += (size_t)r;
	}
	say("%zu = %s\n", n, right ? "right" : "wrong");
	close(fd);
}

static void switched_nonblocking(void)
{
	int fd = dial(), on = 1, off = 0;

	set_nonblocking(fd, true);
	show("nonblocking", read(fd, buf, 10));
	set_nonblocking(fd, false);
	peer("send hello");
	show_bytes("blocking", read(fd, buf, 10), buf);
	show("FIONBIO", ioctl(fd, FIONBIO, &on));
	say("%d\n", fcntl(fd, F_GETFL) & O_NONBLOCK);
	show("nonblocking", read(fd, buf, 10));
	show("FIONBIO off", ioctl(fd, FIONBIO, &off));
	say("%d\n", fcntl(fd, F_GETFL) & O_NONBLOCK);
	peer("send hello");
	show_bytes("blocking", read(fd, buf, 10), buf);
	close(fd);
}

static void errno_is_kept(void)
{
	int fd = dial();

	peer("&pattern 50000/1000");
	errno = 4711;
	read_all(fd, buf, 49900);
	say("read = %d\n", errno);
	recv(fd, buf, 100, MSG_PEEK);
	say("peek = %d\n", errno);
	write_all(fd, buf, 30000);
	say("write = %d\n", errno);
	show_poll("poll", fd, POLLIN, 0);
	say("poll = %d\n", errno);
	peer("recv 30000");
	errno = 4711;
	read_all(fd, buf, 100);
	close(fd);
	say("close = %d\n", errno);
	errno = 4711;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	try_connect(fd);
	say("connect = %d\n", errno);
}

static void low_water(void)
{
	int fd = dial(), low = 8;

	show("set", setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)));
	peer("send 1234567");
	show_poll("poll", fd, POLLIN, 0);
	set_nonblocking(fd, true);
	show_bytes("read", read(fd, buf, 3), buf);
	peer("send 89abcdef");
	show_poll("poll", fd, POLLIN, 0);
	set_nonblocking(fd, false);
	show_bytes("read", read(fd, buf, 20), buf);
	low = 1;
	show("set", setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)));
	close(fd);
}

/* Options by which the kernel itself would hand out what came, or look at it
 * for the program: to it that is ciphertext. */
static void by_options(void)
{
	/* Newer than the libc header's: linux/tcp.h. */
	struct {
		uint64_t address;
		uint32_t length, recv_skip_hint, inq;
		int32_t err;
		uint64_t copybuf_address;
		int32_t copybuf_len;
		uint32_t flags;
	} zerocopy = {.copybuf_address = (uintptr_t)buf, .copybuf_len = 100};
	socklen_t len = sizeof(zerocopy);
	int fd = dial(), off = 0;

	peer("send hello");
	show_poll("poll", fd, POLLIN, -1);
	show("TCP_ZEROCOPY_RECEIVE",
		getsockopt(fd, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &zerocopy,
			&len));
	say("copied %d\n", zerocopy.copybuf_len);
	show("SO_PEEK_OFF",
		setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off)));
	show_bytes("read", read(fd, buf, 20), buf);
	close(fd);
}

SCENARIOS({"all-calls", all_calls}, {"many-messages", many_messages},
	{"many-iovecs", many_iovecs}, {"zero-length", zero_length},
	{"peek", peek}, {"waitall", waitall}, {"waitall-reset", waitall_reset},
	{"dontwait", dontwait}, {"trunc", trunc_discards},
	{"bad-arguments", bad_arguments},
	{"short-is-drained", short_is_drained}, {"half-records", half_records},
	{"byte-by-byte", byte_by_byte}, {"much", much},
	{"switched-nonblocking", switched_nonblocking},
	{"errno-is-kept", errno_is_kept}, {"low-water", low_water},
	{"by-options", by_options})
