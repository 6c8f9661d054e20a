/* SPDX-License-Identifier: MIT */
/* How the peer hears of the end of programs whose connection a relay has: of
 * those that mean it, and of those that are killed. */
#include "bare_call.h"
#include "oracle.h"
#include "relays.h"
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;
static char buf[60000];

static void kill_self(void)
{
	kill(getpid(), SIGKILL);
	pause();
}

/* ---- the program: a child of the one that tells ---- */

static int dial_and_hand_over(void)
{
	int fd = dial();

	write_all(fd, "first", 5);
	hand_over(fd);
	write_all(fd, " and last", 9);
	return fd;
}

/* Until nothing more is taken: its end comes late to the relay. */
static void stuff(int fd)
{
	set_nonblocking(fd, true);
	for (int idle = 0; idle < 10;) {
		bool taken = write(fd, buf, sizeof(buf)) > 0;

		idle = taken ? 0 : idle + 1;
		if (!taken)
			usleep(10000);
	}
	set_nonblocking(fd, false);
}

static pid_t start(void (*life)(int fd))
{
	pid_t pid = fork();

	if (pid < 0)
		give_up("fork");
	if (pid > 0)
		return pid;
	life(dial_and_hand_over());
	_exit(9);
}

static void tell(pid_t pid)
{
	int status;

	say("peer: %s\n", peer("end"));
	if (waitpid(pid, &status, 0) != pid)
		give_up("waitpid");
	say("status = %x\n", status);
}

/* It is dead, and its parent has not waited for it. */
static void dies(void (*life)(int fd))
{
	pid_t pid = start(life);
	siginfo_t info;

	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	tell(pid);
}

static void dies_reaped(void (*life)(int fd))
{
	pid_t pid = start(life);
	int status;

	if (waitpid(pid, &status, 0) != pid)
		give_up("waitpid");
	say("status = %x\npeer: %s\n", status, peer("end"));
}

static void stuffs_and_dies(void (*life)(int fd))
{
	pid_t pid;
	siginfo_t info;

	pid = fork();
	if (pid == 0) {
		int fd = dial();

		peer("uncounted");
		hand_over(fd);
		stuff(fd);
		life(fd);
		_exit(9);
	}
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	tell(pid);
}

/* ---- those that are killed ---- */

static void by_signal(int fd)
{
	(void)fd;
	kill_self();
}

static void by_fault(int fd)
{
	(void)fd;
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
}

static void by_term(int fd)
{
	(void)fd;
	raise(SIGTERM);
}

static void by_abort(int fd)
{
	(void)fd;
	signal(SIGABRT, SIG_DFL);
	abort();
}

static void *kill_all(void *arg)
{
	kill_self();
	return arg;
}

static void *sleep_all(void *arg)
{
	pause();
	return arg;
}

static void by_thread(int fd)
{
	pthread_t thread;

	(void)fd;
	for (int i = 0; i < 4; i++)
		pthread_create(&thread, NULL, sleep_all, NULL);
	pthread_create(&thread, NULL, kill_all, NULL);
	pause();
}

static void with_unread(int fd)
{
	peer("send something");
	show_poll("unread", fd, POLLIN, 10000);
	kill_self();
}

/* A helper of its own has no part in the connection. */
static void with_helper(int fd)
{
	pid_t pid;

	fcntl(fd, F_SETFD, FD_CLOEXEC);
	pid = fork();
	if (pid == 0) {
		execl("/bin/true", "true", NULL);
		kill_self();
	}
	waitpid(pid, NULL, 0);
	pid = vfork();
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	pid = vfork();
	if (pid == 0) {
		close(fd);
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	if (system("exit 0"))
		give_up("system");
	kill_self();
}

/* Both have it, and both are killed. */
static void with_child(int fd)
{
	pid_t pid = fork();

	(void)fd;
	if (pid == 0)
		kill_self();
	waitpid(pid, NULL, 0);
	kill_self();
}

/* A copy of the number is closed, and the number of another connection. */
static void with_copies(int fd)
{
	int copy = dup(fd), other = socket(AF_INET, SOCK_STREAM, 0);

	close(fd);
	close(other);
	dup2(copy, fd);
	close(copy);
	shutdown(fd, SHUT_RD);
	kill_self();
}

static void killed(void)
{
	dies(by_signal);
}
static void killed_by_term(void)
{
	dies(by_term);
}
static void killed_by_fault(void)
{
	dies(by_fault);
}
static void killed_by_abort(void)
{
	dies(by_abort);
}
static void killed_by_thread(void)
{
	dies(by_thread);
}
static void killed_unread(void)
{
	dies(with_unread);
}
static void killed_with_helper(void)
{
	dies(with_helper);
}
static void killed_with_child(void)
{
	dies(with_child);
}
static void killed_with_copies(void)
{
	dies(with_copies);
}
static void killed_stuffed(void)
{
	stuffs_and_dies(by_signal);
}
static void killed_and_reaped(void)
{
	dies_reaped(by_signal);
}

/* It exits by a handler. */
static void leave(int sig)
{
	(void)sig;
	_exit(3);
}

static void by_handler(int fd)
{
	(void)fd;
	signal(SIGTERM, leave);
	raise(SIGTERM);
}
static void handles(void)
{
	dies(by_handler);
}

/* ---- those that mean it ---- */

static void life_exit(int fd)
{
	(void)fd;
	exit(3);
}
static void life__exit(int fd)
{
	(void)fd;
	_exit(3);
}
static void life_quick_exit(int fd)
{
	(void)fd;
	quick_exit(3);
}
static void life_by_number(int fd)
{
	(void)fd;
	syscall(SYS_exit_group, 3);
}

static void life_unseen(int fd)
{
	(void)fd;
	bare_call(SYS_exit_group, 3, 0, 0);
}

static void *last_thread(void *arg)
{
	usleep(10000);
	pthread_exit(arg);
}

static void life_last_thread(int fd)
{
	pthread_t thread;

	(void)fd;
	pthread_create(&thread, NULL, last_thread, NULL);
	pthread_exit(NULL);
}

static void exits(void)
{
	void (*const lives[])(int) = {life_exit, life__exit, life_quick_exit,
		life_by_number, life_unseen};

	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		dies(lives[i]);
		dies_reaped(lives[i]);
	}
}

