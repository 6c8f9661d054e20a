/* SPDX-License-Identifier: MIT */
/*
 * The log: the formatter, what a line looks like, where it goes, and that a
 * line never hurts: no signal, no changed errno, nothing for a peer to read.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/real.h"
#include "fdtab_fake.h"
#include "log/log.h"

static char dir[] = "/tmp/test_log.XXXXXX";
static char path[64];
static int saved_stderr = -1;

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/log", dir);
	return 0;
}

static int remove_dir(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* Descriptor 2 becomes fd, which is closed; cmocka needs it back. */
static void redirect_stderr(int fd)
{
	saved_stderr = dup(2);
	dup2(fd, 2);
	close(fd);
}

static int restore(void **state)
{
	(void)state;
	if (saved_stderr >= 0) {
		dup2(saved_stderr, 2);
		close(saved_stderr);
	}
	saved_stderr = -1;
	fake_number(2, 0);
	unlink(path);
	return log_setup(LOG_SINK_STDERR, NULL, LOG_LEVEL_ERROR);
}

/* What has been written to a descriptor so far, and is now taken. */
static const char *drain(int fd)
{
	static char text[4096];
	ssize_t n;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	n = read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static const char *contents(const char *file)
{
	int fd = open(file, O_RDONLY);
	const char *text = drain(fd);

	close(fd);
	return text;
}

static const char *line(const char *text)
{
	static char expected[LOG_LINE_MAX + 64];

	snprintf(
		expected, sizeof(expected), "tlsshim[%d] %s\n", getpid(), text);
	return expected;
}

/* Lines of a file begin with the time, "2026-11-30T12:34:56.789Z "; what stands
 * behind it. */
static const char *after_time(const char *text)
{
	static const char shape[] = "0000-00-00T00:00:00.000Z ";

	for (size_t i = 0; shape[i]; i++)
		if (shape[i] == '0')
			assert_uint_in_range(text[i], '0', '9');
		else
			assert_int_equal(shape[i], text[i]);
	return text + strlen(shape);
}

/* Stderr is a pipe whose other end is returned. */
static int stderr_pipe(void)
{
	int ends[2];

	assert_return_code(pipe(ends), errno);
	redirect_stderr(ends[1]);
	return ends[0];
}

#define assert_formats(text, ...)                                              \
	do {                                                                   \
		char buf_[64];                                                 \
                                                                               \
		assert_int_equal(strlen(text),                                 \
			log_format(buf_, sizeof(buf_), __VA_ARGS__));          \
		assert_string_equal(text, buf_);                               \
	} while (0)

static void formats_like_printf(void **state)
{
	const char *volatile null = NULL;
	/* Without the attribute: the compiler would know better. */
	int (*volatile unchecked)(char *, unsigned, const char *, ...) =
		log_format;
	char buf[16];

	(void)state;
	assert_formats("", "%s", "");
	assert_formats("plain", "plain");
	assert_formats("100%", "100%%");
	assert_formats("[a][]", "[%s][%s]", "a", "");
	assert_formats("(null)", "%s", null);
	assert_formats("abc", "%.*s", 3, "abcdef");
	assert_formats("abc", "%.*s", 3, (char[]){'a', 'b', 'c'});
	assert_formats("abc|", "%.*s|", 9, "abc");
	assert_formats("|", "%.*s|", 0, "abc");
	assert_formats("abc|", "%.*s|", -1, "abc");
	assert_formats("0 -1 2147483647 -2147483648", "%d %d %d %d", 0, -1,
		INT_MAX, INT_MIN);
	assert_formats("0 4294967295", "%u %u", 0u, UINT_MAX);
	assert_formats("9223372036854775807 -9223372036854775808", "%ld %ld",
		LONG_MAX, LONG_MIN);
	assert_formats("18446744073709551615", "%lu", ULONG_MAX);
	assert_formats("18446744073709551615", "%zu", SIZE_MAX);
	assert_formats("0 f deadbeef", "%x %x %x", 0u, 15u, 0xdeadbeef);
	assert_formats("x\ny", "%c%c%c", 'x', '\n', 'y');
	unchecked(buf, sizeof(buf), "%f%i%5d%");
	assert_string_equal("%f%i%5d%", buf);
}

static void formats_no_more_than_fits(void **state)
{
	char buf[8] = "???????";

	(void)state;
	assert_int_equal(0, log_format(buf, 0, "abc"));
	assert_int_equal('?', buf[0]);
	assert_int_equal(0, log_format(buf, 1, "abc"));
	assert_string_equal("", buf);
	assert_int_equal(3, log_format(buf, 4, "%s", "abcdef"));
	assert_string_equal("abc", buf);
	assert_int_equal('?', buf[4]);
	/* No part of a number is the number. */
	assert_int_equal(2, log_format(buf, 5, "ab%dc", 12345));
	assert_string_equal("ab", buf);
	assert_int_equal(7, log_format(buf, 8, "%d%s", 1234, "567"));
	assert_string_equal("1234567", buf);
}

static void writes_a_line_to_stderr(void **state)
{
	int fd = stderr_pipe();

	(void)state;
	log_line(LOG_LEVEL_ERROR, "%s:%d: refused", "db.test", 5432);
	assert_string_equal(line("db.test:5432: refused"), drain(fd));
	close(fd);
}

static void escapes_what_could_forge_a_line(void **state)
{
	int fd = stderr_pipe();

	(void)state;
	log_line(LOG_LEVEL_ERROR, "CN=%s %c%%",
		"a\ntlsshim[1] ok\x1b[2J\r\x7f\x80\xff~ \t", '\x01');
	assert_string_equal(
		line("CN=a\\x0atlsshim[1] ok\\x1b[2J\\x0d\\x7f\\x80\\xff~ "
		     "\\x09 \\x01%"),
		drain(fd));
	close(fd);
}

static void cuts_a_long_line(void **state)
{
	int fd = stderr_pipe();
	char text[2 * LOG_LINE_MAX];
	const char *written;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_line(LOG_LEVEL_ERROR, "%s", text);
	written = drain(fd);
	assert_uint_in_range(strlen(written), LOG_LINE_MAX - 40, LOG_LINE_MAX);
	assert_string_equal("xxx...\n", written + strlen(written) - 7);
	memset(text, '\n', sizeof(text) - 1);
	log_line(LOG_LEVEL_ERROR, "%s", text);
	written = drain(fd);
	assert_uint_in_range(strlen(written), LOG_LINE_MAX - 40, LOG_LINE_MAX);
	assert_string_equal("\\x0a...\n", written + strlen(written) - 8);
	close(fd);
}

static void writes_what_the_level_asks_for(void **state)
{
	static const char *const all[] = {"e\n", "i\n", "d\n"};
	int fd = stderr_pipe();

	(void)state;
	for (int level = 0; level <= LOG_LEVEL_DEBUG; level++) {
		log_setup(LOG_SINK_STDERR, NULL, (enum log_level)level);
		log_line(LOG_LEVEL_ERROR, "e");
		log_line(LOG_LEVEL_INFO, "i");
		log_line(LOG_LEVEL_DEBUG, "d");
		const char *text = drain(fd);

		for (int i = 0; i <= LOG_LEVEL_DEBUG; i++) {
			assert_int_equal(
				i <= level, strstr(text, all[i]) != NULL);
			assert_int_equal(
				i <= level, log_wants((enum log_level)i));
		}
	}
	log_setup(LOG_SINK_NONE, NULL, LOG_LEVEL_DEBUG);
	assert_false(log_wants(LOG_LEVEL_ERROR));
	log_line(LOG_LEVEL_ERROR, "e");
	assert_string_equal("", drain(fd));
	close(fd);
}

static void says_nothing_to_a_peer(void **state)
{
	int fd = stderr_pipe();

	(void)state;
	fake_number(2, 0x1000);
	log_line(LOG_LEVEL_ERROR, "secret");
	fake_number(2, FDTAB_HIDDEN);
	log_line(LOG_LEVEL_ERROR, "secret");
	assert_string_equal("", drain(fd));
	fake_number(2, FDTAB_MARKED);
	log_line(LOG_LEVEL_ERROR, "marked");
	assert_string_equal(line("marked"), drain(fd));
	close(fd);
}

/* inetd gives a program its client as standard input, output and error. */
static void says_nothing_over_the_network(void **state)
{
	struct sockaddr_in self = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(self);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int client = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_return_code(bind(listener, (struct sockaddr *)&self, len), 0);
	assert_return_code(listen(listener, 1), errno);
	getsockname(listener, (struct sockaddr *)&self, &len);
	assert_return_code(
		connect(client, (struct sockaddr *)&self, len), errno);
	redirect_stderr(accept(listener, NULL, NULL));
	log_line(LOG_LEVEL_ERROR, "secret");
	assert_string_equal("", drain(client));
	close(client);
	close(listener);
}

static int n_raised;

static void on_signal(int sig)
{
	(void)sig;
	n_raised++;
}

/* Nor does a line eat a SIGPIPE that was the program's. */
static void a_reader_that_left_is_no_sigpipe(void **state)
{
	struct sigaction act = {.sa_handler = on_signal}, before;
	sigset_t set, pending;

	(void)state;
	sigaction(SIGPIPE, &act, &before);
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	n_raised = 0;
	close(stderr_pipe());
	errno = EXDEV;
	log_line(LOG_LEVEL_ERROR, "lost");
	assert_int_equal(EXDEV, errno);
	assert_int_equal(0, n_raised);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	log_line(LOG_LEVEL_ERROR, "lost");
	sigpending(&pending);
	assert_false(sigismember(&pending, SIGPIPE));
	raise(SIGPIPE);
	log_line(LOG_LEVEL_ERROR, "lost");
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	assert_int_equal(1, n_raised);
	sigaction(SIGPIPE, &before, NULL);
}

/* RLIMIT_FSIZE: the program may never write a file itself. */
static void a_file_at_its_limit_is_no_sigxfsz(void **state)
{
	struct sigaction act = {.sa_handler = on_signal}, before;
	struct rlimit limit, none;
	int reader = stderr_pipe();

	(void)state;
	sigaction(SIGXFSZ, &act, &before);
	getrlimit(RLIMIT_FSIZE, &limit);
	none = (struct rlimit){0, limit.rlim_max};
	n_raised = 0;
	assert_int_equal(0, log_setup(LOG_SINK_FILE, path, LOG_LEVEL_ERROR));
	setrlimit(RLIMIT_FSIZE, &none);
	errno = EXDEV;
	log_line(LOG_LEVEL_ERROR, "full");
	setrlimit(RLIMIT_FSIZE, &limit);
	assert_int_equal(EXDEV, errno);
	assert_int_equal(0, n_raised);
	assert_string_equal(line("full"), drain(reader));
	close(reader);
	sigaction(SIGXFSZ, &before, NULL);
}

static void a_closed_stderr_costs_the_line(void **state)
{
	(void)state;
	redirect_stderr(open("/dev/null", O_WRONLY));
	close(2);
	errno = EXDEV;
	log_line(LOG_LEVEL_ERROR, "lost");
	assert_int_equal(EXDEV, errno);
}

static void writes_to_a_file_out_of_the_way(void **state)
{
	struct stat st;
	struct rlimit limit;
	int fd = stderr_pipe();
	mode_t mask = umask(0);

	(void)state;
	getrlimit(RLIMIT_NOFILE, &limit);
	errno = EXDEV;
	assert_int_equal(0, log_setup(LOG_SINK_FILE, path, LOG_LEVEL_INFO));
	assert_int_equal(EXDEV, errno);
	/* Nothing is made by programs that have nothing to say. */
	assert_int_equal(-1, stat(path, &st));
	errno = EXDEV;
	log_line(LOG_LEVEL_INFO, "one");
	assert_int_equal(EXDEV, errno);
	umask(mask);
	assert_true(fake_hidden >= 768 ||
		    (rlim_t)fake_hidden >= limit.rlim_cur / 2);
	assert_int_equal(FD_CLOEXEC, fcntl(fake_hidden, F_GETFD));
	stat(path, &st);
	assert_int_equal(0600, st.st_mode & 07777);
	assert_string_equal(line("one"), after_time(contents(path)));
	assert_string_equal("", drain(fd));
	close(fd);
}

static void appends_to_a_file_behind_a_link(void **state)
{
	char real_path[80];

	(void)state;
	snprintf(real_path, sizeof(real_path), "%s.real", path);
	close(open(real_path, O_WRONLY | O_CREAT, 0600));
	assert_return_code(symlink(real_path, path), errno);
	assert_int_equal(0, log_setup(LOG_SINK_FILE, path, LOG_LEVEL_ERROR));
	log_line(LOG_LEVEL_ERROR, "one");
	assert_int_equal(0, truncate(real_path, 0));
	log_line(LOG_LEVEL_ERROR, "two");
	assert_string_equal(line("two"), after_time(contents(real_path)));
	unlink(real_path);
}

/* logrotate moves the file away, and may make a new one or not. */
static void follows_a_file_that_was_moved_away(void **state)
{
	char old[80];
	int number;

	(void)state;
	snprintf(old, sizeof(old), "%s.1", path);
	assert_int_equal(0, log_setup(LOG_SINK_FILE, path, LOG_LEVEL_ERROR));
	log_line(LOG_LEVEL_ERROR, "one");
	number = fake_hidden;
	assert_return_code(rename(path, old), errno);
	log_line(LOG_LEVEL_ERROR, "two");
	assert_string_equal(line("one"), after_time(contents(old)));
	assert_string_equal(line("two"), after_time(contents(path)));
	assert_return_code(rename(path, old), errno);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	log_line(LOG_LEVEL_ERROR, "three");
	assert_string_equal(line("three"), after_time(contents(path)));
	assert_int_equal(number, fake_hidden);
	unlink(old);
}

/* A program in another folder, or without rights to its log's, goes on writing
 * to the file that it has. */
static void the_path_is_absolute_and_may_get_out_of_reach(void **state)
{
	char cwd[200], renamed[100];

	(void)state;
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_return_code(chdir(dir), errno);
	assert_int_equal(0, log_setup(LOG_SINK_FILE, strrchr(path, '/') + 1,
				    LOG_LEVEL_ERROR));
	assert_return_code(chdir("/"), errno);
	log_line(LOG_LEVEL_ERROR, "one");
	assert_string_equal(line("one"), after_time(contents(path)));
	snprintf(renamed, sizeof(renamed), "%s.away", dir);
	assert_return_code(rename(dir, renamed), errno);
	log_line(LOG_LEVEL_ERROR, "two");
	assert_return_code(rename(renamed, dir), errno);
	assert_non_null(strstr(contents(path), line("two")));
	assert_return_code(chdir(cwd), errno);
}

/* Its folder may be out of reach of the user that the program becomes. */
static void prepare_makes_the_file(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(0, log_setup(LOG_SINK_FILE, path, LOG_LEVEL_ERROR));
	assert_int_equal(-1, stat(path, &st));
	log_prepare();
	assert_return_code(stat(path, &st), errno);
}

static void an_unopenable_file_means_stderr(void **state)
{
	int fd = stderr_pipe();

	(void)state;
	assert_int_equal(ENOENT,
		log_setup(LOG_SINK_FILE, "/nonexistent/log", LOG_LEVEL_ERROR));
	log_line(LOG_LEVEL_ERROR, "one");
	assert_string_equal(line("one"), drain(fd));
	assert_int_equal(
		EISDIR, log_setup(LOG_SINK_FILE, "/tmp", LOG_LEVEL_ERROR));
	assert_return_code(mkfifo(path, 0600), errno);
	assert_int_equal(
		ENXIO, log_setup(LOG_SINK_FILE, path, LOG_LEVEL_ERROR));
	close(fd);
}

/* A program that closes all descriptors by raw calls, then opens its own. */
static void does_not_write_into_a_file_of_the_program(void **state)
{
	char other[80];
	int fd = stderr_pipe(), theirs, number;

	(void)state;
	snprintf(other, sizeof(other), "%s/theirs", dir);
	assert_int_equal(0, log_setup(LOG_SINK_FILE, path, LOG_LEVEL_ERROR));
	log_prepare();
	number = fake_hidden;
	theirs = open(other, O_RDWR | O_CREAT, 0600);
	assert_return_code(dup2(theirs, number), errno);
	log_line(LOG_LEVEL_ERROR, "one");
	assert_string_equal("", contents(other));
	assert_string_equal(line("one"), drain(fd));
	/* Nor is it closed with ours. */
	log_setup(LOG_SINK_STDERR, NULL, LOG_LEVEL_ERROR);
	assert_return_code(fcntl(number, F_GETFD), errno);
	close(theirs);
	close(number);
	close(fd);
}

static void at_the_descriptor_limit_means_stderr(void **state)
{
	struct rlimit limit, none;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	none.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &none);
	assert_int_equal(
		EMFILE, log_setup(LOG_SINK_FILE, path, LOG_LEVEL_ERROR));
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* /dev/log is a file of the test's. */

static int log_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_un un = {AF_UNIX, ""};

	assert_int_equal(sizeof(struct sockaddr_un), len);
	assert_string_equal(
		"/dev/log", ((const struct sockaddr_un *)addr)->sun_path);
	memcpy(un.sun_path, path, sizeof(path));
	return connect(fd, (struct sockaddr *)&un, sizeof(un));
}

