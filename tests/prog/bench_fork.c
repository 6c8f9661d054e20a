/* SPDX-License-Identifier: MIT */
/*
 * What fork() costs a process with open connections.
 *
 *	bench_fork PORT N ROUNDS	the median of fork() and waitpid(), in
 *us, first with N connections that were never in a forked process, then once
 *more
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int dial(int port)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons((in_port_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		perror("bench_fork");
		exit(1);
	}
	return fd;
}

static double one_fork(void)
{
	struct timespec a, b;
	pid_t pid;

	clock_gettime(CLOCK_MONOTONIC, &a);
	pid = fork();
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(b.tv_sec - a.tv_sec) * 1e6 +
	       (double)(b.tv_nsec - a.tv_nsec) / 1e3;
}

static int compare(const void *a, const void *b)
{
	return *(const double *)a < *(const double *)b ? -1 : 1;
}

int main(int argc, char **argv)
{
	int port, n, rounds;
	double *first, *then;

	if (argc != 4)
		return 2;
	port = atoi(argv[1]);
	n = atoi(argv[2]);
	rounds = atoi(argv[3]);
	first = calloc((size_t)rounds, sizeof(*first));
	then = calloc((size_t)rounds, sizeof(*then));
	for (int i = 0; i < rounds; i++) {
		int fds[1000];

		for (int j = 0; j < n && j < 1000; j++)
			fds[j] = dial(port);
		first[i] = one_fork();
		then[i] = one_fork();
		for (int j = 0; j < n && j < 1000; j++)
			close(fds[j]);
	}
	qsort(first, (size_t)rounds, sizeof(*first), compare);
	qsort(then, (size_t)rounds, sizeof(*then), compare);
	printf("%.1f %.1f\n", first[rounds / 2], then[rounds / 2]);
	return 0;
}
