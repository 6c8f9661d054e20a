/* SPDX-License-Identifier: MIT */
/*
 * A service that keeps its connection to itself until it ends: it says so much
 * to HOST:PORT and exits, or says it when it gets SIGTERM.
 *
 *	service HOST PORT BYTES once|once-nonblocking|until-term
 *
 * Prints "ready" when it is connected, and at the end how many bytes were
 * accepted.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char buf[65536];

static void ignore(int sig)
{
	(void)sig;
}

static int dial(const char *host, const char *port)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	int fd;

	if (getaddrinfo(host, port, &hints, &found))
		exit(1);
	fd = socket(found->ai_family, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) < 0) {
		perror(host);
		exit(1);
	}
	return fd;
}

/* Until it is all accepted or, in non-blocking mode, no more is. */
static long say(int fd, long bytes)
{
	long sum = 0;

	while (sum < bytes) {
		size_t left = (size_t)(bytes - sum);
		ssize_t n =
			write(fd, buf, left < sizeof(buf) ? left : sizeof(buf));

		if (n < 0)
			break;
		sum += n;
	}
	return sum;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = ignore};
	sigset_t term, old;
	int fd;

	if (argc != 5)
		return 2;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &old);
	sigaction(SIGTERM, &action, NULL);
	fd = dial(argv[1], argv[2]);
	if (strcmp(argv[4], "once-nonblocking") == 0)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	printf("ready\n");
	fflush(stdout);
	if (strcmp(argv[4], "until-term") == 0)
		sigsuspend(&old);
	printf("%ld\n", say(fd, atol(argv[3])));
	fflush(stdout);
	_exit(0);
}
