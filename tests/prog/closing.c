/* SPDX-License-Identifier: MIT */
/*
 * A program that says something on many connections, one after the other, and
 * closes each at once, whether the peer has read it or not.
 *
 *	closing HOST PORT STEP...
 *
 * Steps:
 *	say=N[xBYTES]   N connections, of which each says BYTES (10), and the
 *	                I-th I more, or as many as are accepted
 *	keep=N[xBYTES]  the same, and they stay open until the program ends
 *	small           those of the next step have small send buffers, and none
 *	                can be made larger from then on: what the kernel does
 *	                not take stays with whoever sends it
 *	fork            a child does the steps that follow as well
 *	raw-fork        the same by one that the C library does not know of
 *	files=N         RLIMIT_NOFILE
 *	close-all       every number above 2, past the C library
 *	wait=NAME       until that file exists
 *	mark=NAME       makes it
 *	kill            the program itself
 *
 * Prints "accepted CONNECTIONS BYTES", of each process, and how long the
 * longest close() took if that was over ten seconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netdb.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "bare_call.h"

static const char *host, *port;
static char buf[1 << 20];
static long connections, accepted;
static int small;
static double longest;

static _Noreturn void give_up(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int dial(void)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	const int size = 10000;
	struct addrinfo *found;
	int fd;

	if (getaddrinfo(host, port, &hints, &found))
		give_up(host);
	fd = socket(found->ai_family, SOCK_STREAM, 0);
	if (small)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) < 0)
		give_up(port);
	freeaddrinfo(found);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		give_up("O_NONBLOCK");
	return fd;
}

/* Until it is all accepted, or no more is: what is left. */
static long say_on(int fd, long left)
{
	while (left > 0) {
		size_t want =
			left < (long)sizeof(buf) ? (size_t)left : sizeof(buf);
		ssize_t n = write(fd, buf, want);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			give_up("write");
		left -= n;
		accepted += n;
	}
	return left;
}

static void close_one(int fd)
{
	double start = now(), took;

	if (close(fd) < 0)
		give_up("close");
	took = now() - start;
	if (took > longest)
		longest = took;
}

static void keep_buffers_small(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsockopt, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SO_SNDBUF, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SO_SNDBUFFORCE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
		give_up("seccomp");
}

/* Their buffers are set while they can be, and filled until no peer's kernel
 * takes more. */
static void fill_small(int *fds, long n, long bytes)
{
	long *left = calloc((size_t)n, sizeof(*left));

	for (long i = 0; i < n; i++) {
		fds[i] = dial();
		left[i] = bytes + i;
	}
	small = 0;
	keep_buffers_small();
	for (double quiet = now(); now() - quiet < 0.5; usleep(5000))
		for (long i = 0; i < n; i++) {
			long before = left[i];

			left[i] = say_on(fds[i], left[i]);
			if (left[i] < before)
				quiet = now();
		}
	free(left);
}

static void say(const char *how, int keep)
{
	char *end;
	long n = strtol(how, &end, 10), bytes = *end ? atol(end + 1) : 10;
	int *fds = calloc((size_t)n, sizeof(*fds));
	int filled = small;

	if (filled)
		fill_small(fds, n, bytes);
	for (long i = 0; i < n; i++) {
		if (!filled) {
			fds[i] = dial();
			say_on(fds[i], bytes + i);
		}
		if (!keep)
			close_one(fds[i]);
	}
	connections += n;
	free(fds);
}

static void branch(long pid)
{
	if (pid < 0)
		give_up("fork");
	if (pid == 0)
		connections = accepted = 0;
	else
		printf("pid %ld\n", pid);
}

static void limit_files(const char *n)
{
	struct rlimit limit = {(rlim_t)atol(n), (rlim_t)atol(n)};

	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		give_up("RLIMIT_NOFILE");
}

static void wait_for(const char *name)
{
	while (access(name, F_OK) < 0)
		usleep(5000);
}

static void mark(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT, 0600);

	if (fd < 0)
		give_up(name);
	close(fd);
}

static void step(const char *s)
{
	const char *value = strchr(s, '=');

	value = value ? value + 1 : s;
	if (strcmp(s, "small") == 0)
		small = 1;
	else if (strncmp(s, "say=", 4) == 0)
		say(value, 0);
	else if (strncmp(s, "keep=", 5) == 0)
		say(value, 1);
	else if (strcmp(s, "fork") == 0)
		branch(fork());
	else if (strcmp(s, "raw-fork") == 0)
		branch(bare_call(SYS_fork, 0, 0, 0));
	else if (strncmp(s, "files=", 6) == 0)
		limit_files(value);
	else if (strcmp(s, "close-all") == 0)
		bare_call(SYS_close_range, 3, ~0u, 0);
	else if (strncmp(s, "wait=", 5) == 0)
		wait_for(value);
	else if (strncmp(s, "mark=", 5) == 0)
		mark(value);
	else if (strcmp(s, "kill") == 0)
		raise(SIGKILL);
	else
		give_up(s);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	host = argv[1];
	port = argv[2];
	setvbuf(stdout, NULL, _IONBF, 0);
	for (int i = 3; i < argc; i++)
		step(argv[i]);
	printf("accepted %ld %ld\n", connections, accepted);
	if (longest > 10)
		printf("close() took %.1f s\n", longest);
	while (wait(NULL) > 0)
		;
	return 0;
}
