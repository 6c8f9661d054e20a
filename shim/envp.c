/* SPDX-License-Identifier: MIT */
/*
 * Which connections a new program is told of: those of this process that a
 * relay has, and those that it inherited itself.  Runs in children of vfork(),
 * on small stacks and in signal handlers: no lock, no heap.
 */
#include "envp.h"

#include <string.h>
#include "conn.h"
#include "fdtab.h"
#include "peers.h"

/* Of a larger environment no copy is made. */
#define ENTRIES_MAX 4096

static bool add_plugged(int fd, uintptr_t cell, void *arg)
{
	struct peers *peers = arg;
	conn_ref struct conn *c = NULL;

	if (!(cell & FDTAB_PLUGGED))
		return true;
	c = fdtab_get_plugged(fd);
	if (c)
		peers_add(
			peers, &(struct peer){c->cookie, c->dialled, c->self});
	return peers->n < PEERS_MAX;
}

/* The lowest numbers first: those that programs inherit. */
static void collect(struct peers *peers)
{
	const struct peers *before = peers_inherited();

	peers->n = 0;
	if (fdtab_is_used())
		fdtab_each(0, FDTAB_MAX - 1, add_plugged, peers);
	for (unsigned i = 0; i < before->n; i++)
		peers_add(peers, &before->all[i]);
}

static bool is(const char *entry, const char *name)
{
	size_t n = strlen(name);

	return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

size_t envp_room(char *const envp[])
{
	bool has_library = !peers_by_environment();
	struct peers peers;
	size_t n = 0;

	if (!envp || (!fdtab_is_used() && !peers_inherited()->n))
		return 0;
	collect(&peers);
	for (; n < ENTRIES_MAX && envp[n]; n++)
		has_library |= is(envp[n], "LD_PRELOAD");
	if (!peers.n || !has_library || n == ENTRIES_MAX)
		return 0;
	/* The variable, the NULL, and the text. */
	return n + 2 + PEERS_TEXT_MAX(peers.n) / sizeof(char *) + 1;
}

char *const *envp_with_peers(char *const envp[], void **room, size_t words)
{
	char **copy = (char **)room;
	struct peers peers;
	size_t n = 0;

	if (!words)
		return envp;
	collect(&peers);
	for (; *envp && n + 2 < words; envp++)
		if (!is(*envp, PEERS_VARIABLE))
			copy[n++] = *envp;
	copy[n + 1] = NULL;
	copy[n] = (char *)&copy[n + 2];
	peers_put(
		&peers, copy[n], (unsigned)((words - n - 2) * sizeof(char *)));
	return copy;
}
