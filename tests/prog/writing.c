/* SPDX-License-Identifier: MIT */
/* Every call that writes, and the copies inside the kernel. */
#include "oracle.h"

#include <sched.h>
#include <stdatomic.h>

#include <sys/sendfile.h>

#define MUCH 12000000

static char buf[MUCH];
static volatile sig_atomic_t pipes;

static void on_pipe(int sig)
{
	(void)sig;
	pipes++;
}

static void count_pipes(void)
{
	signal(SIGPIPE, on_pipe);
}

static void all_calls(void)
{
	int fd = dial();
	struct iovec iov[3] = {{"de", 2}, {NULL, 0}, {"f", 1}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 3};
	struct mmsghdr msgs[2] = {{.msg_hdr = msg}, {.msg_hdr = msg}};
	struct sockaddr_in addr = peer_addr();

	show("write", write(fd, "abc", 3));
	show("writev", writev(fd, iov, 3));
	show("pwritev2", pwritev2(fd, iov, 3, -1, 0));
	show("send", send(fd, "ghi", 3, 0));
	show("sendto", sendto(fd, "jkl", 3, 0, NULL, 0));
	show("sendto address", sendto(fd, "jkl", 3, 0, (struct sockaddr *)&addr,
				       sizeof(addr)));
	show("sendmsg", sendmsg(fd, &msg, 0));
	show("sendmmsg", sendmmsg(fd, msgs, 2, 0));
	say("%u %u\n", msgs[0].msg_len, msgs[1].msg_len);
	show("flags",
		send(fd, "mno", 3,
			MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE | MSG_EOR));
	show("flush", send(fd, "p", 1, 0));
	say("%s\n", peer("recv 31"));
	close(fd);
}

static void many_iovecs(void)
{
	int fd = dial();
	struct iovec iov[100];
	size_t sum = 0;

	for (int i = 0; i < 100; i++) {
		iov[i].iov_base = buf + sum;
		iov[i].iov_len = i % 4 == 1 ? 0 : (size_t)i * 7;
		sum += iov[i].iov_len;
	}
	fill_pattern(buf, 0, sum);
	show("writev", writev(fd, iov, 100));
	say("%s\n", peer("skip %zu", sum));
	show("none", writev(fd, iov, 0));
	iov[1].iov_len = (size_t)-1;
	show("too long", writev(fd, iov, 3));
	show("offset", pwritev2(fd, iov, 1, 0, 0));
	show("pwrite", pwrite(fd, buf, 1, 0));
	close(fd);
}

static void zero_length(void)
{
	int fd = dial();
	struct iovec none[2] = {{buf, 0}, {NULL, 0}};
	struct msghdr msg = {.msg_iov = none, .msg_iovlen = 2};

	show("write", write(fd, buf, 0));
	show("writev", writev(fd, none, 2));
	show("send", send(fd, buf, 0, 0));
	show("sendmsg", sendmsg(fd, &msg, 0));
	msg.msg_iovlen = 0;
	show("sendmsg", sendmsg(fd, &msg, 0));
	show("sendmmsg", sendmmsg(fd, NULL, 0, 0));
	show("write", write(fd, "x", 1));
	say("%s\n", peer("recv 1"));
	close(fd);
}

static void nowhere(void)
{
	int fd = dial();
	char *volatile nowhere = (char *)-1, *volatile null = NULL;
	struct msghdr *volatile message = (struct msghdr *)-1;
	struct iovec half[2] = {{"ab", 2}, {nowhere, 5}};

	show("nowhere", send(fd, nowhere, 5, 0));
	show("null", write(fd, null, 5));
	show("half", writev(fd, half, 2));
	show("write", write(fd, "x", 1));
	say("%s\n", peer("recv 1"));
	half[1].iov_base = null;
	show("to the null", writev(fd, half, 2));
	show("message", sendmsg(fd, message, 0));
	show("message", recvmsg(fd, message, 0));
	close(fd);
}

