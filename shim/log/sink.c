/* SPDX-License-Identifier: MIT */
/*
 * The four places for a line to go.  Knows nothing of connections but that
 * descriptor 2 may be one.
 */
#include "log/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/syslog.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "base/fdtab.h"
#include "base/highfd.h"
#include "base/kernel.h"
#include "base/real.h"
#include "base/sock.h"
#include "log/terminal.h"

static _Atomic(enum log_sink) log_sink = LOG_SINK_STDERR;
static enum {
	STDERR_OF_PROGRAM,
	STDERR_KEPT,
	STDERR_LENT, /* for as long as connections are being opened */
	STDERR_BY_NAME,
	STDERR_CLOSED
} log_stderr;

/* The open file or syslog socket, and which file it was when it was ours: a
 * program that closes descriptors by raw system calls may have put a file of
 * its own in the place. */
static _Atomic int log_fd = -1;
struct file_id {
	dev_t dev;
	ino_t ino;
};
/* The second is the same, but while one file takes the other's place. */
static struct file_id log_id, log_next_id;

/*
 * The log file's path, absolute, and what the path named when it was opened.
 * A file that is not there is made for the first line, not by every program
 * that is started; one that was moved away (log rotation) is made anew.
 */
static char log_path[PATH_MAX];
static atomic_bool log_is_missing;
/* Of the thread that opens it; others, and handlers in it, write meanwhile to
 * what there is. */
static atomic_flag log_is_opening = ATOMIC_FLAG_INIT;

/* A connection as descriptor 2, of whatever kind, is the program's affair
 * (inetd): no line of ours goes to the peer. */
static bool has_stderr(void)
{
	int domain;

	if (log_stderr != STDERR_OF_PROGRAM)
		return log_keeps_stderr();
	domain = sock_int(STDERR_FILENO, SOL_SOCKET, SO_DOMAIN);
	return domain != AF_INET && domain != AF_INET6 &&
	       fdtab_peek(STDERR_FILENO) <= FDTAB_NOTES;
}

static struct file_id id_of(const struct stat *st)
{
	return (struct file_id){st->st_dev, st->st_ino};
}

static bool is_file(const struct stat *st, const struct file_id *id)
{
	return st->st_dev == id->dev && st->st_ino == id->ino;
}

/* The descriptor of file or syslog, or -1 when it is not ours any more. */
static int own_fd(void)
{
	int fd = atomic_load_explicit(&log_fd, memory_order_acquire);
	struct stat st;

	if (fd < 0 || kernel_fstat(fd, &st) < 0)
		return -1;
	return is_file(&st, &log_id) || is_file(&st, &log_next_id) ? fd : -1;
}

int log_descriptor(void)
{
	return own_fd();
}

/*
 * One writev() that raises no SIGPIPE, where the reader has gone, and no
 * SIGXFSZ, where the file may not grow (RLIMIT_FSIZE): only if none was pending
 * already is the one that comes with the error ours to take back.  EINTR means
 * that the reader is slow and a handler wants the program to go on: the line is
 * dropped.
 */
