/* SPDX-License-Identifier: MIT */
/* Pointers that are no memory, flags and lengths that are nonsense: errors as
 * the kernel has them, each in a child, which a crash would end. */
#include "oracle.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Volatile, so that the compiler cannot know how bad they are. */
static void *volatile bad; /* a page that nobody may read */
static void *volatile null;
static void *volatile near_null = (void *)8;
static volatile size_t endless = SIZE_MAX;
static int fd; /* a connection, or a fresh socket */
static char buf[4096];

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

static struct pollfd one = {0, POLLIN, 0};
static struct epoll_event event;
static socklen_t four = 4;

/* What concerns no connection. */
#define OTHERS                                                                 \
	T(syscall(SYS_select, 0, 0, 0, 0, bad))                                \
	T(syscall(SYS_select, 1, bad, 0, 0, 0))                                \
	T(syscall(SYS_pselect6, 0, 0, 0, 0, bad, 0))                           \
	T(syscall(SYS_pselect6, 0, 0, 0, 0, 0, bad))                           \
	T(syscall(SYS_ppoll, &one, 1, bad, 0, 0))                              \
	T(syscall(SYS_ppoll, bad, 1, 0, 0, 0))                                 \
	T(syscall(SYS_poll, bad, 1, 0))                                        \
	T(syscall(SYS_poll, NULL, 1, 0))                                       \
	T(poll(null, 1, 0))                                                    \
	T(syscall(SYS_epoll_pwait2, epoll_create1(0), &event, 1, bad, 0, 0))   \
	T(syscall(SYS_epoll_wait, epoll_create1(0), bad, 1, 0))                \
	T(syscall(SYS_epoll_ctl, epoll_create1(0), EPOLL_CTL_ADD, fd, bad))    \
	T(syscall(SYS_sendmsg, fd, bad, 0))                                    \
	T(syscall(SYS_sendmsg, fd, bad, MSG_FASTOPEN))                         \
	T(syscall(SYS_sendmmsg, fd, bad, 1, 0))                                \
	T(syscall(SYS_recvmsg, fd, bad, 0))                                    \
	T(syscall(SYS_recvmmsg, fd, bad, 1, 0, 0))                             \
	T(syscall(SYS_readv, fd, bad, 1))                                      \
	T(syscall(SYS_writev, fd, bad, 1))                                     \
	T(syscall(SYS_connect, fd, bad, 16))                                   \
	T(syscall(SYS_sendto, fd, buf, 1, MSG_FASTOPEN, bad, 16))              \
	T(connect(fd, bad, 16))                                                \
	T(connect(fd, near_null, 16))                                          \
	T(sendto(fd, buf, 1, MSG_FASTOPEN, bad, 16))                           \
	T(sendmsg(fd, near_null, 0))                                           \
	T(sendmsg(fd, bad, 0))                                                 \
	T(recvmsg(fd, near_null, 0))                                           \
	T(recvmsg(fd, bad, 0))                                                 \
	T(getpeername(fd, bad, bad))                                           \
	T(getsockname(fd, bad, bad))                                           \
	T(syscall(SYS_sendfile, 1, 0, bad, 1))                                 \
	T(syscall(SYS_clone3, NULL, 64))                                       \
	T(syscall(SYS_clone3, bad, 64))                                        \
	T(setsockopt(fd, SOL_SOCKET, SO_LINGER, bad, 8))                       \
	T(close_range(9000, 9001, 1 << 30))