static void exits_last_thread(void)
{
	dies(life_last_thread);
	dies_reaped(life_last_thread);
}

/* Closes and is killed at once, or when the relay has not seen it yet. */
static void close_close(int fd)
{
	close(fd);
	kill_self();
}
static void close_shutdown(int fd)
{
	shutdown(fd, SHUT_WR);
	kill_self();
}
static void close_by_number(int fd)
{
	syscall(SYS_close, fd);
	kill_self();
}
static void close_fclose(int fd)
{
	fclose(fdopen(fd, "r+"));
	kill_self();
}
static void close_both_streams(int fd)
{
	FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");

	fclose(out);
	fclose(in);
	kill_self();
}
static void close_freopen(int fd)
{
	if (!freopen("/dev/null", "r", fdopen(fd, "r+")))
		give_up("freopen");
	kill_self();
}
static void close_dup2(int fd)
{
	dup2(STDERR_FILENO, fd);
	kill_self();
}
static void close_dup3(int fd)
{
	dup3(STDERR_FILENO, fd, O_CLOEXEC);
	kill_self();
}
static void close_range_of_it(int fd)
{
	close_range((unsigned)fd, (unsigned)fd, 0);
	kill_self();
}
static void close_from(int fd)
{
	closefrom(fd);
	kill_self();
}
static void close_copies(int fd)
{
	int copy = dup(fd);

	close(copy);
	close(fd);
	kill_self();
}

static void closes(void)
{
	void (*const lives[])(int) = {close_close, close_shutdown,
		close_by_number, close_fclose, close_both_streams,
		close_freopen, close_dup2, close_dup3, close_range_of_it,
		close_from, close_copies};

	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		dies(lives[i]);
		stuffs_and_dies(lives[i]);
	}
}

/* A bare system call says nothing, but the program lives on a while. */
static void close_unseen(int fd)
{
	bare_call(SYS_close, fd, 0, 0);
	say("peer: %s\n", peer("end"));
	kill_self();
}

static void closes_unseen(void)
{
	pid_t pid = start(close_unseen);

	show("closed", waitpid(pid, NULL, 0) == pid);
}

/* ---- with others ---- */

static void release(int *gate)
{
	if (write(gate[1], "x", 1) != 1)
		give_up("gate");
}

static void wait_at(int *gate)
{
	char c;

	if (read(gate[0], &c, 1) < 0)
		give_up("gate");
}

