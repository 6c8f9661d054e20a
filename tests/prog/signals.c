/* SPDX-License-Identifier: MIT */
/*
 * Signal-driven I/O: which signals of readiness a program gets, for which
 * descriptor, and what fcntl() and ioctl() say of that.
 */
#include "oracle.h"
#include <linux/sockios.h>
#include <sys/syscall.h>

#define SIGNAL (SIGRTMIN + 3)

static char buf[200000];
static struct timespec patience = {10, 0};

static void block(int signal)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static const char *code_name(int code)
{
	static const char *const names[] = {
		"IN", "OUT", "MSG", "ERR", "PRI", "HUP"};

	if (code < POLL_IN || code > POLL_HUP)
		return code == SI_KERNEL ? "KERNEL" : "?";
	return names[code - POLL_IN];
}

/* Waits for the next one; "signal = IN band 0x41 right". */
static void show_signal(int signal, int fd)
{
	sigset_t set;
	siginfo_t info;

	sigemptyset(&set);
	sigaddset(&set, signal);
	if (sigtimedwait(&set, &info, &patience) < 0) {
		show("signal", -1);
		return;
	}
	say("signal = %s", code_name(info.si_code));
	if (info.si_code != SI_KERNEL)
		say(" band 0x%lx fd %s", (unsigned long)info.si_band,
			info.si_fd == fd ? "right" : "wrong");
	say("\n");
}

static void show_none(int signal)
{
	sigset_t pending;

	sigpending(&pending);
	show("another is pending", sigismember(&pending, signal));
}

static void show_flags(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	show("O_ASYNC", (flags & O_ASYNC) != 0);
	show("O_NONBLOCK", (flags & O_NONBLOCK) != 0);
}

static void show_owner(int fd)
{
	int owner = 0;

	show("F_GETOWN is me", fcntl(fd, F_GETOWN) == getpid());
	show("FIOGETOWN", ioctl(fd, FIOGETOWN, &owner));
	show("is me", owner == getpid());
	show("SIOCGPGRP", ioctl(fd, SIOCGPGRP, &owner));
	show("is me", owner == getpid());
}

/* All of F_SETSIG's information. */
static void ask(int fd, int more)
{
	block(SIGNAL);
	show("F_SETSIG", fcntl(fd, F_SETSIG, SIGNAL));
	show("F_SETOWN", fcntl(fd, F_SETOWN, getpid()));
	show("F_SETFL", fcntl(fd, F_SETFL, O_ASYNC | more));
}

/* What one says to the other, and the end. */
static void converse(int fd)
{
	peer("send hello");
	show_signal(SIGNAL, fd);
	show_bytes("read", read(fd, buf, sizeof(buf)), buf);
	show("write", write(fd, "answer", 6));
	peer("recv 6");
	show_none(SIGNAL);
	peer("send again");
	show_signal(SIGNAL, fd);
	show_bytes("read", read(fd, buf, sizeof(buf)), buf);
	show_flags(fd);
	show("F_GETSIG is mine", fcntl(fd, F_GETSIG) == SIGNAL);
	show_owner(fd);
	peer("finish");
	show_signal(SIGNAL, fd);
	show("end", read(fd, buf, sizeof(buf)));
	show_none(SIGNAL);
	show("shutdown", shutdown(fd, SHUT_WR));
	peer("end");
	show("close", close(fd));
}

static void before(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int kept;

	ask(fd, 0);
	/* A signal interrupts connect(), or not: it goes on by itself. */
	kept = try_connect(fd);
	if (kept < 0 && errno == EINTR)
		kept = 0;
	show("connect", kept);
	show_signal(SIGNAL, fd);
	peer("nothing");
	converse(fd);
}

static void before_nonblocking(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	ask(fd, O_NONBLOCK);
	show("connect", try_connect(fd));
	show_signal(SIGNAL, fd);
	peer("nothing");
	show_error("SO_ERROR", fd);
	converse(fd);
}

static void after(void)
{
	int fd = dial();

	show_flags(fd);
	ask(fd, 0);
	converse(fd);
}

static void after_nonblocking(void)
{
	int fd = dial();

	ask(fd, O_NONBLOCK);
	show("nothing there", read(fd, buf, sizeof(buf)));
	converse(fd);
}

static void of_copy(void)
{
	int fd = dial(), copy = dup(fd);

	ask(copy, 0);
	show_flags(fd);
	peer("send hello");
	show_signal(SIGNAL, copy);
	show_bytes("read", read(fd, buf, sizeof(buf)), buf);
	show("close", close(copy));
	peer("send more");
	show_signal(SIGNAL, copy);
	show_bytes("read", read(fd, buf, sizeof(buf)), buf);
}

static void by_ioctl_with(unsigned long set_owner)
{
	int fd = dial(), on = 1, off = 0, me = getpid();

	block(SIGIO);
	show("owner", ioctl(fd, set_owner, &me));
	show_owner(fd);
	show("FIOASYNC", ioctl(fd, FIOASYNC, &on));
	show_flags(fd);
	peer("send hello");
	show_signal(SIGIO, fd);
	show_bytes("read", read(fd, buf, sizeof(buf)), buf);
	show("FIOASYNC", ioctl(fd, FIOASYNC, &off));
	show_flags(fd);
	peer("send silent");
	show_bytes("read", read(fd, buf, sizeof(buf)), buf);
	show_none(SIGIO);
}

static void by_ioctl(void)
{
	by_ioctl_with(FIOSETOWN);
	by_ioctl_with(SIOCSPGRP);
}

