/* SPDX-License-Identifier: MIT */
/* Signals, time limits, long jumps and cancellation, while a call waits. */
#include "oracle.h"

#include <ctype.h>
#include <setjmp.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>

static char buf[1000000];
static volatile sig_atomic_t alarms;
static const char *volatile then; /* what the handler tells the peer */
static int handler_fd = -1;
static sigjmp_buf out;

static void stop_alarms(void)
{
	struct itimerval never = {0};

	setitimer(ITIMER_REAL, &never, NULL);
}

static void on_alarm(int sig)
{
	int saved_errno = errno;

	(void)sig;
	alarms++;
	if (then) {
		stop_alarms();
		peer("%s", then);
	}
	errno = saved_errno;
}

/* And again: the first may come before the call waits. */
static void every_20_ms(int flags, void (*handler)(int))
{
	struct sigaction act = {.sa_handler = handler, .sa_flags = flags};
	struct itimerval timer = {{0, 20000}, {0, 20000}};

	alarms = 0;
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void set_timeout(int fd, int name, int ms)
{
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	if (setsockopt(fd, SOL_SOCKET, name, &tv, sizeof(tv)))
		give_up("timeout");
}

static size_t fill(int fd)
{
	size_t sent = 0;
	ssize_t r;

	peer("uncounted");
	while ((r = send(fd, buf, 100000, MSG_DONTWAIT)) > 0)
		sent += (size_t)r;
	return sent;
}

static void eintr(void)
{
	int fd = dial();
	struct pollfd p = {fd, POLLIN, 0};
	fd_set set;
	ssize_t n;

	every_20_ms(0, on_alarm);
	show("read", read(fd, buf, 10));
	every_20_ms(0, on_alarm);
	show("recv", recv(fd, buf, 10, MSG_WAITALL));
	every_20_ms(0, on_alarm);
	show("peek", recv(fd, buf, 10, MSG_PEEK));
	every_20_ms(0, on_alarm);
	show("poll", poll(&p, 1, -1));
	every_20_ms(SA_RESTART, on_alarm);
	show("poll with SA_RESTART", poll(&p, 1, -1));
	FD_ZERO(&set);
	FD_SET(fd, &set);
	every_20_ms(SA_RESTART, on_alarm);
	show("select", select(fd + 1, &set, NULL, NULL, NULL));
	fill(fd);
	every_20_ms(0, on_alarm);
	show("write", write(fd, buf, 10));
	stop_alarms();
	/* What was on its way meanwhile has made room, or not. */
	do
		n = send(fd, buf, 10, MSG_DONTWAIT);
	while (n > 0);
	show("dontwait", n);
	peer("&end");
	close(fd);
}

static void restarted(void)
{
	int fd = dial();
	static char text[40];

	then = "&send hello";
	every_20_ms(SA_RESTART, on_alarm);
	show_bytes("read", read(fd, buf, 10), buf);
	say("signalled %d\n", alarms > 0);
	then = "&send again";
	every_20_ms(SA_RESTART, on_alarm);
	show_bytes("waitall", recv(fd, buf, 5, MSG_WAITALL), buf);
	snprintf(text, sizeof(text), "&skip %zu", fill(fd));
	then = text;
	every_20_ms(SA_RESTART, on_alarm);
	show("write", write(fd, "x", 1));
	say("signalled %d\n", alarms > 0);
	peer("&end");
	close(fd);
}

/* What was moved before the signal counts. */
static void partly(void)
{
	int fd = dial();
	ssize_t r;

	peer("send part");
	every_20_ms(0, on_alarm);
	show_bytes("waitall", recv(fd, buf, 10, MSG_WAITALL), buf);
	stop_alarms();
	peer("uncounted");
	every_20_ms(0, on_alarm);
	do
		r = write(fd, buf, sizeof(buf));
	while (r == sizeof(buf));
	stop_alarms();
	say("partly = %d\n", r > 0 ? 1 : errno == EINTR);
	peer("&end");
	close(fd);
}

static void receive_timeout(void)
{
	int fd = dial();
	double start = now();

	set_timeout(fd, SO_RCVTIMEO, 50);
	show("read", read(fd, buf, 10));
	say("waited %d\n", now() - start >= 0.045);
	show("waitall", recv(fd, buf, 10, MSG_WAITALL));
	peer("send part");
	show_bytes("waitall", recv(fd, buf, 10, MSG_WAITALL), buf);
	show_poll("poll", fd, POLLIN, 0);
	/* With a timeout the kernel never restarts: signal(7). */
	set_timeout(fd, SO_RCVTIMEO, 5000);
	every_20_ms(SA_RESTART, on_alarm);
	show("read", read(fd, buf, 10));
	stop_alarms();
	set_timeout(fd, SO_RCVTIMEO, 0);
	then = "&send hello";
	every_20_ms(SA_RESTART, on_alarm);
	show_bytes("read", read(fd, buf, 10), buf);
	close(fd);
}

/* A peer that sends half records without end does not prolong the time. */
static void timeout_of_trickle(void)
{
	int fd = dial();
	double start;

	peer("&trickle");
	set_timeout(fd, SO_RCVTIMEO, 100);
	start = now();
	show("read", read(fd, buf, 10));
	say("waited %d, not longer %d\n", now() - start >= 0.095,
		now() - start < 0.6);
	set_timeout(fd, SO_RCVTIMEO, 0);
	show_bytes("read", read(fd, buf, 10), buf);
	close(fd);
}

/* A connect() on a server that does not answer. */
static void connecting(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	peer("manual");
	every_20_ms(0, on_alarm);
	show("connect", try_connect(fd));
	stop_alarms();
	then = "&handshake";
	every_20_ms(SA_RESTART, on_alarm);
	show("connect", try_connect(fd));
	show("connect", try_connect(fd));
	show("write", write(fd, "x", 1));
	say("%s\n", peer("recv 1"));
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	then = NULL;
	every_20_ms(0, on_alarm);
	show("connect", try_connect(fd));
	stop_alarms();
	peer("&@2 handshake");
	show_poll("poll", fd, POLLOUT, -1);
	show_error("SO_ERROR", fd);
	show("connect", try_connect(fd));
	close(fd);
}

/* ---- jumping out ---- */

static void jump(int sig)
{
	(void)sig;
	stop_alarms();
	siglongjmp(out, 1);
}

static unsigned count_open(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1100; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void jump_read(void)
{
	int fd = dial();

	if (sigsetjmp(out, 1) == 0) {
		every_20_ms(0, jump);
		read(fd, buf, 10);
	}
	show("jumped, write", write(fd, "x", 1));
	show("close", close(fd));
	say("%s\n", peer("end"));
}

static void jump_write(void)
{
	int fd = dial();

	fill(fd);
	if (sigsetjmp(out, 1) == 0) {
		every_20_ms(0, jump);
		write_all(fd, buf, sizeof(buf));
	}
	show("jumped, close", close(fd));
	say("%s\n", peer("end"));
}

static void jump_poll(void)
{
	int fd = dial();
	struct pollfd p = {fd, POLLIN, 0};

	if (sigsetjmp(out, 1) == 0) {
		every_20_ms(0, jump);
		poll(&p, 1, -1);
	}
	peer("send hello");
	show_poll("jumped, poll", fd, POLLIN, -1);
	show_bytes("read", read(fd, buf, 10), buf);
	show("close", close(fd));
	say("%s\n", peer("end"));
}

/* Is the main thread asleep in a call of the poll or select family? */
static bool main_polls(void)
{
	char name[64], text[64] = "";
	FILE *f;
	int call;

	snprintf(name, sizeof(name), "/proc/self/task/%d/syscall", getpid());
	f = fopen(name, "r");
	if (!f)
		give_up(name);
	if (!fgets(text, sizeof(text), f))
		*text = 0;
	fclose(f);
	call = isdigit((unsigned char)*text) ? atoi(text) : -1;
	return call == SYS_poll || call == SYS_ppoll || call == SYS_select ||
	       call == SYS_pselect6;
}

static void *interrupt_poll(void *arg)
{
	sigset_t alarm;

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarm, NULL);
	while (!main_polls())
		usleep(1000);
	pthread_kill(*(pthread_t *)arg, SIGALRM);
	pause();
	return NULL;
}

static void wait_by(const char *how, int fd)
{
	struct pollfd p = {fd, POLLIN, 0};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	if (!strcmp(how, "poll"))
		poll(&p, 1, -1);
	else if (!strcmp(how, "ppoll"))
		ppoll(&p, 1, NULL, NULL);
	else if (!strcmp(how, "select"))
		select(fd + 1, &set, NULL, NULL, NULL);
	else
		pselect(fd + 1, &set, NULL, NULL, NULL, NULL);
}

/* In a program with threads, whose sleepers must be known to others. */
static void jump_polls(void)
{
	static const char *const ways[] = {
		"poll", "ppoll", "select", "pselect"};
	pthread_t self = pthread_self(), other;

	signal(SIGALRM, jump);
	for (volatile unsigned i = 0; i < 4; i++) {
		volatile int fd = dial();

		pthread_create(&other, NULL, interrupt_poll, &self);
		if (sigsetjmp(out, 1) == 0)
			wait_by(ways[i], fd);
		say("jumped out of %s\n", ways[i]);
		show("close", close(fd));
		say("%s\n", peer("end"));
	}
}

static volatile int wanted;

/* Not before the connection is there. */
static void jump_if_connected(int sig)
{
	if (atoi(peer("count")) >= wanted)
		jump(sig);
}

/* Of a handshake that was left in the middle the server sees the end. */
static void jump_connect(void)
{
	volatile int fd = socket(AF_INET, SOCK_STREAM, 0);
	unsigned before = count_open();

	peer("manual");
	for (volatile int i = 0; i < 3; i++) {
		if (sigsetjmp(out, 1) == 0) {
			wanted = i + 1;
			every_20_ms(SA_RESTART, jump_if_connected);
			try_connect(fd);
		}
		close(fd);
		peer("hello");
		say("%s\n", peer("raw_end"));
		fd = socket(AF_INET, SOCK_STREAM, 0);
	}
	say("lost = %u\n", count_open() - before);
	peer("&@4 handshake");
	show("connect", try_connect(fd));
	show("write", write(fd, "x", 1));
	say("%s\n", peer("recv 1"));
	close(fd);
}

/* A handler that writes on the connection the program is reading from. */
static void on_alarm_write(int sig)
{
	(void)sig;
	alarms++;
	stop_alarms();
	if (write(handler_fd, "from the handler", 16) < 0 && errno != EAGAIN)
		give_up("write in a handler");
	peer("&send hello");
}

static void write_in_handler(void)
{
	int fd = handler_fd = dial();

	every_20_ms(SA_RESTART, on_alarm_write);
	show_bytes("read", read(fd, buf, 10), buf);
	say("%s\n", peer("recv 16"));
	close(fd);
}

/* Signals all the time while data moves: no lock is held for ever. */
static int replacement, replaced;

static void on_alarm_replace(int sig)
{
	(void)sig;
	dup2(replacement, replaced);
}

/* The handler puts a connection where poll() looks at a pipe. */
static void replace_in_handler(void)
{
	struct sigaction act = {.sa_handler = on_alarm_replace};
	const struct timespec limit = {5, 0};
	struct pollfd p = {.events = POLLIN};
	sigset_t held, before;
	int pipes[2];

	replacement = dial();
	if (pipe(pipes))
		give_up("pipe");
	p.fd = replaced = pipes[0];
	sigaction(SIGALRM, &act, NULL);
	sigemptyset(&held);
	sigaddset(&held, SIGALRM);
	sigprocmask(SIG_BLOCK, &held, &before);
	raise(SIGALRM);
	show("ppoll", ppoll(&p, 1, &limit, &before));
	peer("send x");
	show("poll", poll(&p, 1, 5000));
	show("read", read(p.fd, buf, 10));
}

static void on_storm(int sig)
{
	int saved_errno = errno;

	(void)sig;
	alarms++;
	recv(handler_fd, buf + 999990, 1, MSG_PEEK | MSG_DONTWAIT);
	errno = saved_errno;
}

static void storm(void)
{
	int fd = handler_fd = dial();
	struct sigaction act = {.sa_handler = on_storm, .sa_flags = SA_RESTART};
	struct itimerval often = {{0, 500}, {0, 500}};

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	peer("&pattern 900000/1000");
	for (size_t got = 0; got < 900000;) {
		ssize_t r = read(fd, buf + got, 900000 - got);

		if (r <= 0)
			give_up("read in a storm");
		got += (size_t)r;
	}
	often = (struct itimerval){{0, 0}, {0, 0}};
	setitimer(ITIMER_REAL, &often, NULL);
	say("right = %d\n", is_pattern(buf, 0, 900000));
	close(fd);
}

/* ---- cancellation ---- */

static void *blocked_read(void *arg)
{
	read(*(int *)arg, buf, 10);
	return NULL;
}

static void *blocked_poll(void *arg)
{
	struct pollfd p = {*(int *)arg, POLLIN, 0};

	poll(&p, 1, -1);
	return NULL;
}

static void *blocked_connect(void *arg)
{
	try_connect(*(int *)arg);
	return NULL;
}

static void cancel(void *(*run)(void *), int *fd)
{
	pthread_t thread;
	void *result;

	pthread_create(&thread, NULL, run, fd);
	while (atoi(peer("count")) < 1)
		usleep(1000);
	usleep(20000);
	show("cancel", pthread_cancel(thread));
	pthread_join(thread, &result);
	say("cancelled %d\n", result == PTHREAD_CANCELED);
}

static void cancelled(void)
{
	int fd = dial();

	cancel(blocked_read, &fd);
	peer("send hello");
	show_bytes("read", read(fd, buf, 10), buf);
	cancel(blocked_poll, &fd);
	peer("send hello");
	show_poll("poll", fd, POLLIN, -1);
	show_bytes("read", read(fd, buf, 10), buf);
	show("write", write(fd, "x", 1));
	show("close", close(fd));
	say("%s\n", peer("end"));
}

static void cancelled_connect(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	peer("manual");
	cancel(blocked_connect, &fd);
	show("close", close(fd));
	peer("hello");
	say("%s\n", peer("raw_end"));
}

SCENARIOS({"eintr", eintr}, {"restarted", restarted}, {"partly", partly},
	{"receive-timeout", receive_timeout},
	{"timeout-of-trickle", timeout_of_trickle}, {"connecting", connecting},
	{"jump-read", jump_read}, {"jump-write", jump_write},
	{"jump-poll", jump_poll}, {"jump-polls", jump_polls},
	{"jump-connect", jump_connect}, {"write-in-handler", write_in_handler},
	{"replace-in-handler", replace_in_handler}, {"storm", storm},
	{"cancelled", cancelled}, {"cancelled-connect", cancelled_connect})
