/* SPDX-License-Identifier: MIT */
/*
 * Who else is in the container.  Knows /proc.  Runs at the end of the process,
 * also in signal handlers: by number, without a heap.
 */
#include "relay/orphans.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/real.h"
#include "log/log.h"
#include "relay/relay.h"

#define ROOM 4096

struct census {
	unsigned relays, others;
};

static bool proc_is_ours(void)
{
	char self[8];
	ssize_t n = readlink("/proc/self", self, sizeof(self));

	return n == 1 && self[0] == '1';
}

/* "4711 (name) S 1 ...": what is dead, or is we, does not count. */
static void count(struct census *all, const char *number)
{
	char path[32], text[128], *name, *state;
	ssize_t n;
	int fd;

	if (number[0] < '0' || number[0] > '9' || strcmp(number, "1") == 0)
		return;
	log_format(path, sizeof(path), "/proc/%s/stat", number);
	fd = real(open)(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = real(read)(fd, text, sizeof(text) - 1);
	real(close)(fd);
	text[n > 0 ? n : 0] = 0;
	name = strchr(text, '(');
	state = strrchr(text, ')');
	if (!name || !state || state[1] != ' ' || state[2] == 'Z' ||
		state[2] == 'X')
		return;
	*state = 0;
	if (strcmp(name + 1, RELAY_NAME) == 0)
		all->relays++;
	else
		all->others++;
}

static bool count_all(struct census *all)
{
	char room[ROOM] __attribute__((aligned(8)));
	int fd = real(open)("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n;

	if (fd < 0)
		return false;
	while ((n = real(syscall)(SYS_getdents64, fd, room, sizeof(room))) > 0)
		for (long at = 0; at < n;) {
			struct dirent64 *entry = (void *)(room + at);

			count(all, entry->d_name);
			at += entry->d_reclen;
		}
	real(close)(fd);
	return n == 0;
}

bool orphans_alone(void)
{
	struct census all = {0, 0};

	return proc_is_ours() && count_all(&all) && all.relays && !all.others;
}
