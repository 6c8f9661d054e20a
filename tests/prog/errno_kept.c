/* SPDX-License-Identifier: MIT */
/* errno after calls that succeed: the kernel's wrappers leave it as it was. */
#include "oracle.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

/* No errno value, so nobody sets it by chance. */
#define PRESET 9999

static char buf[1 << 20];

/* CALL succeeded, and errno is what it was before. */
#define KEEPS(call)                                                            \
	do {                                                                   \
		long r_;                                                       \
		int e_;                                                        \
                                                                               \
		errno = PRESET;                                                \
		r_ = (long)(call);                                             \
		e_ = errno;                                                    \
		say("%s = %s errno %s\n", #call, r_ == -1 ? "-1" : "ok",       \
			e_ == PRESET ? "kept" : errno_name(e_));               \
	} while (0)

static void options(int fd)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr), intlen = sizeof(int);
	int value = 0, n = 0;

	KEEPS(getpeername(fd, (struct sockaddr *)&addr, &len));
	len = sizeof(addr);
	KEEPS(getsockname(fd, (struct sockaddr *)&addr, &len));
	KEEPS(getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &intlen));
	KEEPS(getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &value, &intlen));
	KEEPS(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &intlen));
	value = 1;
	KEEPS(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof(int)));
	KEEPS(setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof(int)));
	KEEPS(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof(int)));
	KEEPS(ioctl(fd, FIONREAD, &n));
	n = 0;
	KEEPS(ioctl(fd, FIONBIO, &n));
	KEEPS(fcntl(fd, F_GETFL));
	KEEPS(fcntl(fd, F_SETFL, O_RDWR));
}

static void waits(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};
	struct timespec none = {0};
	struct timeval zero = {0};
	struct epoll_event e = {.events = (uint32_t)events};
	fd_set r, w;
	int ep = epoll_create1(0), outer = epoll_create1(0), copy;

	KEEPS(poll(&p, 1, 0));
	KEEPS(poll(&p, 1, 20));
	KEEPS(ppoll(&p, 1, &none, NULL));
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(fd, &r);
	FD_SET(fd, &w);
	KEEPS(select(fd + 1, &r, &w, NULL, &zero));
	FD_SET(fd, &r);
	FD_SET(fd, &w);
	KEEPS(pselect(fd + 1, &r, &w, NULL, &none, NULL));
	KEEPS(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	e.events = (uint32_t)events | EPOLLET;
	KEEPS(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e));
	KEEPS(epoll_wait(ep, &e, 1, 0));
	KEEPS(epoll_wait(ep, &e, 1, 20));
	e.events = EPOLLIN;
	KEEPS(epoll_ctl(outer, EPOLL_CTL_ADD, ep, &e));
	KEEPS(epoll_wait(outer, &e, 1, 0));
	KEEPS(epoll_pwait(outer, &e, 1, 0, NULL));
	copy = dup(ep);
	KEEPS(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
	KEEPS(close(copy));
	KEEPS(close(outer));
	KEEPS(close(ep));
}

static void numbers(int fd)
{
	int copy;

	KEEPS(copy = dup(fd));
	KEEPS(dup2(fd, copy));
	KEEPS(dup3(fd, copy, O_CLOEXEC));
	KEEPS(close(copy));
	KEEPS(copy = fcntl(fd, F_DUPFD_CLOEXEC, 40));
	KEEPS(close_range((unsigned)copy, (unsigned)copy, 0));
}

static void bytes(int fd)
{
	struct iovec iov = {buf, 5};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct mmsghdr two = {.msg_hdr = msg};
	int file = fileno(tmpfile()), pair[2];
	off_t at = 0;

	if (pipe(pair) < 0 || write(file, "0123456789", 10) != 10)
		give_up("files");
	KEEPS(write(fd, "12345", 5));
	KEEPS(writev(fd, &iov, 1));
	KEEPS(send(fd, "12345", 5, 0));
	KEEPS(sendto(fd, "12345", 5, 0, NULL, 0));
	KEEPS(sendmsg(fd, &msg, 0));
	KEEPS(sendmmsg(fd, &two, 1, 0));
	KEEPS(pwritev2(fd, &iov, 1, -1, 0));
	KEEPS(sendfile(fd, file, &at, 5));
	KEEPS(write(pair[1], "12345", 5));
	KEEPS(splice(pair[0], NULL, fd, NULL, 5, 0));
	KEEPS(syscall(SYS_write, fd, "12345", 5));
	say("%s\n", peer("recv 50"));
	peer("send 0123456789012345678901234567890123456789012345678901234567"
	     "89");
	KEEPS(recv(fd, buf, 5, MSG_PEEK));
	KEEPS(read(fd, buf, 5));
	KEEPS(readv(fd, &iov, 1));
	KEEPS(recv(fd, buf, 5, 0));
	KEEPS(recv(fd, buf, 5, MSG_DONTWAIT));
	KEEPS(recvfrom(fd, buf, 5, MSG_WAITALL, NULL, NULL));
	KEEPS(recvmsg(fd, &msg, 0));
	KEEPS(recvmmsg(fd, &two, 1, 0, NULL));
	KEEPS(preadv2(fd, &iov, 1, -1, 0));
	KEEPS(splice(fd, NULL, pair[1], NULL, 5, 0));
	KEEPS(syscall(SYS_read, fd, buf, 5));
	close(pair[0]);
	close(pair[1]);
	close(file);
}

