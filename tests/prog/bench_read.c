/* SPDX-License-Identifier: MIT */
/*
 * Reads so many times one byte of /dev/zero: what a call costs on a descriptor
 * that nobody selected, for scripts/bench to count instructions.
 *
 *	bench_read TIMES
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd = open("/dev/zero", O_RDONLY), n = argc > 1 ? atoi(argv[1]) : 0;
	char byte;

	while (n-- > 0)
		if (read(fd, &byte, 1) != 1)
			return 1;
	return 0;
}
