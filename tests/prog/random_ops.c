/* SPDX-License-Identifier: MIT */
/* Operations in random order, the same for the same seed: what is written in
 * one process comes back and is read in another. */
#include "oracle.h"
#include <spawn.h>
#include <sys/wait.h>

#define MOST 30000 /* under way, so that nobody blocks */

extern char **environ;

static char buf[MOST];
static size_t written, taken;

static void write_some(int fd, size_t n)
{
	fill_pattern(buf, written, n);
	write_all(fd, buf, n);
}

static void read_some(int fd, size_t n)
{
	read_all(fd, buf, n);
	if (!is_pattern(buf, taken, n))
		say("wrong at %zu\n", taken);
}

static void in_child(void (*what)(int, size_t), int fd, size_t n)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		what(fd, n);
		if (n % 2)
			_exit(0);
		exit(0);
	}
	waitpid(pid, &status, 0);
	if (status)
		say("child ended with %x\n", status);
}

static void helper(void)
{
	char *argv[] = {"true", NULL};
	pid_t pid;

	if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) == 0)
		waitpid(pid, NULL, 0);
}

static void print_line(int fd)
{
	char line[17];

	while (written % 16) { /* to the start of one */
		write_some(fd, 1);
		written++;
	}
	fill_pattern(line, written, 16);
	line[16] = 0;
	written += (size_t)dprintf(fd, "%s", line);
}

static int move(int fd, int by_number)
{
	int copy = by_number ? dup2(fd, 100 + fd % 50) : dup(fd);

	if (copy != fd)
		close(fd);
	return copy;
}

static int step(int fd, int kind)
{
	size_t n = (size_t)(rand() % 9000), waiting = written - taken;
	bool writes = kind < 4, reads = kind >= 4 && kind < 8;

	if (writes && waiting + n < MOST) {
		if (kind == 3)
			in_child(write_some, fd, n);
		else
			write_some(fd, n);
		written += n;
	} else if (reads) {
		n = n < waiting ? n : waiting;
		if (kind == 7)
			in_child(read_some, fd, n);
		else
			read_some(fd, n);
		taken += n;
	} else if (kind == 8 && waiting + 100 < MOST) {
		print_line(fd);
	} else if (kind == 9) {
		helper();
	} else if (kind >= 10) {
		return move(fd, kind == 11);
	}
	return fd;
}

static void seeded(void)
{
	srand((unsigned)atoi(getenv("SEED")));
	for (int i = 0; i < 8; i++) {
		int fd = dial();

		written = taken = 0;
		peer("&@%d echo", i + 1);
		/* Some begin in process, and stay there for a while. */
		for (int j = rand() % 40; j < 60; j++)
			fd = step(fd, j < 20 ? rand() % 7 : rand() % 12);
		read_some(fd, written - taken);
		show("bytes", (long)written);
		show("half-close", shutdown(fd, SHUT_WR));
		peer("@%d finish", i + 1);
		show("end", read(fd, buf, 1));
		show("close", close(fd));
	}
}

SCENARIOS({"seeded", seeded})