/* The same calls, and more, on a connection. */
#define OURS                                                                   \
	T(ioctl(fd, FIONREAD, NULL))                                           \
	T(ioctl(fd, FIONREAD, bad))                                            \
	T(ioctl(fd, SIOCATMARK, NULL))                                         \
	T(ioctl(fd, FIONBIO, bad))                                             \
	T(getsockopt(fd, SOL_SOCKET, SO_ERROR, bad, &four))                    \
	T(getsockopt(fd, SOL_SOCKET, SO_ERROR, buf, bad))                      \
	T(getsockopt(fd, SOL_SOCKET, SO_ERROR, null, null))                    \
	T(getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, bad, &four))                 \
	T(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, buf, bad))                  \
	T(setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, bad, 4))                     \
	T(getpeername(fd, bad, bad))                                           \
	T(getsockname(fd, bad, bad))                                           \
	T(write(fd, null, 5))                                                  \
	T(write(fd, near_null, 5))                                             \
	T(sendmsg(fd, near_null, 0))                                           \
	T(recvmsg(fd, near_null, 0))                                           \
	T(syscall(SYS_sendmsg, fd, bad, 0))                                    \
	T(syscall(SYS_epoll_ctl, epoll_create1(0), EPOLL_CTL_ADD, fd, NULL))   \
	T(recvmmsg(                                                            \
		fd, (void *)buf, 1, MSG_DONTWAIT, &(struct timespec){0, -1}))  \
	T(recvmmsg(                                                            \
		fd, (void *)buf, 1, MSG_DONTWAIT, &(struct timespec){-1, 0}))  \
	T(recvfrom(fd, buf, endless, MSG_DONTWAIT, NULL, NULL))                \
	T(recv(fd, buf, endless, MSG_DONTWAIT))                                \
	T(read(fd, buf, endless))                                              \
	T(pwritev2(fd, &(struct iovec){buf, 1}, 1, -1, 1 << 20))               \
	T(preadv2(fd, &(struct iovec){buf, 1}, 1, -1, 1 << 20))                \
	T(pwritev2(fd, &(struct iovec){buf, 1}, 1, 0, 0))                      \
	T(listen(fd, 1))                                                       \
	T(bind(fd, (struct sockaddr *)&any, sizeof(any)))                      \
	T(bind(fd, bad, sizeof(any)))                                          \
	T(bind(fd, (struct sockaddr *)&any, 3))                                \
	T(syscall(SYS_listen, fd, 1))                                          \
	T(close_range((unsigned)fd, (unsigned)fd, 1 << 30))                    \
	T(send(fd, "still there", 11, 0))

static const struct sockaddr_in any = {.sin_family = AF_INET};

/* Shows what the call returned, or the signal that ended it. */
#define IN_A_CHILD(text, call)                                                 \
	do {                                                                   \
		int status_;                                                   \
		pid_t pid_ = fork();                                           \
                                                                               \
		if (pid_ == 0) {                                               \
			show(text, (long)(call));                              \
			_exit(0);                                              \
		}                                                              \
		waitpid(pid_, &status_, 0);                                    \
		if (WIFSIGNALED(status_))                                      \
			say("%s = signal %d\n", text, WTERMSIG(status_));      \
	} while (0);

static void make_bad(void)
{
	bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void fresh(void)
{
	make_bad();
	fd = socket(AF_INET, SOCK_STREAM, 0);
#define T(call) IN_A_CHILD(#call, call)
	OTHERS
#undef T
}

static void datagram(void)
{
	make_bad();
	fd = socket(AF_INET, SOCK_DGRAM, 0);
#define T(call) IN_A_CHILD(#call, call)
	OTHERS
#undef T
}

static void connected(void)
{
	make_bad();
	fd = dial();
	peer("nothing");
#define T(call) show(#call, (long)(call));
	OURS
#undef T
		say("%s\n", peer("recv 11"));
}

/* Not open yet: the server has not accepted, or not finished the handshake. */
static void connecting(void)
{
	int error = 0;

	peer("manual");
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	show("connect", try_connect(fd));
	show("listen", listen(fd, 1));
	show("bind", bind(fd, (const struct sockaddr *)&any, sizeof(any)));
	show("SO_ERROR", getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &four));
	peer("&handshake");
	show_poll("poll", fd, POLLOUT, 10000);
	show("listen", listen(fd, 1));
}

SCENARIOS({"fresh", fresh}, {"datagram", datagram}, {"connected", connected},
	{"connecting", connecting})
