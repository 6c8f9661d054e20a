/* SPDX-License-Identifier: MIT */
/*
 * Another program, that knows nothing: talks on a descriptor that it was
 * given, by system calls.
 *
 *	talk FD TEXT	says TEXT, prints what comes back, until the end
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char got[1000];
	size_t n = 0, want;
	int fd;

	if (argc != 3)
		return 2;
	fd = atoi(argv[1]);
	want = strlen(argv[2]);
	if (write(fd, argv[2], want) != (ssize_t)want) {
		perror("talk: write");
		return 1;
	}
	while (n < want) {
		ssize_t r = read(fd, got + n, sizeof(got) - n);

		if (r <= 0) {
			perror("talk: read");
			return 1;
		}
		n += (size_t)r;
	}
	dprintf(fd == STDOUT_FILENO ? STDERR_FILENO : STDOUT_FILENO,
		"talk = %zu '%.*s'\n", n, (int)n, got);
	return 0;
}