static int log_daemon(void)
{
	struct sockaddr_un un = {AF_UNIX, ""};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	memcpy(un.sun_path, path, sizeof(path));
	unlink(path);
	assert_return_code(bind(fd, (struct sockaddr *)&un, sizeof(un)), errno);
	return fd;
}

static int fake_dev_log(void **state)
{
	(void)state;
	real_calls.connect = log_connect;
	return 0;
}

static int real_dev_log(void **state)
{
	real_calls.connect = NULL;
	return restore(state);
}

static const char *syslog_text(int priority, const char *text)
{
	static char expected[128];

	snprintf(expected, sizeof(expected), "<%d>tlsshim[%d]: %s", priority,
		getpid(), text);
	return expected;
}

static void sends_datagrams_to_syslog(void **state)
{
	int daemon = log_daemon(), fd = stderr_pipe();

	(void)state;
	assert_int_equal(0, log_setup(LOG_SINK_SYSLOG, NULL, LOG_LEVEL_DEBUG));
	assert_int_equal(FD_CLOEXEC, fcntl(fake_hidden, F_GETFD));
	log_line(LOG_LEVEL_ERROR, "one\n");
	assert_string_equal(syslog_text(8 + 3, "one\\x0a"), drain(daemon));
	log_line(LOG_LEVEL_INFO, "two");
	assert_string_equal(syslog_text(8 + 6, "two"), drain(daemon));
	log_line(LOG_LEVEL_DEBUG, "three");
	assert_string_equal(syslog_text(8 + 7, "three"), drain(daemon));
	assert_string_equal("", drain(fd));
	close(daemon);
	close(fd);
}