static bool write_quietly(int fd, const struct iovec *iov, int n)
{
	const struct timespec now = {0};
	sigset_t ours, before, pending;
	ssize_t written;

	sigemptyset(&ours);
	sigaddset(&ours, SIGPIPE);
	sigaddset(&ours, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &ours, &before);
	sigpending(&pending);
	written = real(writev)(fd, iov, n);
	if (sigismember(&pending, SIGPIPE))
		sigdelset(&ours, SIGPIPE);
	if (sigismember(&pending, SIGXFSZ))
		sigdelset(&ours, SIGXFSZ);
	if (written < 0 && (errno == EPIPE || errno == EFBIG))
		sigtimedwait(&ours, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return written >= 0;
}

/* Terminals and the collectors behind a pipe know the time; a file does not. */
static unsigned write_prefix(char *buf, unsigned size, bool with_time)
{
	struct log_text t = {.buf = buf, .size = size};

	if (log_is_json())
		return 0;
	if (with_time) {
		log_text_time(&t);
		log_text_char(&t, ' ');
	}
	log_text_add(&t, "tlsshim[%d] ", getpid());
	return t.len;
}

static bool write_line(int fd, const struct log_text *body, bool with_time)
{
	char prefix[64];
	unsigned n = write_prefix(prefix, sizeof(prefix), with_time);
	struct iovec iov[] = {{prefix, n}, {body->buf, body->len}, {"\n", 1}};

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
static bool syslog_line(
	int fd, enum log_level level, const struct log_text *body)
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

static void terminal_line(const struct log_text *body)
{
	int fd = log_terminal_open();

	if (fd < 0)
		return;
	write_line(fd, body, false);
	kernel_close(fd);
}

/*
 * Symbolic links are followed: /dev/stderr is one, and so are the log folders
 * of many systems.  The path comes from the user whose rights the process has
 * (never in secure-execution mode), and what others plant in /tmp is the
 * affair of fs.protected_symlinks.  O_NONBLOCK: a FIFO that nobody reads is
 * an error here, and a full one drops lines later; neither stops the program.
 */
static int file_open(int flags)
{
	return real(open)(log_path,
		O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags,
		0600);
}

/* Takes fd (or -1 and errno) as the log's.  0 or an errno value. */
static int adopt(int fd)
{
	struct stat st;

	if (fd < 0)
		return errno;
	fd = highfd_move_file(fd);
	if (kernel_fstat(fd, &st) < 0 || !fdtab_hide(fd, NULL)) {
		kernel_close(fd);
		return ENOMEM;
	}
	log_id = log_next_id = id_of(&st);
	atomic_store_explicit(&log_fd, fd, memory_order_release);
	return 0;
}

/* The new file under the number of the old one: who writes meanwhile writes to
 * either. */
static void replace(int old, int fd)
{
	struct stat st;

	if (fd < 0)
		return;
	if (kernel_fstat(fd, &st) == 0) {
		log_next_id = id_of(&st);
		if (real(dup3)(fd, old, O_CLOEXEC) >= 0)
			log_id = log_next_id;
		else
			log_next_id = log_id;
	}
	kernel_close(fd);
}

/* Where the path names another file by now, or none, that one is made. */
static void follow_path(int fd)
{
	struct stat st;

	if (kernel_stat_at(AT_FDCWD, log_path, &st) == 0 ? is_file(&st, &log_id)
							 : errno != ENOENT)
		return;
	replace(fd, file_open(O_CREAT));
}

/* Waits while another thread makes the file.  Bounded, for it may be this very
 * thread, whose signal handler has something to say. */
static void wait_for_file(void)
{
	const struct timespec nap = {.tv_nsec = 1000000};

	for (int i = 0; i < 500 && log_is_missing; i++)
		real(syscall)(SYS_nanosleep, &nap, NULL);
}

/* The file to write to, or -1. */
static int current_file(void)
{
	int fd = own_fd();

	if (fd < 0 && !log_is_missing)
		return own_fd();
	if (atomic_flag_test_and_set(&log_is_opening)) {
		if (fd < 0)
			wait_for_file();
		return own_fd();
	}
	if (fd >= 0)
		follow_path(fd);
	else if (log_is_missing && adopt(file_open(O_CREAT)) == 0)
		log_is_missing = false;
	atomic_flag_clear(&log_is_opening);
	return own_fd();
}

void log_prepare(void)
{
	int saved_errno = errno;

	if (log_is_missing && atomic_load(&log_sink) == LOG_SINK_FILE)
		current_file();
	errno = saved_errno;
}

/* A line that its sink does not take goes to stderr. */
void log_sink_write(enum log_level level, const struct log_text *body)
{
	enum log_sink sink = atomic_load(&log_sink);

	if (sink == LOG_SINK_FILE && write_line(current_file(), body, true))
		return;
	if (sink == LOG_SINK_SYSLOG && syslog_line(own_fd(), level, body))
		return;
	if (log_stderr == STDERR_BY_NAME)
		terminal_line(body);
	else if (has_stderr())
		write_line(STDERR_FILENO, body, false);
}

/* As syslog(3), does not mind that no daemon listens yet. */
static int syslog_open(void)
{
	int fd = real(socket)(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		syslog_connect(fd);
	return fd;
}

/* Makes the path absolute, for the program may change its directory.  0 or an
 * errno value. */
static int note_path(const char *path)
{
	unsigned n = 0;

	if (path[0] != '/') {
		if (!getcwd(log_path, sizeof(log_path)))
			return errno;
		n = (unsigned)strlen(log_path);
		log_path[n++] = '/';
	}
	if (n + strlen(path) >= sizeof(log_path))
		return ENAMETOOLONG;
	memcpy(log_path + n, path, strlen(path) + 1);
	return 0;
}

/* Could the file be made?  0 or an errno value. */
static int check_folder(void)
{
	char *slash = strrchr(log_path, '/');
	int r;

	*slash = '\0';
	r = faccessat(AT_FDCWD, slash == log_path ? "/" : log_path, W_OK | X_OK,
		AT_EACCESS);
	*slash = '/';
	return r == 0 ? 0 : errno;
}

static int file_setup(const char *path)
{
	int error = note_path(path);

	if (!error)
		error = adopt(file_open(0));
	if (error != ENOENT)
		return error;
	error = check_folder();
	log_is_missing = !error;
	return error;
}

static void abandon(void)
{
	int fd = own_fd();

	atomic_store(&log_sink, LOG_SINK_STDERR);
	atomic_store(&log_fd, -1);
	log_is_missing = false;
	if (fd < 0)
		return;
	fdtab_unhide(fd);
	kernel_close(fd);
}

int log_sink_open(enum log_sink sink, const char *path)
{
	int error = 0;

	abandon();
	if (sink == LOG_SINK_FILE)
		error = file_setup(path);
	else if (sink == LOG_SINK_SYSLOG)
		error = adopt(syslog_open());
	atomic_store(&log_sink, error ? LOG_SINK_STDERR : sink);
	return error;
}

bool log_sink_is_none(void)
{
	return atomic_load_explicit(&log_sink, memory_order_relaxed) ==
	       LOG_SINK_NONE;
}

static bool stderr_is_file(void)
{
	struct stat st;

	return kernel_fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode);
}

void log_enter_relay(bool opening)
{
	bool wanted = atomic_load(&log_sink) == LOG_SINK_STDERR && has_stderr();

	log_stderr = STDERR_CLOSED;
	if (wanted && stderr_is_file())
		log_stderr = STDERR_KEPT;
	else if (wanted && log_terminal_note())
		log_stderr = STDERR_BY_NAME;
	else if (wanted && opening)
		log_stderr = STDERR_LENT;
	else if (wanted)
		atomic_store(&log_sink, LOG_SINK_NONE);
}

bool log_keeps_stderr(void)
{
	return log_stderr == STDERR_KEPT || log_stderr == STDERR_LENT;
}

void log_release_stderr(void)
{
	if (log_stderr != STDERR_LENT)
		return;
	log_stderr = STDERR_CLOSED;
	atomic_store(&log_sink, LOG_SINK_NONE);
	real(close)(STDERR_FILENO);
}