/* One of two is killed, and the other ends properly before or after. */
static void parent_closes_first(int fd)
{
	int gate[2];
	pid_t pid;

	if (pipe(gate))
		give_up("pipe");
	pid = fork();
	if (pid == 0) {
		wait_at(gate);
		kill_self();
	}
	close(fd);
	release(gate);
	waitpid(pid, NULL, 0);
	_exit(0);
}
static void parent_killed_first(int fd)
{
	pid_t parent = getpid();

	(void)fd;
	if (fork() == 0) {
		while (getppid() == parent)
			usleep(1000);
		write_all(fd, ", says the child", 16);
		_exit(0);
	}
	kill_self();
}
static void child_kills_parent(int fd)
{
	(void)fd;
	if (fork() == 0) {
		kill(getppid(), SIGTERM);
		_exit(0);
	}
	pause();
}
static void child_killed_first(int fd)
{
	pid_t pid = fork();

	if (pid == 0)
		kill_self();
	waitpid(pid, NULL, 0);
	write_all(fd, ", says the parent", 17);
	_exit(0);
}
static void daemon_leaves(int fd)
{
	if (daemon(1, 1) < 0)
		give_up("daemon");
	write_all(fd, ", says the daemon", 17);
	exit(0);
}
static void daemon_by_hand(int fd)
{
	if (fork() > 0)
		_exit(0);
	setsid();
	if (fork() > 0)
		_exit(0);
	write_all(fd, ", says the daemon", 17);
	exit(0);
}
static void exec_cloexec(int fd)
{
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	execl("/bin/sh", "sh", "-c", "kill -9 $$", NULL);
}
/* Who inherits it cannot say goodbye. */
static void exec_inherits(int fd)
{
	dup2(fd, 1);
	close(fd);
	execl("/bin/sh", "sh", "-c", "echo done; kill -9 $$", NULL);
}
static void system_goes_on(int fd)
{
	char line[300];

	snprintf(line, sizeof(line),
		"{ while kill -0 %d 2>/dev/null; do sleep 0.01; done; echo "
		"done >&%d; } &",
		getpid(), fd);
	if (system(line))
		give_up("system");
	kill_self();
}
static void popen_goes_on(int fd)
{
	char line[300];

	snprintf(line, sizeof(line),
		"while kill -0 %d 2>/dev/null; do sleep 0.01; done; echo done "
		">&%d",
		getpid(), fd);
	if (!popen(line, "w"))
		give_up("popen");
	kill_self();
}
static void spawn_goes_on(int fd)
{
	char line[300];
	char *argv[] = {"sh", "-c", line, NULL};

	snprintf(line, sizeof(line),
		"while kill -0 %d 2>/dev/null; do sleep 0.01; done; echo done "
		">&%d",
		getpid(), fd);
	if (posix_spawn(NULL, "/bin/sh", NULL, NULL, argv, environ))
		give_up("posix_spawn");
	kill_self();
}
static void vfork_goes_on(int fd)
{
	char line[300];

	snprintf(line, sizeof(line),
		"while kill -0 %d 2>/dev/null; do sleep 0.01; done; echo done "
		">&%d",
		getpid(), fd);
	if (vfork() == 0) {
		execl("/bin/sh", "sh", "-c", line, NULL);
		_exit(1);
	}
	kill_self();
}
static int in_clone(void *arg)
{
	pid_t parent = *(pid_t *)arg;

	while (kill(parent, 0) == 0)
		usleep(1000);
	return 0;
}
static void clone_goes_on(int fd)
{
	static char stack[65536] __attribute__((aligned(16)));
	pid_t self = getpid();

	(void)fd;
	if (clone(in_clone, stack + sizeof(stack), SIGCHLD, &self) < 0)
		give_up("clone");
	kill_self();
}

static void send_to(int to, int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] = {0}, word = 'x';
	struct iovec iov = {&word, 1};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *m = CMSG_FIRSTHDR(&msg);

	m->cmsg_level = SOL_SOCKET;
	m->cmsg_type = SCM_RIGHTS;
	m->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(m), &fd, sizeof(fd));
	if (sendmsg(to, &msg, 0) != 1)
		give_up("sendmsg");
}

/* It stays in the message, which its receiver takes and drops. */
static void passed(void)
{
	int pair[2];
	siginfo_t info;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		give_up("socketpair");
	pid = fork();
	if (pid == 0) {
		send_to(pair[1], dial_and_hand_over());
		kill_self();
	}
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	close(pair[0]);
	close(pair[1]);
	tell(pid);
}

static void shared(void)
{
	void (*const lives[])(int) = {parent_closes_first, parent_killed_first,
		child_kills_parent, child_killed_first, daemon_leaves,
		daemon_by_hand, exec_cloexec, exec_inherits};
	/* These ask whether it is gone. */
	void (*const others[])(int) = {
		system_goes_on, popen_goes_on, spawn_goes_on, vfork_goes_on};

	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++)
		dies(lives[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		dies_reaped(others[i]);
}

static void cloned(void)
{
	dies_reaped(clone_goes_on);
}

SCENARIOS({"killed", killed}, {"term", killed_by_term},
	{"fault", killed_by_fault}, {"abort", killed_by_abort},
	{"thread", killed_by_thread}, {"unread", killed_unread},
	{"helper", killed_with_helper}, {"child", killed_with_child},
	{"copies", killed_with_copies}, {"stuffed", killed_stuffed},
	{"reaped", killed_and_reaped}, {"handles", handles}, {"exits", exits},
	{"last-thread", exits_last_thread}, {"closes", closes},
	{"closes-unseen", closes_unseen}, {"passed", passed},
	{"shared", shared}, {"cloned", cloned})