static void bad_ioctl(void)
{
	int fd = dial();

	show("FIOASYNC", ioctl(fd, FIOASYNC, (void *)8));
	show("FIOSETOWN", ioctl(fd, FIOSETOWN, (void *)8));
	show("SIOCGPGRP", ioctl(fd, SIOCGPGRP, (void *)8));
	show_flags(fd);
	show("write", write(fd, "well", 4));
	peer("recv 4");
}

/* Each side reads and writes the other's. */
static void owner_only(void)
{
	int fd = dial();
	struct f_owner_ex owner = {F_OWNER_TID, (pid_t)syscall(SYS_gettid)};
	struct f_owner_ex got = {0, 0};

	show("F_SETOWN_EX", fcntl(fd, F_SETOWN_EX, &owner));
	show("F_GETOWN_EX", fcntl(fd, F_GETOWN_EX, &got));
	show("the same", got.type == owner.type && got.pid == owner.pid);
	show("F_SETOWN_EX", fcntl(fd, F_SETOWN_EX, (void *)8));
	show("F_SETSIG", fcntl(fd, F_SETSIG, 1000));
	show_flags(fd);
}

static void thread_owner(void)
{
	struct f_owner_ex owner = {F_OWNER_TID, (pid_t)syscall(SYS_gettid)};
	int fd = dial();

	ask(fd, 0);
	show("F_SETOWN_EX", fcntl(fd, F_SETOWN_EX, &owner));
	peer("send hello");
	show_signal(SIGNAL, fd);
	show_bytes("read", read(fd, buf, sizeof(buf)), buf);
}

static void broken(void)
{
	int fd = dial();

	ask(fd, 0);
	peer("reset");
	show_signal(SIGNAL, fd);
	show("read", read(fd, buf, sizeof(buf)));
}

/* Room to write. */
static void full(void)
{
	int fd = dial();
	ssize_t n;

	peer("uncounted");
	ask(fd, O_NONBLOCK);
	fill_pattern(buf, 0, sizeof(buf));
	do
		n = write(fd, buf, sizeof(buf));
	while (n > 0);
	show("write", n);
	show_none(SIGNAL);
	peer("&read");
	show_signal(SIGNAL, fd);
	show("there is room", write(fd, buf, 1));
}

/* ---- a handler that does all the work ---- */

static int handled_fd;
static volatile sig_atomic_t handled_bytes, handled_end, handled_error;

static void handle(int signal)
{
	static char bytes[4096];
	int saved_errno = errno;
	ssize_t n;

	(void)signal;
	while ((n = read(handled_fd, bytes, sizeof(bytes))) > 0)
		handled_bytes += (sig_atomic_t)n;
	if (n == 0)
		handled_end = 1;
	else if (errno != EAGAIN)
		handled_error = errno;
	errno = saved_errno;
}

static void read_by_handler(int fd)
{
	double end = now() + 10;

	peer("pattern 100000");
	peer("finish");
	while (!handled_end && !handled_error && now() < end)
		poll(NULL, 0, 10);
	show("bytes", handled_bytes);
	show("end", handled_end);
	show("error", handled_error);
	show("write", write(fd, "thanks", 6));
	peer("recv 6");
}

static void prepare_handler(int fd, int more)
{
	struct sigaction act = {.sa_handler = handle, .sa_flags = SA_RESTART};

	handled_fd = fd;
	sigaction(SIGIO, &act, NULL);
	show("F_SETOWN", fcntl(fd, F_SETOWN, getpid()));
	show("F_SETFL", fcntl(fd, F_SETFL, O_ASYNC | more));
}

static void handler_before(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	/* What it reads before there is a connection is an error. */
	prepare_handler(fd, O_NONBLOCK);
	show("connect", try_connect(fd));
	show_poll("open", fd, POLLOUT, 10000);
	peer("nothing");
	read_by_handler(fd);
}

static void handler_after(void)
{
	int fd = dial();

	prepare_handler(fd, O_NONBLOCK);
	read_by_handler(fd);
}

static void refused(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	peer("drop");
	ask(fd, 0);
	show("connect", try_connect(fd));
	show_signal(SIGNAL, fd);
	show_none(SIGNAL);
}

static void refused_nonblocking(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	peer("drop");
	ask(fd, O_NONBLOCK);
	show("connect", try_connect(fd));
	show_signal(SIGNAL, fd);
	show_error("SO_ERROR", fd);
	show("connect", try_connect(fd));
}

/* It is on its way when the program asks for signals. */
static void amid(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	peer("manual");
	show("connect", try_connect(fd));
	ask(fd, O_NONBLOCK);
	show_signal(SIGNAL, fd);
	show_error("SO_ERROR", fd);
	show("write", write(fd, "early", 5));
	peer("hello");
	peer("handshake");
	peer("recv 5");
	peer("send late");
	show_signal(SIGNAL, fd);
	show_bytes("read", read(fd, buf, sizeof(buf)), buf);
}

SCENARIOS({"before", before}, {"before-nonblocking", before_nonblocking},
	{"after", after}, {"after-nonblocking", after_nonblocking},
	{"of-copy", of_copy}, {"by-ioctl", by_ioctl}, {"bad-ioctl", bad_ioctl},
	{"owner-only", owner_only}, {"thread-owner", thread_owner},
	{"broken", broken}, {"full", full}, {"handler-before", handler_before},
	{"handler-after", handler_after}, {"refused", refused},
	{"refused-nonblocking", refused_nonblocking}, {"amid", amid})
