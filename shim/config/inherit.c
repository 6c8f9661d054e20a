/* SPDX-License-Identifier: MIT */
/*
 * Makes entries of an environment in a mapping of its own.  Whom they are for,
 * childenv.c and unreached.c know.
 */
#include "config/inherit.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include "base/kernel.h"
#include "base/library.h"
#include "base/map.h"
#include "base/real.h"
#include "config/settings.h"
#include "log/log.h"

#define SYSTEM_PRELOAD "/etc/ld.so.preload"
#define PRELOAD "LD_PRELOAD="

static struct childenv_own own;
static bool is_ready;
static const char *library; /* absolute; NULL: not known */
static dev_t library_dev;
static ino_t library_ino;

const struct childenv_own *inherit_own(void)
{
	return is_ready ? &own : NULL;
}

bool inherit_is_at_its_path(void)
{
	int saved_errno = errno;
	struct stat st;
	bool is = library && kernel_stat_at(AT_FDCWD, library, &st) == 0 &&
		  st.st_dev == library_dev && st.st_ino == library_ino;

	errno = saved_errno;
	return is;
}

/* What is made, in order: the pointers, then their text. */
struct making {
	char *text;
	const char **settings;
	size_t n;
};

static const char *add(struct making *m, const char *a, const char *b)
{
	const char *start = m->text;
	size_t n = strlen(a), more = strlen(b) + 1;

	memcpy(m->text, a, n);
	memcpy(m->text + n, b, more);
	m->text += n + more;
	return start;
}

/* As the process has it: of two entries for one setting the first counts, and
 * what is no setting is an error in children as well. */
static const char *absolute_path(const struct config *config, const char *entry)
{
	int which = settings_find(entry, (size_t)(strchr(entry, '=') - entry));

	return which < 0 ? NULL : config->absolute[which];
}

static bool is_repeated(char *const envp[], char *const *entry)
{
	size_t n = (size_t)(strchr(*entry, '=') - *entry) + 1;

	for (; envp != entry; envp++)
		if (!strncmp(*envp, *entry, n))
			return true;
	return false;
}

static void add_settings(
	struct making *m, char *const envp[], const struct config *config)
{
	for (char *const *e = envp; *e; e++) {
		const char *path;
		char *setting = m->text;

		if (!childenv_is_setting(*e) || is_repeated(envp, e))
			continue;
		path = absolute_path(config, *e);
		m->settings[m->n++] = add(m, *e, "");
		if (!path)
			continue;
		m->text = strchr(setting, '=') + 1;
		add(m, path, "");
	}
	m->settings[m->n++] = add(m, CHILDENV_GIVEN "=", "yes");
}

/* Room for all of it. */
static size_t room_for(char *const envp[], const struct config *config,
	const char *preload, size_t *entries)
{
	size_t size = 2 * PATH_MAX + (preload ? strlen(preload) : 0);

	*entries = 1;
	for (; *envp; envp++) {
		const char *path;

		if (!childenv_is_setting(*envp))
			continue;
		path = absolute_path(config, *envp);
		++*entries;
		size += strlen(*envp) + (path ? strlen(path) : 0) + 2;
	}
	return size + *entries * sizeof(char *);
}

/* Has every program of this system the library?  Only asked where LD_PRELOAD
 * has not brought it. */
static bool is_in_every_program(const char *path)
{
	char text[4096];
	int fd = real(open)(SYSTEM_PRELOAD, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n;

	if (fd < 0)
		return false;
	n = real(read)(fd, text, sizeof(text) - 1);
	real(close)(fd);
	if (n <= 0)
		return false;
	for (ssize_t i = 0; i < n; i++)
		if (text[i] == '\n' || text[i] == '\t' || !text[i])
			text[i] = ' ';
	text[n] = '\0';
	return childenv_names(text, path);
}

/* The first name in the list that leads to this library's file, alone. */
static const char *as_found(
	struct making *m, const char *list, const char *path)
{
	while (list && *list) {
		size_t n = strcspn(list, " :");
		char name[PATH_MAX];

		if (n < sizeof(name)) {
			memcpy(name, list, n);
			name[n] = '\0';
			if (n && childenv_names(name, path))
				return add(m, name, "");
		}
		list += n + strspn(list + n, " :");
	}
	return NULL;
}

static void add_library(struct making *m, const char *path, const char *list)
{
	const char *start = m->text;
	struct stat st;

	add(m, PRELOAD, "");
	m->text--;
	if (*path != '/') {
		if (!getcwd(m->text, PATH_MAX))
			return;
		m->text += strlen(m->text);
		*m->text++ = '/';
	}
	add(m, path, "");
	library = start + strlen(PRELOAD);
	if (kernel_stat_at(AT_FDCWD, library, &st) < 0) {
		library = NULL;
		return;
	}
	library_dev = st.st_dev;
	library_ino = st.st_ino;
	own.as_found = as_found(m, list, path);
	if (own.as_found || !is_in_every_program(path))
		own.preload = start;
}

static const char *value_of(char *const envp[], const char *name)
{
	const char *value = NULL;

	for (; *envp; envp++) /* ld.so(8) goes by the last */
		if (childenv_is(*envp, name))
			value = *envp + strlen(name) + 1;
	return value;
}

void inherit_setup(char *const envp[], const struct config *config)
{
	static char *const nothing[] = {NULL};
	const char *path = library_path(), *list;
	struct making m = {.n = 0};
	size_t entries;
	size_t size;
	char *room;

	envp = envp ? envp : nothing;
	list = value_of(envp, "LD_PRELOAD");
	size = room_for(envp, config, list, &entries) + strlen(path);
	room = *path ? map_memory(size) : NULL;
	if (!room)
		return;
	m.settings = (const char **)(void *)room;
	m.text = room + entries * sizeof(char *);
	add_settings(&m, envp, config);
	add_library(&m, path, list);
	own.settings = m.settings;
	own.n_settings = m.n;
	is_ready = library != NULL;
}