static void say_urgently(int fd)
{
	struct iovec iov = {"EF!", 3};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	show("send", send(fd, "AB!", 3, MSG_OOB));
	show("write", write(fd, "CD", 2));
	show("sendmsg", sendmsg(fd, &msg, MSG_OOB));
	show("sendto", sendto(fd, "G", 1, MSG_OOB, NULL, 0));
	show("recv", recv(fd, buf, 1, MSG_OOB));
	say("%s\n", peer("recv 9"));
	show("write", write(fd, "H", 1));
	say("%s\n", peer("recv 1"));
	close(fd);
}

static void oob(void)
{
	say_urgently(dial());
}

static void oob_handed_over(void)
{
	int fd = dial();

	dprintf(fd, "%s", "");
	say_urgently(fd);
}

/* A file of n bytes of the pattern, without a name. */
static int file_of(size_t n)
{
	char path[] = "/tmp/oracle.XXXXXX";
	int file = mkstemp(path);

	unlink(path);
	fill_pattern(buf, 0, n);
	write_all(file, buf, n);
	lseek(file, 0, SEEK_SET);
	return file;
}

static void sendfiles(void)
{
	int fd = dial(), file = file_of(50000);
	off_t offset = 40000;

	show("sendfile", sendfile(fd, file, NULL, 20000));
	show("position", lseek(file, 0, SEEK_CUR));
	show("again", sendfile(fd, file, NULL, 100000));
	show("position", lseek(file, 0, SEEK_CUR));
	say("%s\n", peer("skip 50000"));
	show("at the end", sendfile(fd, file, NULL, 10));
	show("none", sendfile(fd, file, NULL, 0));
	show("offset", sendfile(fd, file, &offset, 30000));
	say("%ld\n", (long)offset);
	show("position", lseek(file, 0, SEEK_CUR));
	peer("recv 10000");
	offset = -1;
	show("negative", sendfile(fd, file, &offset, 10));
	show("bad file", sendfile(fd, -1, NULL, 10));
	show("from the connection", sendfile(fd, fd, NULL, 10));
	close(fd);
	fd = dial();
	set_nonblocking(fd, true);
	offset = 0;
	show("nonblocking", sendfile(fd, file, &offset, 50000));
	say("%s\n", peer("@2 skip 50000"));
	close(fd);
}

static void splice_out(void)
{
	int fd = dial(), p[2];

	if (pipe(p) < 0)
		give_up("pipe");
	show("write", write(p[1], "hello world", 11));
	show("splice", splice(p[0], NULL, fd, NULL, 5, 0));
	show("splice", splice(p[0], NULL, fd, NULL, 100, SPLICE_F_MOVE));
	show("empty", splice(p[0], NULL, fd, NULL, 5, SPLICE_F_NONBLOCK));
	show("none", splice(p[0], NULL, fd, NULL, 0, 0));
	show("offset", splice(p[0], NULL, fd, &(off64_t){0}, 5, 0));
	show("both", splice(fd, NULL, fd, NULL, 5, 0));
	close(p[1]);
	show("end", splice(p[0], NULL, fd, NULL, 5, 0));
	say("%s\n", peer("recv 11"));
	close(fd);
}

static void splice_in(void)
{
	int fd = dial(), p[2];

	if (pipe(p) < 0)
		give_up("pipe");
	peer("send hello world");
	show("splice", splice(fd, NULL, p[1], NULL, 5, SPLICE_F_NONBLOCK));
	show("splice", splice(fd, NULL, p[1], NULL, 100, SPLICE_F_MORE));
	show_bytes("read", read(p[0], buf, 100), buf);
	set_nonblocking(fd, true);
	show("empty", splice(fd, NULL, p[1], NULL, 5, 0));
	peer("finish");
	show("end", splice(fd, NULL, p[1], NULL, 5, 0));
	close(fd);
}