static void finds_a_daemon_that_was_restarted(void **state)
{
	int daemon, fd = stderr_pipe();

	(void)state;
	assert_int_equal(0, log_setup(LOG_SINK_SYSLOG, NULL, LOG_LEVEL_ERROR));
	log_line(LOG_LEVEL_ERROR, "none yet");
	assert_string_equal(line("none yet"), drain(fd));
	daemon = log_daemon();
	log_line(LOG_LEVEL_ERROR, "first");
	assert_string_equal(syslog_text(8 + 3, "first"), drain(daemon));
	close(daemon);
	log_line(LOG_LEVEL_ERROR, "gone");
	assert_string_equal(line("gone"), drain(fd));
	daemon = log_daemon();
	log_line(LOG_LEVEL_ERROR, "again");
	assert_string_equal(syslog_text(8 + 3, "again"), drain(daemon));
	close(daemon);
	close(fd);
}

/* A daemon that does not read: lines go to stderr, and none waits. */
static void a_stuck_daemon_does_not_stop_the_program(void **state)
{
	int daemon = log_daemon(), null = open("/dev/null", O_WRONLY);

	(void)state;
	assert_int_equal(0, log_setup(LOG_SINK_SYSLOG, NULL, LOG_LEVEL_ERROR));
	redirect_stderr(null);
	alarm(20);
	for (int i = 0; i < 5000; i++)
		log_line(LOG_LEVEL_ERROR, "line %d", i);
	alarm(0);
	close(daemon);
}

