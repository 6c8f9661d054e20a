/* SPDX-License-Identifier: MIT */
/*
 * Forks while other threads are busy: THREADS threads connect, say a line,
 * read it back and close, over and over; meanwhile the main thread forks FORKS
 * times, and each child does the same once, closes what it inherited and
 * ends.  Prints "children: N, connections: many" when all went well.
 *
 *	forks PORT THREADS FORKS [bare]
 *
 * bare: every eighth child is made with _Fork().
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE "plaintext-marker\n"

static struct sockaddr_in in = {.sin_family = AF_INET};
static atomic_bool over;
static atomic_int connections, failures;

static void converse(void)
{
	char answer[sizeof(LINE)] = "";
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0) {
		perror("connect");
		failures++;
	} else if (write(fd, LINE, strlen(LINE)) < 0 ||
		   recv(fd, answer, strlen(LINE), MSG_WAITALL) < 0 ||
		   strcmp(answer, LINE) != 0) {
		perror("converse");
		failures++;
	}
	close(fd);
	connections++;
}

static void *work(void *arg)
{
	while (!over)
		converse();
	return arg;
}

static int child(int i)
{
	/* A child that hangs ends so, and is counted. */
	alarm(30);
	failures = 0;
	if (i % 2)
		for (int fd = 3; fd < 64; fd++)
			close(fd);
	if (i % 4 < 3)
		converse();
	return failures != 0;
}

int main(int argc, char **argv)
{
	int n = argc > 3 ? atoi(argv[2]) : 0, forks = n ? atoi(argv[3]) : 0;
	pthread_t threads[64];
	int good = 0;

	in.sin_port = htons((in_port_t)atoi(argv[1]));
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < n; i++)
		pthread_create(&threads[i], NULL, work, NULL);
	for (int i = 0; i < forks; i++) {
		int status = -1;
		pid_t pid = argc > 4 && i % 8 == 7 ? _Fork() : fork();

		if (pid == 0)
			_exit(child(i));
		waitpid(pid, &status, 0);
		good += status == 0;
		if (status)
			fprintf(stderr, "child %d: status %d\n", i, status);
	}
	/* A thread that was in the midst of its first connection while all of
	 * them were made goes on: whoever hangs then never gets to a second. */
	while (connections <= n && !failures)
		usleep(1000);
	over = 1;
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	printf("children: %d, connections: %s\n", good,
		failures	  ? "failed"
		: connections > n ? "many"
				  : "few");
	return failures != 0;
}