/* Into a pipe that has less room than the connection has bytes. */
static void splice_in_little_room(void)
{
	int fd = dial(), p[2], in_pipe = 0, file = fileno(tmpfile());
	size_t pages = 14 * 4096;
	ssize_t r;

	if (pipe(p) < 0 || fcntl(p[1], F_SETPIPE_SZ, 65536) != 65536 ||
		write(p[1], buf, pages) != (ssize_t)pages)
		give_up("pipe");
	peer("pattern 40000");
	r = splice(fd, NULL, p[1], NULL, 65536, SPLICE_F_NONBLOCK);
	say("some = %d\n", r > 0 && r <= 40000);
	ioctl(p[0], FIONREAD, &in_pipe);
	say("all of it is there = %d\n", (size_t)in_pipe == pages + (size_t)r);
	set_nonblocking(p[1], true);
	while (write(p[1], buf, 4096) > 0)
		;
	show("full", splice(fd, NULL, p[1], NULL, 65536, SPLICE_F_NONBLOCK));
	show("full", splice(fd, NULL, p[1], NULL, 65536, 0));
	while (pages && read(p[0], buf, 4096) == 4096)
		pages -= 4096;
	read_all(p[0], buf, (size_t)r);
	read_all(fd, buf + r, 40000 - (size_t)r);
	say("in order = %d\n", is_pattern(buf, 0, 40000));
	show("no pipe", splice(fd, NULL, file, NULL, 5, 0));
	show("no pipe", splice(file, NULL, fd, NULL, 5, 0));
	close(fd);
}

static atomic_bool crowd_over;

static void *send_until_over(void *arg)
{
	while (!crowd_over)
		if (send(*(int *)arg, buf, 5000, MSG_DONTWAIT) < 0)
			sched_yield();
	return NULL;
}

/* What leaves the pipe has been accepted, whoever else fills the socket. */
static void splice_out_crowd(void)
{
	int fd = dial(), p[2], left = 0;
	size_t fed = 0, moved = 0;
	pthread_t other;

	peer("uncounted");
	peer("&read");
	set_nonblocking(fd, true);
	if (pipe(p) < 0)
		give_up("pipe");
	set_nonblocking(p[1], true);
	pthread_create(&other, NULL, send_until_over, &fd);
	for (int i = 0; i < 3000; i++) {
		ssize_t r = write(p[1], buf, 10000);

		fed += r > 0 ? (size_t)r : 0;
		r = splice(p[0], NULL, fd, NULL, 10000, SPLICE_F_NONBLOCK);
		moved += r > 0 ? (size_t)r : 0;
	}
	crowd_over = true;
	pthread_join(other, NULL);
	ioctl(p[0], FIONREAD, &left);
	say("lost = %zd\n", fed - moved - (size_t)left);
	close(fd);
}

/* Writes without blocking until the kernel takes no more. */
static size_t fill(int fd, size_t done)
{
	ssize_t r;

	while ((r = send(fd, buf, 100000, MSG_DONTWAIT)) > 0)
		done += (size_t)r;
	show("full", r);
	return done;
}

static void slow_reader(void)
{
	int fd = dial();
	size_t sent = 0;
	bool was_full = false;

	set_nonblocking(fd, true);
	fill_pattern(buf, 0, MUCH);
	while (sent < MUCH) {
		ssize_t r = write(fd, buf + sent, MUCH - sent);

		if (r > 0) {
			sent += (size_t)r;
			continue;
		}
		if (errno != EAGAIN)
			give_up("write");
		if (!was_full) {
			show_poll("full", fd, POLLOUT | POLLIN, 0);
			show("send", send(fd, buf, 1, 0));
			peer("&skip %d", MUCH);
		}
		was_full = true;
		poll(&(struct pollfd){fd, POLLOUT, 0}, 1, -1);
	}
	say("all = %s\n", peer("so_far"));
	close(fd);
}

static void *drain(void *unused)
{
	(void)unused;
	return (void *)(peer("skip %d", MUCH)[0] == 'p' ? "right" : "wrong");
}

static void blocking_whole(void)
{
	int fd = dial();
	pthread_t thread;
	void *right;

	fill_pattern(buf, 0, MUCH);
	pthread_create(&thread, NULL, drain, NULL);
	show("write", write(fd, buf, MUCH));
	pthread_join(thread, &right);
	say("%s\n", (char *)right);
	close(fd);
}

