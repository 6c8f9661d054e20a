/* SPDX-License-Identifier: MIT */
/*
 * Sockets without an owner.  Knows /proc/net/tcp, where a socket that every
 * process has closed has the inode 0.  Runs in a relay: see relay.c for what
 * that forbids.
 */
#include "relay/owner.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/hex.h"
#include "base/real.h"
#include "config/policy.h"

#define CHUNK (16 << 10)

/* Its two ports, as the other end has them. */
struct ends {
	unsigned local, remote;
};

static unsigned port_of(const union policy_addr *addr)
{
	return ntohs(addr->any.sa_family == AF_INET ? addr->in.sin_port
						    : addr->in6.sin6_port);
}

/* Behind the n-th field of a line; NULL: it has none. */
static const char *skip_fields(const char *s, int n)
{
	while (n--) {
		s += strspn(s, " ");
		s += strcspn(s, " ");
	}
	return *s ? s + strspn(s, " ") : NULL;
}

/* "0100007F:1F90": what stands behind the colon. */
static unsigned port_in(const char *s)
{
	uint64_t port;

	hex_number(s + strcspn(s, ": ") + 1, &port);
	return (unsigned)port;
}

/* "  sl  local remote state queues timer retransmits uid timeout inode ..." */
static bool is_of(const char *line, const struct ends *ends)
{
	const char *local = skip_fields(line, 1);
	const char *remote = local ? skip_fields(local, 1) : NULL;

	return remote && port_in(local) == ends->local &&
	       port_in(remote) == ends->remote;
}

static bool has_no_inode(const char *line)
{
	const char *inode = skip_fields(line, 9);

	return inode && inode[0] == '0' && inode[1] == ' ';
}

/* The last line of the text may be cut: how much of it was looked at? */
static size_t look_at_lines(
	char *text, const struct ends *ends, bool *found, bool *orphan)
{
	char *line = text, *eol;

	for (; (eol = strchr(line, '\n')) != NULL; line = eol + 1) {
		*eol = 0;
		if (!is_of(line, ends))
			continue;
		*found = true;
		*orphan = has_no_inode(line);
	}
	return (size_t)(line - text);
}

static bool is_orphan_in(const char *path, const struct ends *ends)
{
	char text[CHUNK + 1];
	size_t len = 0, seen;
	bool found = false, orphan = false;
	int fd = real(open)(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	while (!found && (n = real(read)(fd, text + len, CHUNK - len)) > 0) {
		text[len + (size_t)n] = 0;
		len += (size_t)n;
		seen = look_at_lines(text, ends, &found, &orphan);
		memmove(text, text + seen, len - seen);
		len -= seen;
	}
	real(close)(fd);
	return orphan;
}

bool owner_exists(int fd)
{
	union policy_addr self = {.any = {.sa_family = AF_UNSPEC}}, peer = self;
	socklen_t self_len = sizeof(self), peer_len = sizeof(peer);
	struct ends ends;

	if (real(getsockname)(fd, &self.any, &self_len) < 0 ||
		real(getpeername)(fd, &peer.any, &peer_len) < 0)
		return true;
	ends = (struct ends){port_of(&peer), port_of(&self)};
	return !is_orphan_in("/proc/self/net/tcp", &ends) &&
	       !is_orphan_in("/proc/self/net/tcp6", &ends);
}
