/* SPDX-License-Identifier: MIT */
/*
 * The relay process: how it is started without a trace in the program, what it
 * gives up of the program, and its loop.  What is done for each connection,
 * relay/leg.c knows; who is handed over and when, plug.c.
 *
 * It runs in a raw copy of the program in which other threads may have held
 * any lock of the C library: nothing here allocates from it, uses stdio, or
 * needs the dynamic linker (real_find_all() has bound all).
 */
#include "relay/relay.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include "base/clock.h"
#include "base/fdtab.h"
#include "base/map.h"
#include "base/real.h"
#include "config/config.h"
#include "conn/conn.h"
#include "conn/follow.h"
#include "log/log.h"
#include "relay/leg.h"
#include "relay/lighten.h"
#include "relay/orphans.h"
#include "relay/process.h"

#define STACK_SIZE (256 << 10)
/* More relays at a time stay zombies until the program ends. */
#define KEPT_MAX 64
/* Of what ps shows: the longest name and destination. */
#define TITLE_MAX ((long)sizeof(RELAY_NAME) + 1 + CONN_DESTINATION_MAX)

/* ---- what it looks like ---- */

static char *title;
/* Of the arguments, and with the environment that follows them. */
static size_t title_size, title_room;

/*
 * The kernel shows the arguments where it put them, or, where their last byte
 * is not 0, what begins there and goes on into the environment: so the name of
 * a relay may be longer than the program's command line.  The C library gives
 * constructors the arguments of main().
 */
__attribute__((constructor)) static void note_title(
	int argc, char **argv, char **envp)
{
	char *end;

	if (!config_is_selective() || argc < 1 || !argv || !argv[0])
		return;
	end = argv[argc - 1] + strlen(argv[argc - 1]) + 1;
	title = argv[0];
	title_size = (size_t)(end - title);
	for (; *envp == end && end - title < TITLE_MAX; envp++)
		end += strlen(end) + 1;
	title_room = (size_t)(end - title);
}

static void set_title(const char *text)
{
	char name[TITLE_MAX];
	size_t len;

	real(syscall)(SYS_prctl, PR_SET_NAME, RELAY_NAME, 0, 0, 0);
	if (!title)
		return;
	len = (size_t)log_format(name, sizeof(name), RELAY_NAME " %s", text);
	if (len >= title_room)
		len = title_room - 1;
	memset(title, 0, title_room);
	memcpy(title, name, len);
}

/* ---- all legs ---- */

struct pump {
	struct relay_leg *legs;
	unsigned n;
	struct pollfd *fds; /* two a leg: real, inner; and told */
	struct follow_relay name;
	int told; /* of options that follow, or a task's own; -1: neither */
};

/* Milliseconds until something must be looked at without an event. */
static int next_timeout(const struct pump *pump)
{
	int64_t now = clock_now(), end = INT64_MAX;

	for (unsigned i = 0; i < pump->n; i++) {
		int64_t one = pump->legs[i].over
				      ? INT64_MAX
				      : leg_deadline(&pump->legs[i], now);

		if (one < end)
			end = one;
	}
	if (end == INT64_MAX)
		return -1;
	return end <= now ? 0 : (int)((end - now) / 1000000) + 1;
}

static unsigned prepare_poll(struct pump *pump)
{
	unsigned alive = 0;

	for (unsigned i = 0; i < pump->n; i++) {
		struct pollfd *p = &pump->fds[2 * i];

		if (pump->legs[i].over) {
			p[0].fd = p[1].fd = -1;
			continue;
		}
		leg_ask(&pump->legs[i], &p[0], &p[1]);
		alive++;
	}
	return alive;
}

/* TCP_NODELAY that is lent stays until the first bytes are out. */
static void set_option(struct conn *c, const struct follow_option *option)
{
	int on;

	if (c->nodelay_lent && option->level == IPPROTO_TCP &&
		option->name == TCP_NODELAY) {
		memcpy(&on, option->value, sizeof(on));
		c->nodelay_lent = on == 0;
		return;
	}
	real(setsockopt)(c->real, option->level, option->name, option->value,
		option->len);
}

static void take_options(const struct pump *pump)
{
	struct follow_option option;

	while (follow_next(&pump->name, pump->told, &option))
		for (unsigned i = 0; i < pump->n; i++)
			if (pump->legs[i].c->cookie == option.cookie &&
				!pump->legs[i].over)
				set_option(pump->legs[i].c, &option);
}

static bool is_opening(const struct pump *pump)
{
	for (unsigned i = 0; i < pump->n; i++)
		if (!pump->legs[i].over && conn_is_opening(pump->legs[i].c))
			return true;
	return false;
}