static void dontwait(void)
{
	int fd = dial();
	size_t sent;

	peer("uncounted");
	sent = fill(fd, 0);
	show_poll("poll", fd, POLLOUT, 0);
	show("dontwait", send(fd, buf, 10, MSG_DONTWAIT));
	show("nowait",
		pwritev2(fd, &(struct iovec){buf, 10}, 1, -1, RWF_NOWAIT));
	say("flags %d\n", fcntl(fd, F_GETFL) & O_NONBLOCK);
	peer("&skip %zu", sent);
	show("blocking", write(fd, "x", 1));
	peer("nothing");
	say("%s\n", peer("recv 1"));
	close(fd);
}

static void send_timeout(void)
{
	int fd = dial();
	struct timeval tv = {.tv_usec = 60000};
	struct iovec iov[8]; /* more than any kernel's buffers */
	size_t sent;
	double start;
	ssize_t r;

	peer("uncounted");
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	sent = fill(fd, 0);
	start = now();
	show("write", write(fd, buf, 10));
	say("waited %d\n", now() - start > 0.055);
	tv.tv_usec = 0;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	tv.tv_usec = 60000;
	peer("&skip %zu", sent * 3 / 4);
	show_poll("poll", fd, POLLOUT, -1);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	for (int i = 0; i < 8; i++)
		iov[i] = (struct iovec){buf, MUCH};
	r = writev(fd, iov, 8);
	say("partly %d\n", r > 0 && r < 8L * MUCH);
	peer("&end");
	close(fd);
}

static void after_shutdown(void)
{
	int fd = dial();

	count_pipes();
	show("shutdown", shutdown(fd, SHUT_WR));
	show("write", write(fd, "x", 1));
	say("SIGPIPE %d\n", pipes);
	show("send", send(fd, "x", 1, MSG_NOSIGNAL));
	say("SIGPIPE %d\n", pipes);
	show("writev", writev(fd, &(struct iovec){buf, 1}, 1));
	say("SIGPIPE %d\n", pipes);
	show("nothing", write(fd, "", 0));
	say("SIGPIPE %d\n", pipes);
	close(fd);
}

static void after_peer_closed(void)
{
	int fd = dial();

	count_pipes();
	peer("close");
	show("write", write(fd, "x", 1));
	show_poll("poll", fd, ALL_EVENTS, -1);
	while (!(poll(&(struct pollfd){fd, 0, 0}, 1, -1)))
		;
	show("write", write(fd, "x", 1));
	say("SIGPIPE %d\n", pipes);
	show("write", write(fd, "x", 1));
	say("SIGPIPE %d\n", pipes);
	show("send", send(fd, "x", 1, MSG_NOSIGNAL));
	say("SIGPIPE %d\n", pipes);
	show("read", read(fd, buf, 1));
	show_error("SO_ERROR", fd);
	close(fd);
}

static void after_reset(void)
{
	int fd = dial();

	count_pipes();
	peer("reset");
	show_poll("poll", fd, ALL_EVENTS, -1);
	show("write", write(fd, "x", 1));
	say("SIGPIPE %d\n", pipes);
	show("write", write(fd, "x", 1));
	say("SIGPIPE %d\n", pipes);
	show("read", read(fd, buf, 1));
	show_error("SO_ERROR", fd);
	close(fd);
}

static void killed(void)
{
	int fd = dial();

	show("shutdown", shutdown(fd, SHUT_WR));
	write_all(fd, "x", 1);
	say("not killed\n");
}

SCENARIOS({"all-calls", all_calls}, {"many-iovecs", many_iovecs},
	{"zero-length", zero_length}, {"nowhere", nowhere}, {"oob", oob},
	{"oob-handed-over", oob_handed_over}, {"sendfile", sendfiles},
	{"splice-out", splice_out}, {"splice-in", splice_in},
	{"splice-in-little-room", splice_in_little_room},
	{"splice-out-crowd", splice_out_crowd}, {"slow-reader", slow_reader},
	{"blocking-whole", blocking_whole}, {"dontwait", dontwait},
	{"send-timeout", send_timeout}, {"after-shutdown", after_shutdown},
	{"after-peer-closed", after_peer_closed}, {"after-reset", after_reset},
	{"killed", killed})