static void *write_lines(void *arg)
{
	for (int i = 0; i < 200; i++)
		log_line(LOG_LEVEL_ERROR, "%s", (const char *)arg);
	return NULL;
}

static void lines_of_many_threads_stay_whole(void **state)
{
	char text[4][300];
	pthread_t threads[4];
	char got[512];
	FILE *file;
	int n = 0;

	(void)state;
	assert_int_equal(0, log_setup(LOG_SINK_FILE, path, LOG_LEVEL_ERROR));
	for (int i = 0; i < 4; i++) {
		memset(text[i], 'a' + i, sizeof(text[i]));
		text[i][sizeof(text[i]) - 1] = '\0';
		pthread_create(&threads[i], NULL, write_lines, text[i]);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	file = fopen(path, "r");
	while (fgets(got, sizeof(got), file)) {
		const char *said = after_time(got);
		char first = strchr(said, ' ')[1];

		assert_uint_in_range(first, 'a', 'd');
		assert_string_equal(line(text[first - 'a']), said);
		n++;
	}
	fclose(file);
	assert_int_equal(800, n);
}

static void a_forked_child_writes_its_own_pid(void **state)
{
	int fd = stderr_pipe(), status = -1;
	char expected[64];
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		log_line(LOG_LEVEL_ERROR, "child");
		_exit(0);
	}
	assert_int_equal(pid, waitpid(pid, &status, 0));
	snprintf(expected, sizeof(expected), "tlsshim[%d] child\n", pid);
	assert_string_equal(expected, drain(fd));
	close(fd);
}