static void pump_all(struct pump *pump)
{
	struct pollfd *told = &pump->fds[2 * pump->n];

	*told = (struct pollfd){.fd = pump->told, .events = POLLIN};
	for (unsigned i = 0; i < pump->n; i++)
		leg_step(&pump->legs[i], 0, 0);
	while (prepare_poll(pump)) {
		if (!is_opening(pump))
			log_release_stderr();
		real(poll)(pump->fds, 2 * pump->n + 1, next_timeout(pump));
		if (told->revents)
			take_options(pump);
		for (unsigned i = 0; i < pump->n; i++)
			if (!pump->legs[i].over)
				leg_step(&pump->legs[i],
					pump->fds[2 * i].revents,
					pump->fds[2 * i + 1].revents);
	}
}

/* ---- becoming a relay ---- */

/*
 * A relay is to the program what its socket in the kernel is on plain TCP, and
 * that is not reached by what asks processes to end: a service manager sends
 * such signals to all that it finds, when the program has ended or is to end.
 * Ignored is whatever may be sent for that (a unit's KillSignal= is anything);
 * not what tells of a fault, a limit, or job control.
 */
static bool is_ignored(int sig)
{
	switch (sig) {
	case SIGKILL:
	case SIGSTOP:
	case SIGCONT:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
	case SIGCHLD:
	case SIGILL:
	case SIGTRAP:
	case SIGABRT:
	case SIGBUS:
	case SIGFPE:
	case SIGSEGV:
	case SIGSYS:
	case SIGXCPU:
	case SIGXFSZ:
		return false;
	default:
		return true;
	}
}

/*
 * By number: libc's own functions keep the two signals that it uses itself as
 * they were inherited.  The struct is the kernel's.  All are blocked until then
 * (relay_start()), so that there is no moment at which one would end it.
 */
