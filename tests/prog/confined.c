/* SPDX-License-Identifier: MIT */
/*
 * A program that changes what it may do, and only then connects, twice.
 *
 *	confined PORT STEP...
 *
 * Steps: clearenv; wipe (overwrites the strings of the environment, as nginx
 * does); chroot=DIR; pivot=DIR (pivot_root by number, as containers do) and
 * pivot-by-name=DIR (libc's); clone=DIR and clone-by-number=DIR (a child that
 * shares its root with us changes it); setuid=UID; fsuid=UID; capset (no right
 * to read what others own); nofiles (a seccomp filter under which no file can
 *be opened), and the same by syscall(); nooptions (one under which no socket
 *option can be read); landlock (no file can be read); network (a namespace of
 *its own, and a socket from before); threads (the same from several threads at
 *once).  Prints what comes back: "plaintext-marker" a connection.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARKER "plaintext-marker"

extern char **environ;

/* glibc's, which no header declares. */
int pivot_root(const char *new_root, const char *old);
int capset(void *header, const void *data);

static const char *port;

static int die(const char *what)
{
	perror(what);
	exit(99);
}

static void converse_on(int fd)
{
	char answer[sizeof(MARKER)] = "";
	struct sockaddr_in in = {.sin_family = AF_INET,
		.sin_port = htons((in_port_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	if (fd < 0 || connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
		die("connect");
	if (write(fd, MARKER, strlen(MARKER)) < 0 ||
		recv(fd, answer, strlen(MARKER), MSG_WAITALL) < 0)
		die("converse");
	puts(answer);
	close(fd);
}

static void *converse(void *arg)
{
	converse_on(socket(AF_INET, SOCK_STREAM, 0));
	return arg;
}

/* A socket stays in the network that it was made in. */
static void leave_network(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (unshare(CLONE_NEWNET) < 0)
		die("unshare");
	converse_on(fd);
}

static int prctl_by_number(int option, ...)
{
	unsigned long args[2];
	va_list ap;

	va_start(ap, option);
	args[0] = va_arg(ap, unsigned long);
	args[1] = va_arg(ap, unsigned long);
	va_end(ap);
	return (int)syscall(SYS_prctl, option, args[0], args[1], 0L, 0L);
}

static void forbid(
	int (*restrict_by)(int option, ...), unsigned call, unsigned other)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, other, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog program = {
		sizeof(filter) / sizeof(filter[0]), filter};

	if (restrict_by(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) < 0 ||
		restrict_by(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		die("seccomp");
}

/* Needs CAP_SYS_ADMIN: nothing that the shim knows of goes before it. */
static void forbid_reading(void)
{
	struct landlock_ruleset_attr rules = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_READ_FILE};
	long fd =
		syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0);

	if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		die("landlock");
	close((int)fd);
}

static int pivot_by_number(const char *new_root, const char *old)
{
	return (int)syscall(SYS_pivot_root, new_root, old);
}

/* In a mount namespace of its own, which others made. */
static void pivot(
	int (*to)(const char *new_root, const char *old), const char *dir)
{
	if (mount(dir, dir, NULL, MS_BIND, NULL) < 0 || chdir(dir) < 0 ||
		to(".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
		chdir("/") < 0)
		die("pivot_root");
}

static int change_root(void *dir)
{
	return chroot(dir) < 0 || chdir("/") < 0;
}

/* Root and working directory are the child's and ours. */
static void clone_that_changes_root(const char *dir, bool by_number)
{
	static char stack[65536] __attribute__((aligned(16)));
	const int flags = CLONE_FS | SIGCHLD;
	int status = -1, pid;

	if (by_number)
		pid = (int)syscall(SYS_clone, (long)flags, 0L, 0L, 0L, 0L);
	else
		pid = clone(
			change_root, stack + sizeof(stack), flags, (void *)dir);
	if (pid == 0)
		_exit(change_root((void *)dir));
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
		die("clone");
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};

	if (capset(&header, none) < 0)
		die("capset");
}

static void wipe(void)
{
	for (char **e = environ; *e; e++)
		memset(*e, 'x', strlen(*e));
	environ = NULL;
}

static void in_threads(void)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, converse, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

static void step(const char *name)
{
	const char *arg = strchr(name, '=');

	arg = arg ? arg + 1 : "";
	if (!strcmp(name, "clearenv"))
		clearenv();
	else if (!strcmp(name, "wipe"))
		wipe();
	else if (!strncmp(name, "pivot=", 6))
		pivot(pivot_by_number, arg);
	else if (!strncmp(name, "pivot-by-name=", 14))
		pivot(pivot_root, arg);
	else if (!strncmp(name, "clone=", 6))
		clone_that_changes_root(arg, false);
	else if (!strncmp(name, "clone-by-number=", 16))
		clone_that_changes_root(arg, true);
	else if (!strncmp(name, "fsuid=", 6))
		setfsuid((uid_t)atoi(arg));
	else if (!strcmp(name, "capset"))
		drop_capabilities();
	else if (!strcmp(name, "landlock"))
		forbid_reading();
	else if (!strncmp(name, "chroot=", 7)) {
		if (chroot(arg) < 0 || chdir("/") < 0)
			die("chroot");
	} else if (!strncmp(name, "setuid=", 7)) {
		if (setgroups(0, NULL) < 0 || setuid((uid_t)atoi(arg)) < 0)
			die("setuid");
	} else if (!strcmp(name, "nofiles"))
		forbid(prctl, SYS_open, SYS_openat);
	else if (!strcmp(name, "nofiles-by-number"))
		forbid(prctl_by_number, SYS_open, SYS_openat);
	else if (!strcmp(name, "nooptions"))
		forbid(prctl, SYS_getsockopt, SYS_getsockopt);
	else if (!strcmp(name, "network"))
		leave_network();
	else if (!strcmp(name, "threads"))
		in_threads();
	else
		die(name);
}

int main(int argc, char **argv)
{
	port = argv[1];
	for (int i = 2; i < argc; i++)
		step(argv[i]);
	converse(NULL);
	converse(NULL);
	return 0;
}
