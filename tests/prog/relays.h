/* SPDX-License-Identifier: MIT */
/*
 * What programs of the tests that look at relays share; after oracle.h.
 */
#ifndef RELAYS_H
#define RELAYS_H

#include <dirent.h>

/* The connection is handed over: by a call that changes nothing else. */
static UNUSED void hand_over(int fd)
{
	dprintf(fd, "%s", "");
}

/* The process that has the other end, found by its name. */
static pid_t look_for_relay(char *args, size_t size)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	char path[300], want[64];
	pid_t found = 0;

	snprintf(want, sizeof(want), "tlsshim-relay 127.0.0.1:%d", oracle_port);
	while (!found && (e = readdir(d))) {
		ssize_t n = 0;
		int fd;

		snprintf(path, sizeof(path), "/proc/%s/cmdline", e->d_name);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			continue;
		n = read(fd, args, size - 1);
		close(fd);
		args[n > 0 ? n : 0] = 0;
		if (strcmp(args, want) == 0)
			found = atoi(e->d_name);
	}
	closedir(d);
	return found;
}

/* It may still be about to take its name. */
static UNUSED pid_t find_relay(char *args, size_t size)
{
	pid_t pid = 0;

	for (int i = 0; i < 500 && !pid; i++) {
		pid = look_for_relay(args, size);
		if (!pid)
			usleep(5000);
	}
	usleep(20000);
	return pid;
}

static UNUSED bool ends(pid_t pid)
{
	for (int i = 0; i < 500 && kill(pid, 0) == 0; i++)
		usleep(10000);
	return kill(pid, 0) != 0;
}

#endif