static void reset_signals(void)
{
	struct {
		void (*handler)(int);
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} action = {NULL, 0, NULL, 0};
	const uint64_t none = 0;

	for (int sig = 1; sig < NSIG; sig++) {
		action.handler = is_ignored(sig) ? SIG_IGN : SIG_DFL;
		real(syscall)(SYS_rt_sigaction, sig, &action, NULL,
			sizeof(action.mask));
	}
	real(syscall)(
		SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
}

static bool is_kept(const struct pump *pump, int fd)
{
	if (fd == STDERR_FILENO && log_keeps_stderr())
		return true;
	if (fd == pump->told)
		return true;
	for (unsigned i = 0; i < pump->n; i++)
		if (fd == pump->legs[i].c->real || fd == pump->legs[i].inner ||
			fd == pump->legs[i].pidfd)
			return true;
	return false;
}

/* Closes all but the legs' sockets and the log. */
static void close_others(const struct pump *pump)
{
	unsigned first = 0;
	int log = log_descriptor(), last = STDERR_FILENO;

	if (log > last)
		last = log;
	if (pump->told > last)
		last = pump->told;
	for (unsigned i = 0; i < pump->n; i++) {
		if (pump->legs[i].c->real > last)
			last = pump->legs[i].c->real;
		if (pump->legs[i].inner > last)
			last = pump->legs[i].inner;
		if (pump->legs[i].pidfd > last)
			last = pump->legs[i].pidfd;
	}
	for (int fd = 0; fd <= last; fd++)
		if (is_kept(pump, fd) || fd == log) {
			if ((unsigned)fd > first)
				real(close_range)(first, (unsigned)fd - 1, 0);
			first = (unsigned)fd + 1;
		}
	real(close_range)(first, UINT_MAX, 0);
}

/* Hooks are in the way of what the engine calls, and look into tables that
 * were the program's. */
static void forget_program(void)
{
	fdtab_abandon();
	keeper_page = NULL;
	atomic_store(&conn_left_open, 0);
}

/* Its own memory, after the program's is gone. */
static bool make_buffers(struct pump *pump)
{
	pump->fds = map_memory((2 * pump->n + 1) * sizeof(*pump->fds));
	for (unsigned i = 0; i < pump->n; i++)
		if (!leg_begin(&pump->legs[i]))
			return false;
	return pump->fds != NULL;
}

struct start {
	struct relay_leg *legs;
	unsigned n;
	const struct relay_task *task; /* NULL: there are legs */
	void *stack;
	struct follow_relay name;
	int told;
	long flags; /* of clone() */
	pid_t pid;
	int result;
};

static void relay_main(const struct start *start)
{
	struct pump pump = {
		start->legs, start->n, NULL, start->name, start->told};
	/* Of the thread that starts it the stack is dropped. */
	const struct relay_task task =
		start->task ? *start->task : (struct relay_task){0};

	real(syscall)(SYS_setsid);
	reset_signals();
	real(syscall)(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	set_title(start->task ? task.title : pump.legs[0].c->key);
	log_enter_relay(is_opening(&pump));
	close_others(&pump);
	if (chdir("/") < 0)
		log_line(LOG_LEVEL_DEBUG, "relay: cannot chdir to /");
	forget_program();
	lighten(start->legs, start->n, start->stack, STACK_SIZE);
	if (task.serve)
		task.serve(task.fd, task.shared);
	else if (make_buffers(&pump))
		pump_all(&pump);
	real(syscall)(SYS_exit_group, 0);
}

/* While the program lives, for it is suspended; among the descriptors of the
 * copy, and of nobody else.  One for all legs. */
static void open_program(struct start *start)
{
	int pidfd;

	if (start->task) {
		start->told = start->task->fd;
		return;
	}
	pidfd = process_open(start->legs[0].program);
	start->told = follow_listen(&start->name);
	for (unsigned i = 0; i < start->n; i++)
		start->legs[i].pidfd = pidfd;
}

/*
 * In the program's memory, on a stack of its own, while the thread that wants
 * the relay is suspended (CLONE_VFORK): makes the copy that becomes the relay
 * and ends, so that the relay is nobody's child.  Not fork(): its handlers
 * are the program's affair, and a child of fork() is seen by wait().
 *
 * AddressSanitizer would mark the frame and, as that never returns, leave the
 * marks to whoever gets the stack's memory next.
 */
__attribute__((no_sanitize_address)) static int make_copy(void *arg)
{
	struct start *start = arg;
	long pid;

	open_program(start);
	pid = real(syscall)(SYS_clone, start->flags, NULL, NULL, NULL, NULL);
	if (pid == 0)
		relay_main(start);
	start->pid = (pid_t)pid;
	start->result = pid < 0 ? errno : 0;
	real(syscall)(SYS_exit, 0);
	return 0;
}

static int run_copy(struct start *start)
{
	int pid = __clone(make_copy, (char *)start->stack + STACK_SIZE,
		CLONE_VM | CLONE_VFORK, start);

	if (pid < 0)
		return errno;
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	return start->result;
}

/* ---- where orphans come back ---- */

/* Relays that are children of this process all the same. */
static atomic_int kept[KEPT_MAX];

/*
 * An orphan would become the child of a program that is pid 1 or a subreaper,
 * and its end a SIGCHLD.  A child that is made without a signal is seen by
 * nobody who does not ask for it by __WALL, and is reaped here.
 */
static bool inherits_orphans(void)
{
	int on = 0;

	return getpid() == 1 ||
	       (real(prctl)(PR_GET_CHILD_SUBREAPER, &on, 0, 0, 0) == 0 && on);
}

static void keep(pid_t pid)
{
	for (int i = 0; i < KEPT_MAX; i++) {
		int none = 0;

		if (atomic_compare_exchange_strong(&kept[i], &none, pid))
			return;
	}
}

/* Reaps those that have ended; are there others? */
static bool reap(void)
{
	bool left = false;

	for (int i = 0; i < KEPT_MAX; i++) {
		pid_t pid = atomic_load(&kept[i]);

		/* In a copy of the process they are no children. */
		if (pid && waitpid(pid, NULL, __WCLONE | WNOHANG))
			atomic_store(&kept[i], 0);
		else if (pid)
			left = true;
	}
	return left;
}

/* Its own are its children where it made them, but a relay that it has from
 * before an exec is not known. */
static bool are_left(void)
{
	return reap() || orphans_alone();
}

bool relay_dies_with_us(void)
{
	return getpid() == 1 && are_left();
}

static int64_t linger(void)
{
	return config_get()->linger_ms * 1000000LL;
}

void relay_wait_for_all(void)
{
	const struct timespec nap = {.tv_nsec = 5000000};
	int64_t end = clock_now() + linger();

	while (are_left() && clock_now() < end)
		nanosleep(&nap, NULL);
}

static int start_copy(struct start *start)
{
	uint64_t all = ~UINT64_C(0), old = 0;
	int err;

	start->stack = map_memory(STACK_SIZE);
	if (!start->stack)
		return ENOMEM;
	start->flags = inherits_orphans() ? CLONE_PARENT : 0;
	/* While the dynamic linker's data is there, and its lock is free. */
	real_find_all();
	lighten_prepare();
	/* By number: libc's own would leave out the signals it uses. */
	real(syscall)(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof(all));
	err = run_copy(start);
	real(syscall)(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(old));
	munmap(start->stack, STACK_SIZE);
	reap();
	if (!err && start->flags)
		keep(start->pid);
	return err;
}

int relay_start(struct relay_leg *legs, unsigned n)
{
	struct start start = {.legs = legs, .n = n};

	follow_choose(&start.name);
	for (unsigned i = 0; i < n; i++) {
		legs[i].c->relay = start.name;
		legs[i].program = keeper_pid();
		legs[i].linger = linger();
	}
	return start_copy(&start);
}

int relay_start_task(const struct relay_task *task)
{
	struct start start = {.task = task};

	return start_copy(&start);
}
