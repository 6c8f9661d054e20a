/* SPDX-License-Identifier: MIT */
/*
 * A plaintext client that knocks at doors: connects in the ways that programs
 * do, says a line where it gets in, and tells what it was told.  A program
 * that is refused goes on, so this one does: it says its line to the socket
 * all the same, closes it and knocks at the next door.
 *
 *	knock [-n REPEATS] [-6] [-t TEXT] [-w] {WAY HOST PORT}...
 *
 * Ways: blocking; poll (non-blocking connect, poll for POLLOUT, SO_ERROR);
 * again (the same, but a second connect tells how it went); retry (only further
 * connects, no poll); select; udp and unix (a datagram is sent and comes back,
 * HOST is the path of a unix one).
 * -w: waits for a line on stdin before the first door.
 *
 * Output, for each door: "WAY: ERRNO, write ERRNO" or "WAY: open, ANSWER".  At
 * the end "descriptors: +N", "memory: +N kB" (from the 20th repeat on) and
 * "cpu: N ms".
 */
#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "usage.h"

static int family = AF_INET;
static const char *text = "plaintext-marker";
static bool quiet;

static int die(const char *what)
{
	perror(what);
	exit(99);
}

/* Every number in use, hidden ones included. */
static int count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = -3; /* ".", ".." and the directory */

	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static const char *error_name(int error)
{
	return error ? strerrorname_np(error) : "0";
}

static int pending_error(int fd)
{
	int error = -1;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return errno;
	return error;
}

static void wait_writable(int fd, bool by_select)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	fd_set set;

	if (!by_select) {
		if (poll(&p, 1, 60000) != 1)
			die("poll");
		return;
	}
	FD_ZERO(&set);
	FD_SET(fd, &set);
	if (select(fd + 1, NULL, &set, NULL, NULL) != 1)
		die("select");
}

/* 0 or the errno value that the program got. */
static int knock(const char *way, int fd, const struct addrinfo *ai)
{
	int error;

	if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
		return 0;
	if (errno != EINPROGRESS || !strcmp(way, "blocking"))
		return errno;
	if (strcmp(way, "retry") != 0)
		wait_writable(fd, !strcmp(way, "select"));
	if (strcmp(way, "retry") != 0 && strcmp(way, "again") != 0)
		return pending_error(fd);
	do
		error = connect(fd, ai->ai_addr, ai->ai_addrlen) ? errno : 0;
	while (error == EALREADY && usleep(10000) == 0);
	return error;
}

static void say(const char *way, int fd, bool datagram)
{
	char answer[4096];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	if (write(fd, text, strlen(text)) < 0)
		die("write");
	/* A server that has broken it off by now: reading tells how. */
	if (!datagram && shutdown(fd, SHUT_WR) < 0 && errno != ENOTCONN)
		die("shutdown");
	do {
		if (poll(&p, 1, 60000) != 1)
			die("poll for the answer");
		n = read(fd, answer, sizeof(answer) - 1);
	} while (n < 0 && errno == EAGAIN);
	if (n < 0)
		die("read");
	answer[n] = '\0';
	if (!quiet)
		printf("%s: open, %s\n", way, answer);
}

static void visit_stream(const char *way, const char *host, const char *port)
{
	struct addrinfo hints = {.ai_family = family,
				.ai_socktype = SOCK_STREAM},
			*ai;
	int fd, error, type = strcmp(way, "blocking") ? SOCK_NONBLOCK : 0;

	if (getaddrinfo(host, port, &hints, &ai) != 0)
		die("getaddrinfo");
	fd = socket(ai->ai_family, SOCK_STREAM | type, 0);
	if (fd < 0)
		die("socket");
	error = knock(way, fd, ai);
	freeaddrinfo(ai);
	if (error) {
		ssize_t n = write(fd, text, strlen(text));

		if (!quiet)
			printf("%s: %s, write %s\n", way, error_name(error),
				n < 0 ? error_name(errno) : "0");
	} else {
		say(way, fd, false);
	}
	close(fd);
}

/* To itself: what the shim leaves alone works as ever. */
static void visit_datagram(const char *way, const char *path)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	bool udp = !strcmp(way, "udp");
	void *addr = udp ? (void *)&in : (void *)&un;
	socklen_t len = udp ? sizeof(in) : sizeof(un);
	int fd = socket(udp ? AF_INET : AF_UNIX, SOCK_DGRAM, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	if (fd < 0 || bind(fd, addr, len) < 0 ||
		getsockname(fd, addr, &len) < 0 || connect(fd, addr, len) < 0)
		die(way);
	say(way, fd, true);
	close(fd);
	if (!udp)
		unlink(path);
}

static void visit_all(char **doors)
{
	for (; doors[0] && doors[1] && doors[2]; doors += 3)
		if (!strcmp(doors[0], "udp") || !strcmp(doors[0], "unix"))
			visit_datagram(doors[0], doors[1]);
		else
			visit_stream(doors[0], doors[1], doors[2]);
}

int main(int argc, char **argv)
{
	int opt, repeats = 1, fds;
	struct rusage usage;
	long kb = 0;

	signal(SIGPIPE, SIG_IGN);
	while ((opt = getopt(argc, argv, "n:6t:w")) != -1)
		if (opt == 'n')
			repeats = atoi(optarg);
		else if (opt == '6')
			family = AF_INET6;
		else if (opt == 't')
			text = optarg;
		else if (opt == 'w')
			getchar();
	fds = count_descriptors();
	for (int i = 0; i < repeats; i++) {
		if (i == 20)
			kb = resident_kb();
		quiet = i < repeats - 1;
		visit_all(argv + optind);
	}
	printf("descriptors: +%d\n", count_descriptors() - fds);
	if (kb)
		printf("memory: +%ld kB\n", resident_kb() - kb);
	getrusage(RUSAGE_SELF, &usage);
	printf("cpu: %ld ms\n",
		(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
			(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) /
				1000);
	return 0;
}