static void all_of(int fd)
{
	bytes(fd);
	options(fd);
	waits(fd, POLLIN | POLLOUT);
	waits(fd, POLLIN);
	numbers(fd);
	KEEPS(shutdown(fd, SHUT_WR));
	say("%s\n", peer("end"));
	KEEPS(close(fd));
}

static void here(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	KEEPS(try_connect(fd));
	peer("nothing");
	all_of(fd);
}

static void nonblocking(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	try_connect(fd);
	KEEPS(poll(&p, 1, 10000));
	KEEPS(try_connect(fd));
	peer("nothing");
	set_nonblocking(fd, false);
	all_of(fd);
}

/* Standard input is for stdio: what is moved there is handed over. */
static void elsewhere(void)
{
	int fd = dial();

	KEEPS(dup2(fd, 0));
	close(fd);
	all_of(0);
}

/* What is no connection, beside one that is. */
static void foreign(void)
{
	int fd = dial(), pair[2], udp = socket(AF_INET, SOCK_DGRAM, 0);
	struct iovec iov = {buf, 5};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct pollfd p[2] = {{fd, POLLIN, 0}, {udp, POLLOUT, 0}};

	KEEPS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	KEEPS(write(pair[0], "12345", 5));
	KEEPS(read(pair[1], buf, 5));
	KEEPS(sendmsg(pair[0], &msg, 0));
	KEEPS(recvmsg(pair[1], &msg, 0));
	KEEPS(poll(p, 2, 0));
	waits(pair[0], POLLIN | POLLOUT);
	numbers(pair[0]);
	KEEPS(shutdown(pair[0], SHUT_WR));
	KEEPS(close(pair[0]));
	KEEPS(listen(socket(AF_INET, SOCK_STREAM, 0), 1));
	close(fd);
}

/* Other processes, and what is asked of them. */
static void processes(void)
{
	int fd = dial(), status;
	pid_t pid;

	errno = PRESET;
	pid = fork();
	if (pid == 0)
		_exit(errno != PRESET);
	say("fork = errno %s\n", errno == PRESET ? "kept" : errno_name(errno));
	KEEPS(waitpid(pid, &status, 0));
	say("in the child = %d\n", WEXITSTATUS(status));
	KEEPS(system(":"));
	KEEPS(write(fd, "12345", 5));
	say("%s\n", peer("recv 5"));
	close(fd);
}

static volatile sig_atomic_t signals;

static void on_alarm(int sig)
{
	(void)sig;
	signals++;
}

/* Calls that sleep, and are restarted after a handler (SA_RESTART). */
static void restarted(void)
{
	struct sigaction act = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	struct itimerval often = {{0, 2000}, {0, 2000}}, off = {0};
	int fd = dial(), bad = 0;
	ssize_t r;

	sigaction(SIGALRM, &act, NULL);
	/* It reads late, so that a write has to wait. */
	peer("&sleep 0.3");
	peer("&skip %zu", sizeof(buf) * 8);
	setitimer(ITIMER_REAL, &often, NULL);
	for (size_t sent = 0; sent < sizeof(buf) * 8; sent += (size_t)r) {
		size_t left = sizeof(buf) * 8 - sent;

		errno = PRESET;
		r = write(fd, buf, left < sizeof(buf) ? left : sizeof(buf));
		if (r <= 0)
			give_up("write");
		bad += errno != PRESET;
	}
	setitimer(ITIMER_REAL, &off, NULL);
	say("writes = %d with another errno\n", bad);
	say("signals came = %d\n", signals > 0);
	peer("&send later");
	read_all(fd, buf, 5);
	close(fd);
}

SCENARIOS({"here", here}, {"nonblocking", nonblocking},
	{"elsewhere", elsewhere}, {"foreign", foreign},
	{"processes", processes}, {"restarted", restarted})
