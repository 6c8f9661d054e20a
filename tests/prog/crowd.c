/* SPDX-License-Identifier: MIT */
/*
 * Thousands of connections at once to tests/prog/tls_peer.c, in one epoll set
 * and all exchanging data.
 *
 *	crowd SOCKET CONNECTIONS ROUNDS
 *
 * Prints what was exchanged; on stderr what it cost: memory of an idle
 * connection, user and system time of one exchange.
 */
#include <sys/resource.h>
#include "loops.h"
#include "usage.h"

#define SIZE 200

static double cpu_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Everybody hears something and answers it. */
static size_t exchange(int set, const int *fds, int n, size_t done)
{
	static char buf[4 * SIZE];
	struct epoll_event events[256];
	size_t bytes = 0;
	int left = n;

	for (int i = 0; i < n; i++)
		peer_do(&peer, "feed %d %d", i, SIZE);
	while (left > 0) {
		int got = epoll_wait(set, events, 256, LONG);

		if (got <= 0)
			peer_die("epoll_wait");
		for (int i = 0; i < got; i++, left--) {
			int fd = fds[events[i].data.u64];
			ssize_t len = read(fd, buf, sizeof(buf));

			if (len != SIZE || !pattern_check(buf, done, SIZE) ||
				write(fd, buf, SIZE) != SIZE)
				peer_die("exchange");
			bytes += SIZE;
		}
	}
	for (int i = 0; i < n; i++)
		peer_do(&peer, "read %d %d", i, SIZE);
	return bytes;
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : 0, set = new_set(), *fds;
	int rounds = argc > 3 ? atoi(argv[3]) : 0;
	size_t bytes = 0;
	double cpu;
	long kb = 0;

	if (n < 2 || rounds < 1 || !(fds = calloc((size_t)n, sizeof(*fds))))
		return 2;
	peer_open(&peer, argv[1]);
	for (int i = 0; i < n; i++) {
		fds[i] = open_connection();
		add(set, fds[i], IN, (uint64_t)i);
		if (i == 0) /* libraries and what is common are there now */
			kb = resident_kb();
	}
	fprintf(stderr, "connecting: %.0f us each\n", cpu_us() / n);
	cpu = cpu_us();
	for (int i = 0; i < rounds; i++)
		bytes += exchange(set, fds, n, (size_t)i * SIZE);
	printf("%d connections, %d rounds, %zu bytes\n", n, rounds, bytes);
	fprintf(stderr, "memory: %.1f kB each\n",
		(double)(resident_kb() - kb) / (n - 1));
	fprintf(stderr, "exchange: %.1f us each\n",
		(cpu_us() - cpu) / ((double)n * rounds));
	for (int i = 0; i < n; i++)
		close(fds[i]);
	return 0;
}
