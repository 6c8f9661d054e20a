/* SPDX-License-Identifier: MIT */
/*
 * How a relay is told of options.  Knows which follow, and datagrams; whose
 * socket it is, the callers know.
 */
#include "conn/follow.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/real.h"
#include "log/log.h"

static const struct {
	int level, name;
} followers[] = {
#define OPTION(level, name)
#define FOLLOWS(level, name) {level, name},
#define FOLLOWS_ONLY(level, name) {level, name},
#define SIZE(level, name) {level, name},
#include "base/sockopts.def"
#undef OPTION
#undef FOLLOWS
#undef FOLLOWS_ONLY
#undef SIZE
};

static bool follows(int level, int name)
{
	for (unsigned i = 0; i < sizeof(followers) / sizeof(followers[0]); i++)
		if (followers[i].level == level && followers[i].name == name)
			return true;
	return false;
}

void follow_choose(struct follow_relay *relay)
{
	if (real(syscall)(SYS_getrandom, relay, sizeof(*relay), 0) !=
		(long)sizeof(*relay))
		memset(relay, 0, sizeof(*relay));
}

/* Abstract: it needs no file system, and ends with the relay. */
static socklen_t address(
	const struct follow_relay *relay, struct sockaddr_un *addr)
{
	int n;

	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	n = log_format(addr->sun_path + 1, sizeof(addr->sun_path) - 1,
		"tlsshim-relay/%lx", relay->name);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) +
	       (socklen_t)n;
}

static int make_socket(void)
{
	return real(socket)(
		AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int follow_listen(const struct follow_relay *relay)
{
	struct sockaddr_un addr;
	socklen_t len = address(relay, &addr);
	int fd = relay->secret ? make_socket() : -1;

	if (fd < 0 || real(bind)(fd, (struct sockaddr *)&addr, len) == 0)
		return fd;
	real(close)(fd);
	return -1;
}

/* The kernel has read so much: an int or, of what is set by a byte as well, a
 * byte, however long the caller says that it is; socket(7), ip(7). */
static socklen_t length(int level, int name, socklen_t len)
{
	if (level == SOL_SOCKET && name == SO_MAX_PACING_RATE &&
		len == sizeof(long))
		return len;
	return len < sizeof(int) ? 1 : sizeof(int);
}

void follow_tell(const struct follow_relay *relay, uint64_t cookie, int level,
	int name, const void *value, socklen_t len)
{
	struct follow_option option = {
		.secret = relay->secret,
		.cookie = cookie,
		.level = level,
		.name = name,
		.len = length(level, name, len),
	};
	struct sockaddr_un addr;
	int saved_errno = errno, fd;

	if (!relay->secret || !len || !follows(level, name))
		return;
	memcpy(option.value, value, option.len);
	fd = make_socket();
	if (fd >= 0) {
		len = address(relay, &addr);
		real(sendto)(fd, &option, sizeof(option), MSG_NOSIGNAL,
			(struct sockaddr *)&addr, len);
		real(close)(fd);
	}
	errno = saved_errno;
}

bool follow_next(
	const struct follow_relay *relay, int fd, struct follow_option *option)
{
	ssize_t n;

	while ((n = real(recv)(fd, option, sizeof(*option), MSG_DONTWAIT)) >= 0)
		if (n == (ssize_t)sizeof(*option) &&
			option->secret == relay->secret &&
			option->len <= sizeof(option->value) &&
			follows(option->level, option->name))
			return true;
	return false;
}
