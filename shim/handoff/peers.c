/* SPDX-License-Identifier: MIT */
/*
 * The list of inherited connections, as text and as answers.  Knows the
 * environment of a program that starts; who puts it there, envp.c knows.
 */
#include "handoff/peers.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>
#include "base/hex.h"
#include "base/real.h"
#include "base/sock.h"
#include "config/config.h"
#include "log/log.h"

static struct peers inherited;
static bool by_environment;

const struct peers *peers_inherited(void)
{
	return &inherited;
}

bool peers_by_environment(void)
{
	return by_environment;
}

/* ---- the list ---- */

static const struct peer *find(const struct peers *peers, uint64_t cookie)
{
	for (unsigned i = 0; i < peers->n; i++)
		if (peers->all[i].cookie == cookie)
			return &peers->all[i];
	return NULL;
}

void peers_add(struct peers *peers, const struct peer *one)
{
	if (peers->n < PEERS_MAX && one->cookie && !find(peers, one->cookie))
		peers->all[peers->n++] = *one;
}

/* ---- as text: COOKIE:PEER:SELF:RELAY:SECRET,..., all in hexadecimal ---- */

static socklen_t length(const union policy_addr *addr)
{
	return addr->any.sa_family == AF_INET ? sizeof(addr->in)
					      : sizeof(addr->in6);
}

static unsigned put_address(
	const union policy_addr *addr, char *text, unsigned size)
{
	const unsigned char *bytes = (const unsigned char *)addr;
	unsigned n = 0;

	for (socklen_t i = 0; i < length(addr); i++)
		n += (unsigned)log_format(text + n, size - n, "%x%x",
			bytes[i] >> 4, bytes[i] & 15);
	return n;
}

void peers_put(const struct peers *peers, char *text, unsigned size)
{
	unsigned n = (unsigned)log_format(text, size, PEERS_VARIABLE "=");

	for (unsigned i = 0; i < peers->n; i++) {
		const struct peer *one = &peers->all[i];

		if (size - n < PEERS_ENTRY_MAX)
			return;
		n += (unsigned)log_format(
			text + n, size - n, "%lx:", one->cookie);
		n += put_address(&one->peer, text + n, size - n);
		text[n++] = ':';
		n += put_address(&one->self, text + n, size - n);
		n += (unsigned)log_format(text + n, size - n, ":%lx:%lx,",
			one->relay.name, one->relay.secret);
	}
}

/* NULL: it is none. */
static const char *get_address(const char *s, union policy_addr *addr)
{
	unsigned char *bytes = (unsigned char *)addr;
	size_t n = 0;

	memset(addr, 0, sizeof(*addr));
	for (; n < sizeof(*addr) && hex_digit(s[0]) >= 0 &&
		hex_digit(s[1]) >= 0;
		s += 2)
		bytes[n++] = (unsigned char)((hex_digit(s[0]) << 4) |
					     hex_digit(s[1]));
	if (addr->any.sa_family != AF_INET && addr->any.sa_family != AF_INET6)
		return NULL;
	return n == length(addr) ? s : NULL;
}

static const char *get_number(const char *s, uint64_t *number)
{
	return s && *s == ':' ? hex_number(s + 1, number) : NULL;
}

void peers_parse(struct peers *peers, const char *text)
{
	while (text && *text) {
		struct peer one;

		text = hex_number(text, &one.cookie);
		text = *text == ':' ? get_address(text + 1, &one.peer) : NULL;
		text = text && *text == ':' ? get_address(text + 1, &one.self)
					    : NULL;
		text = get_number(text, &one.relay.name);
		text = get_number(text, &one.relay.secret);
		if (!text || *text++ != ',')
			return;
		peers_add(peers, &one);
	}
}

/* ---- the environment ---- */

static bool is_list(const char *entry)
{
	return entry[0] == 'T' && entry[1] == 'L' &&
	       !strncmp(entry, PEERS_VARIABLE "=", sizeof(PEERS_VARIABLE));
}

/* The variable's value, which goes on being readable; the entry is taken out
 * as unsetenv() would.  Not by it: some shells have their own. */
static const char *take_out(char **envp)
{
	const char *value = NULL;
	char **to = envp;

	for (; envp && *envp; envp++) {
		if (is_list(*envp))
			value = *envp + sizeof(PEERS_VARIABLE);
		else if (to++ != envp)
			to[-1] = *envp;
	}
	if (value)
		*to = NULL;
	return value;
}

/* Before the program's own code, and while there is one thread. */
__attribute__((constructor)) static void inherit(
	int argc, char **argv, char **envp)
{
	const char *value = take_out(environ);

	(void)argc;
	(void)argv;
	if (envp != environ)
		take_out(envp);
	if (!value && !config_active())
		return; /* it will have none to pass on */
	for (char **e = environ; e && *e; e++)
		by_environment |= strncmp(*e, "LD_PRELOAD=", 11) == 0;
	if (value && !getauxval(AT_SECURE))
		peers_parse(&inherited, value);
}

/* ---- answers ---- */

static const struct peer *find_inherited(int fd)
{
	return inherited.n ? find(&inherited, sock_cookie(fd)) : NULL;
}

bool peers_has(int fd)
{
	return find_inherited(fd) != NULL;
}

/* The kernel knows what is wrong with the arguments, and whether it is
 * connected at all. */
static int answer(int r, const union policy_addr *addr, socklen_t room,
	struct sockaddr *to, socklen_t *len)
{
	if (r < 0 || !len)
		return r;
	*len = length(addr);
	memcpy(to, addr, *len < room ? *len : room);
	return r;
}

int peers_peer(int fd, struct sockaddr *addr, socklen_t *len)
{
	const struct peer *one = find_inherited(fd);
	socklen_t room = one && len ? *len : 0;
	int r = real(getpeername)(fd, addr, len);

	return one ? answer(r, &one->peer, room, addr, len) : r;
}

int peers_self(int fd, struct sockaddr *addr, socklen_t *len)
{
	const struct peer *one = find_inherited(fd);
	socklen_t room = one && len ? *len : 0;
	int r = real(getsockname)(fd, addr, len);

	return one ? answer(r, &one->self, room, addr, len) : r;
}

void peers_tell(int fd, int level, int name, const void *value, socklen_t len)
{
	const struct peer *one = find_inherited(fd);

	if (one)
		follow_tell(&one->relay, one->cookie, level, name, value, len);
}
