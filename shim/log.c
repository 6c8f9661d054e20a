/* SPDX-License-Identifier: MIT */
/*
 * Log lines: a formatter of its own, because printf may allocate and lock,
 * and four places for a line to go.  Knows nothing of connections but that
 * descriptor 2 may be one.
 */
#include "log.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syslog.h>
#include <sys/un.h>
#include <time.h>
#include "fdtab.h"
#include "real.h"

/* Numbers below this are left to the program where the limit allows. */
#define OUT_OF_THE_WAY 768

static _Atomic(enum log_sink) log_sink = LOG_SINK_STDERR;
static _Atomic(enum log_level) log_level = LOG_LEVEL_ERROR;
static _Atomic(enum log_style) log_style = LOG_FORMAT_TEXT;

/* The open file or syslog socket, and which file it was when it was ours: a
 * program that closes descriptors by raw system calls may have put a file of
 * its own in the place. */
static _Atomic int log_fd = -1;
static dev_t log_dev;
static ino_t log_ino;

/* A text being built.  What does not fit is dropped and noted. */
struct text {
	char *buf;
	unsigned size, len;
	bool escape, cut;
};

static void text_put(struct text *t, const char *bytes, unsigned n)
{
	if (t->cut || n > t->size - t->len) {
		t->cut = true;
		return;
	}
	memcpy(t->buf + t->len, bytes, n);
	t->len += n;
}

static void text_char(struct text *t, char c)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char u = (unsigned char)c;

	if (t->escape && (u < ' ' || u > '~'))
		text_put(t, (char[]){'\\', 'x', hex[u >> 4], hex[u & 15]}, 4);
	else
		text_put(t, &c, 1);
}

static void text_string(struct text *t, const char *s, int max)
{
	if (!s)
		s = "(null)";
	/* A string with a precision needs no NUL. */
	for (; max != 0 && *s; s++, max--)
		text_char(t, *s);
}

static void text_number(struct text *t, unsigned long n, unsigned base)
{
	char digits[20], *p = digits + sizeof(digits);

	do
		*--p = "0123456789abcdef"[n % base];
	while (n /= base);
	text_put(t, p, (unsigned)(digits + sizeof(digits) - p));
}

static void text_signed(struct text *t, long n)
{
	if (n < 0)
		text_put(t, "-", 1);
	text_number(t, n < 0 ? 0UL - (unsigned long)n : (unsigned long)n, 10);
}

/* One conversion; fmt stands behind the '%'.  Returns where to go on.  An
 * unknown one stands for itself: its argument's type cannot be known. */
static const char *text_conversion(
	struct text *t, const char *fmt, va_list *args)
{
	int max = -1;
	bool is_long = false; /* size_t is as wide as long on Linux */

	if (fmt[0] == '.' && fmt[1] == '*') {
		max = va_arg(*args, int);
		fmt += 2;
	}
	if (*fmt == 'l' || *fmt == 'z') {
		is_long = true;
		fmt++;
	}
	switch (*fmt) {
	case 's':
		text_string(t, va_arg(*args, const char *), max);
		break;
	case 'd':
		text_signed(
			t, is_long ? va_arg(*args, long) : va_arg(*args, int));
		break;
	case 'u':
	case 'x':
		text_number(t,
			is_long ? va_arg(*args, unsigned long)
				: va_arg(*args, unsigned),
			*fmt == 'x' ? 16 : 10);
		break;
	case 'c':
		text_char(t, (char)va_arg(*args, int));
		break;
	case '%':
		text_char(t, '%');
		break;
	default:
		text_char(t, '%');
		return fmt;
	}
	return fmt + 1;
}

static void text_format(struct text *t, const char *fmt, va_list *args)
{
	while (*fmt) {
		if (*fmt == '%')
			fmt = text_conversion(t, fmt + 1, args);
		else
			text_char(t, *fmt++);
	}
}

int log_format(char *buf, unsigned size, const char *fmt, ...)
{
	struct text t = {.buf = buf, .size = size - 1};
	va_list args;

	if (!size)
		return 0;
	va_start(args, fmt);
	text_format(&t, fmt, &args);
	va_end(args);
	buf[t.len] = '\0';
	return (int)t.len;
}

/* A connection as descriptor 2 is the program's affair (inetd): no line of
 * ours goes to the peer. */
static bool stderr_is_connection(void)
{
	return fdtab_peek(STDERR_FILENO) > FDTAB_MARKED;
}

/* The descriptor of file or syslog, or -1 when it is not ours any more. */
static int own_fd(void)
{
	int fd = atomic_load_explicit(&log_fd, memory_order_acquire);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	return st.st_dev == log_dev && st.st_ino == log_ino ? fd : -1;
}

int log_descriptor(void)
{
	return own_fd();
}

/*
 * One writev() that raises no SIGPIPE: only if none was pending already is
 * the one after EPIPE ours to take back.  EINTR means that the reader is slow
 * and a handler wants the program to go on: the line is dropped.
 */