int main(void)
{
#define log_test(test) cmocka_unit_test_teardown(test, restore)
#define syslog_test(test)                                                      \
	cmocka_unit_test_setup_teardown(test, fake_dev_log, real_dev_log)
	const struct CMUnitTest tests[] = {
		log_test(formats_like_printf),
		log_test(formats_no_more_than_fits),
		log_test(writes_a_line_to_stderr),
		log_test(escapes_what_could_forge_a_line),
		log_test(cuts_a_long_line),
		log_test(writes_what_the_level_asks_for),
		log_test(says_nothing_to_a_peer),
		log_test(says_nothing_over_the_network),
		log_test(a_reader_that_left_is_no_sigpipe),
		log_test(a_file_at_its_limit_is_no_sigxfsz),
		log_test(a_closed_stderr_costs_the_line),
		log_test(writes_to_a_file_out_of_the_way),
		log_test(appends_to_a_file_behind_a_link),
		log_test(follows_a_file_that_was_moved_away),
		log_test(the_path_is_absolute_and_may_get_out_of_reach),
		log_test(prepare_makes_the_file),
		log_test(an_unopenable_file_means_stderr),
		log_test(does_not_write_into_a_file_of_the_program),
		log_test(at_the_descriptor_limit_means_stderr),
		syslog_test(sends_datagrams_to_syslog),
		syslog_test(finds_a_daemon_that_was_restarted),
		syslog_test(a_stuck_daemon_does_not_stop_the_program),
		log_test(lines_of_many_threads_stay_whole),
		log_test(a_forked_child_writes_its_own_pid),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
