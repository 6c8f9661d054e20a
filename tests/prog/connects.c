/* SPDX-License-Identifier: MIT */
/*
 * New connections, one after the other, for so many seconds: what
 * `openssl s_time -www / -time SECONDS` does, as a plaintext program.
 *
 *	connects HOST PORT SECONDS [system]
 *
 * Prints connections per second.  With system a command was run before.
 */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void fetch(const struct addrinfo *ai)
{
	static const char request[] = "GET / HTTP/1.0\r\n\r\n";
	int fd = socket(ai->ai_family, SOCK_STREAM, 0);
	char buf[65536];
	ssize_t n;

	if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
		perror("connect");
		exit(1);
	}
	if (write(fd, request, strlen(request)) < 0)
		perror("write");
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		;
	if (n < 0)
		perror("read");
	close(fd);
}

int main(int argc, char **argv)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *ai;
	double start, end;
	int n = 0;

	if (argc < 4 || getaddrinfo(argv[1], argv[2], &hints, &ai) != 0)
		return 2;
	if (argc > 4 && system("true"))
		return 1;
	start = now();
	end = start + atof(argv[3]);
	for (; now() < end; n++)
		fetch(ai);
	printf("%.0f\n", n / (now() - start));
	return 0;
}