static bool write_quietly(int fd, const struct iovec *iov, int n)
{
	const struct timespec now = {0};
	sigset_t sigpipe, before, pending;
	ssize_t written;

	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &sigpipe, &before);
	sigpending(&pending);
	written = real(writev)(fd, iov, n);
	if (written < 0 && errno == EPIPE && !sigismember(&pending, SIGPIPE))
		sigtimedwait(&sigpipe, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return written >= 0;
}

static bool write_line(int fd, const struct text *body)
{
	char prefix[32];
	int n = log_is_json() ? 0
			      : log_format(prefix, sizeof(prefix),
					"tlsshim[%d] ", getpid());
	struct iovec iov[] = {
		{prefix, (size_t)n}, {body->buf, body->len}, {"\n", 1}};

	return fd >= 0 && write_quietly(fd, iov, 3);
}

static int syslog_connect(int fd)
{
	const struct sockaddr_un addr = {AF_UNIX, "/dev/log"};

	return real(connect)(fd, (const struct sockaddr *)&addr, sizeof(addr));
}

/*
 * A datagram of our own, not syslog(3), whose identity, options and socket
 * are the program's.  Never waits.  A restarted daemon needs a new connect.
 */
static bool syslog_line(int fd, enum log_level level, const struct text *body)
{
	static const int severity[] = {LOG_ERR, LOG_INFO, LOG_DEBUG};
	char prefix[32];
	int n = log_format(prefix, sizeof(prefix),
		"<%d>tlsshim[%d]: ", LOG_USER | severity[level], getpid());
	struct iovec iov[] = {{prefix, (size_t)n}, {body->buf, body->len}};
	const struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;

	if (fd < 0)
		return false;
	return real(sendmsg)(fd, &msg, flags) >= 0 ||
	       (!syslog_connect(fd) && real(sendmsg)(fd, &msg, flags) >= 0);
}

/* A line that its sink does not take goes to stderr. */
static void log_write(enum log_level level, const struct text *body)
{
	enum log_sink sink = atomic_load(&log_sink);

	if (sink == LOG_SINK_FILE && write_line(own_fd(), body))
		return;
	if (sink == LOG_SINK_SYSLOG && syslog_line(own_fd(), level, body))
		return;
	if (!stderr_is_connection())
		write_line(STDERR_FILENO, body);
}

bool log_wants(enum log_level level)
{
	return level <=
		       atomic_load_explicit(&log_level, memory_order_relaxed) &&
	       atomic_load_explicit(&log_sink, memory_order_relaxed) !=
		       LOG_SINK_NONE;
}

void log_set_style(enum log_style style)
{
	atomic_store(&log_style, style);
}

bool log_is_json(void)
{
	return atomic_load_explicit(&log_style, memory_order_relaxed) ==
	       LOG_FORMAT_JSON;
}

/* ---- JSON (RFC 8259) ---- */

static void text_printf(struct text *t, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	text_format(t, fmt, &args);
	va_end(args);
}

static void json_string(struct text *t, const char *s)
{
	static const char hex[] = "0123456789abcdef";

	text_put(t, "\"", 1);
	for (; *s; s++) {
		unsigned char u = (unsigned char)*s;

		if (u == '"' || u == '\\')
			text_put(t, (char[]){'\\', *s}, 2);
		else if (u < ' ' || u > '~')
			text_put(t,
				(char[]){'\\', 'u', '0', '0', hex[u >> 4],
					hex[u & 15]},
				6);
		else
			text_put(t, s, 1);
	}
	text_put(t, "\"", 1);
}

/* What does not fit is left out: the object stays whole. */
static void json_field(struct text *t, const struct log_field *f)
{
	unsigned before = t->len;

	text_printf(t, ",");
	json_string(t, f->name);
	text_printf(t, ":");
	if (f->text)
		json_string(t, f->text);
	else
		text_signed(t, f->number);
	if (!t->cut)
		return;
	t->len = before;
	t->cut = false;
}

/* Two digits. */
static void json_two(struct text *t, long n)
{
	text_put(t, (char[]){(char)('0' + n / 10), (char)('0' + n % 10)}, 2);
}

/*
 * RFC 3339 in UTC.  gmtime() takes a lock, which a fork may have left held;
 * the days are counted in years that begin in March.
 */
static void json_time(struct text *t)
{
	struct timespec now;
	long days, era, doe, yoe, doy, mp, second;

	clock_gettime(CLOCK_REALTIME, &now);
	days = now.tv_sec / 86400 + 719468;
	second = now.tv_sec % 86400;
	era = days / 146097;
	doe = days % 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	text_printf(t, "%ld-", yoe + era * 400 + (mp >= 10));
	json_two(t, mp < 10 ? mp + 3 : mp - 9);
	text_printf(t, "-");
	json_two(t, doy - (153 * mp + 2) / 5 + 1);
	text_printf(t, "T");
	json_two(t, second / 3600);
	text_printf(t, ":");
	json_two(t, second / 60 % 60);
	text_printf(t, ":");
	json_two(t, second % 60);
	text_printf(t, ".");
	json_two(t, now.tv_nsec / 10000000);
	text_printf(t, "%dZ", (int)(now.tv_nsec / 1000000 % 10));
}

