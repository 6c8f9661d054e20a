/* SPDX-License-Identifier: MIT */
/*
 * The program's process, from outside.  Knows pidfds and /proc/PID/stat.  Runs
 * in a relay: see relay.c for what that forbids.
 */
#include "relay/process.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/real.h"
#include "log/log.h"

/* Its field's numbers in proc(5), of those behind the name. */
#define FIELD_FLAGS 9
#define FIELD_EXIT_CODE 52
#define FIRST_FIELD 3 /* "S" */
/* Linux: include/linux/sched.h. */
#define PF_EXITING 4u

/* Linux: include/uapi/linux/pidfd.h, newer than the headers of some systems. */
struct pidfd_info_v0 {
	uint64_t mask;
	uint64_t cgroup;
	uint32_t ids[11];
	int32_t exit_code;
};
#define PIDFD_INFO_EXIT_BIT 8u
#define PIDFD_GET_INFO_V0 _IOWR(0xFF, 11, struct pidfd_info_v0)

int process_open(pid_t pid)
{
	return (int)real(syscall)(SYS_pidfd_open, pid, 0);
}

/* Reads "4711 (name) S 1 ..." and returns it from the state on; NULL: there is
 * no such process, or no /proc. */
static const char *read_stat(pid_t pid, char *text, size_t size)
{
	char path[32], *name_end;
	ssize_t n;
	int fd;

	log_format(path, sizeof(path), "/proc/%d/stat", pid);
	fd = real(open)(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	n = real(read)(fd, text, size - 1);
	real(close)(fd);
	text[n > 0 ? n : 0] = 0;
	name_end = strrchr(text, ')');
	return name_end && name_end[1] == ' ' ? name_end + 2 : NULL;
}

/* A field that is a number >= 0; 0 if there is none. */
static unsigned long field(const char *stat, int number)
{
	unsigned long value = 0;

	for (int i = FIRST_FIELD; i < number; i++) {
		stat += strcspn(stat, " ");
		stat += strspn(stat, " ");
	}
	for (; *stat >= '0' && *stat <= '9'; stat++)
		value = value * 10 + (unsigned long)(*stat - '0');
	return value;
}

bool process_is_stopped(pid_t pid)
{
	char text[512];
	const char *stat = read_stat(pid, text, sizeof(text));

	return stat && (stat[0] == 'T' || stat[0] == 't');
}

/* A status as wait(2) has it. */
static bool is_death(int status)
{
	return WIFSIGNALED(status);
}

/* It may have ended and be gone by now, with another by its number. */
static bool is_still(int pidfd)
{
	return real(syscall)(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0;
}

bool process_was_killed(pid_t pid, int pidfd)
{
	struct pidfd_info_v0 info = {.mask = PIDFD_INFO_EXIT_BIT};
	char text[1024];
	const char *stat;

	if (pidfd < 0)
		return false;
	stat = read_stat(pid, text, sizeof(text));
	if (is_still(pidfd))
		return stat && (field(stat, FIELD_FLAGS) & PF_EXITING) &&
		       is_death((int)field(stat, FIELD_EXIT_CODE));
	return real(ioctl)(pidfd, PIDFD_GET_INFO_V0, &info) == 0 &&
	       (info.mask & PIDFD_INFO_EXIT_BIT) && is_death(info.exit_code);
}