void log_record(
	enum log_level level, const struct log_field *fields, unsigned n)
{
	static const char *const names[] = {"error", "info", "debug"};
	char buf[LOG_LINE_MAX];
	/* Room for the closing brace and the newline. */
	struct text t = {.buf = buf, .size = sizeof(buf) - 2};
	struct log_field program = {
		"program", program_invocation_short_name, 0};
	struct log_field severity = {"level", names[level], 0};
	int saved_errno = errno;

	if (!log_wants(level))
		return;
	text_printf(&t, "{\"time\":\"");
	json_time(&t);
	text_printf(&t, "\",\"pid\":%d", getpid());
	json_field(&t, &program);
	json_field(&t, &severity);
	for (unsigned i = 0; i < n; i++)
		json_field(&t, &fields[i]);
	t.size++;
	text_put(&t, "}", 1);
	log_write(level, &t);
	errno = saved_errno;
}

static void json_line(enum log_level level, const struct text *body)
{
	struct log_field message = {"message", body->buf, 0};

	body->buf[body->len] = '\0';
	log_record(level, &message, 1);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	static const char cut[] = "...";
	char buf[LOG_LINE_MAX - 32]; /* room for prefix and newline */
	struct text body = {.buf = buf, .escape = true};
	int saved_errno = errno;
	va_list args;

	if (!log_wants(level))
		return;
	body.size = sizeof(buf) - sizeof(cut);
	va_start(args, fmt);
	text_format(&body, fmt, &args);
	va_end(args);
	if (log_is_json()) {
		json_line(level, &body);
		errno = saved_errno;
		return;
	}
	if (body.cut) {
		body.cut = false;
		body.size = sizeof(buf);
		text_put(&body, cut, sizeof(cut) - 1);
	}
	log_write(level, &body);
	errno = saved_errno;
}

/*
 * Symbolic links are followed: /dev/stderr is one, and so are the log folders
 * of many systems.  The path comes from the user whose rights the process has
 * (never in secure-execution mode), and what others plant in /tmp is the
 * affair of fs.protected_symlinks.  O_NONBLOCK: a FIFO that nobody reads is
 * an error here, and a full one drops lines later; neither stops the program.
 */
static int file_open(const char *path)
{
	return real(open)(path,
		O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY |
			O_NONBLOCK,
		0600);
}

/* As syslog(3), does not mind that no daemon listens yet. */
static int syslog_open(void)
{
	int fd = real(socket)(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		syslog_connect(fd);
	return fd;
}

/* A duplicate with a number out of the program's way, hidden; or -1. */
static int move_away(int fd)
{
	struct rlimit limit = {.rlim_cur = OUT_OF_THE_WAY};
	rlim_t lowest;
	int moved;

	getrlimit(RLIMIT_NOFILE, &limit);
	lowest = limit.rlim_cur / 2;
	if (lowest > OUT_OF_THE_WAY)
		lowest = OUT_OF_THE_WAY;
	moved = real(fcntl)(fd, F_DUPFD_CLOEXEC, (int)lowest);
	if (moved >= 0 && !fdtab_hide(moved, NULL)) {
		real(close)(moved);
		errno = ENOMEM;
		return -1;
	}
	return moved;
}

/* Takes fd (or -1 and errno) as the log's.  0 or an errno value. */
static int adopt(int fd)
{
	struct stat st = {0};
	int moved, error = 0;

	if (fd < 0)
		return errno;
	moved = move_away(fd);
	if (moved < 0 || fstat(moved, &st) < 0)
		error = errno;
	real(close)(fd);
	if (error)
		return error;
	log_dev = st.st_dev;
	log_ino = st.st_ino;
	atomic_store_explicit(&log_fd, moved, memory_order_release);
	return 0;
}

static void abandon(void)
{
	int fd = own_fd();

	atomic_store(&log_sink, LOG_SINK_STDERR);
	atomic_store(&log_fd, -1);
	if (fd < 0)
		return;
	fdtab_unhide(fd);
	real(close)(fd);
}

int log_setup(enum log_sink sink, const char *path, enum log_level level)
{
	int saved_errno = errno, error = 0;

	abandon();
	if (sink == LOG_SINK_FILE)
		error = adopt(file_open(path));
	else if (sink == LOG_SINK_SYSLOG)
		error = adopt(syslog_open());
	atomic_store(&log_level, level);
	atomic_store(&log_sink, error ? LOG_SINK_STDERR : sink);
	errno = saved_errno;
	return error;
}
