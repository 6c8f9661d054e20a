/* SPDX-License-Identifier: MIT */
/*
 * Plans and makes environments.  The list of libraries in LD_PRELOAD is what
 * ld.so(8) makes of it: names between blanks and colons, and of several
 * entries the last one counts.
 */
#include "config/childenv.h"

#define PRELOAD "LD_PRELOAD"
#define SEPARATORS " :"

/* The next name in the list, or NULL; *n: its length.  Goes on behind it. */
static const char *next_name(const char **list, size_t *n)
{
	const char *name = *list + strspn(*list, SEPARATORS);

	*n = strcspn(name, SEPARATORS);
	*list = name + *n;
	return *n ? name : NULL;
}

bool childenv_has_library(const char *list)
{
	return list && list[strspn(list, SEPARATORS)];
}

static bool is_text(const char *name, size_t n, const char *text)
{
	return text && !strncmp(name, text, n) && !text[n];
}

static const char *base(const char *path, size_t n)
{
	const char *slash = memrchr(path, '/', n);

	return slash ? slash + 1 : path;
}

bool childenv_names(const char *list, const char *path)
{
	const char *file = base(path, strlen(path)), *name;
	size_t n;

	while ((name = next_name(&list, &n))) {
		const char *last = base(name, n);

		if (is_text(last, (size_t)(name + n - last), file))
			return true;
	}
	return false;
}

/* They end the program where another library comes before them. */
static bool is_sanitizer(const char *name, size_t n)
{
	static const char names[][16] = {"libasan.so", "libtsan.so",
		"libubsan.so", "liblsan.so", "libhwasan.so", "libclang_rt."};
	const char *file = base(name, n);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(file, names[i], strlen(names[i])))
			return true;
	return false;
}

static const char *path_of(const struct childenv_own *own)
{
	return own->preload + strlen(PRELOAD "=");
}

/* By whichever name: what stands there twice is loaded once. */
static bool is_own(const struct childenv_own *own, const char *name, size_t n)
{
	return is_text(name, n, path_of(own)) ||
	       is_text(name, n, own->as_found);
}

/* A bare name or a relative path may lead elsewhere by then; one with $LIB in
 * it is for programs of both classes. */
static bool is_first(const struct childenv_own *own, const char *list)
{
	const char *name;
	size_t n;

	do
		name = next_name(&list, &n);
	while (name && is_sanitizer(name, n));
	if (!name || !is_own(own, name, n))
		return false;
	return is_text(name, n, path_of(own)) ||
	       (*name == '/' && memchr(name, '$', n));
}

void childenv_plan(struct childenv_plan *plan, const struct childenv_own *own,
	char *const envp[])
{
	bool has_settings = false;
	unsigned lists = 0;

	*plan = (struct childenv_plan){.own = own, .envp = envp, .entries = 1};
	for (; envp && *envp; envp++) {
		plan->entries++;
		has_settings |= childenv_is_setting(*envp);
		if (!childenv_is(*envp, PRELOAD))
			continue;
		plan->list = *envp + strlen(PRELOAD "=");
		lists++;
	}
	if (!childenv_has_library(plan->list)) {
		plan->list = NULL;
		plan->is_left_out = own->preload && has_settings;
		plan->sets_preload = own->preload && !has_settings;
	} else {
		plan->sets_preload = own->preload &&
				     (lists > 1 || !is_first(own, plan->list));
	}
	plan->gives_settings = !has_settings;
	if (plan->gives_settings)
		plan->entries += own->n_settings;
	if (plan->sets_preload) {
		plan->entries++;
		plan->preload_len = strlen(own->preload) + 1 +
				    (plan->list ? strlen(plan->list) + 1 : 0);
	}
}

static char *put(char *to, const char *name, size_t n)
{
	*to = ':';
	memcpy(to + 1, name, n);
	return to + 1 + n;
}

/* LD_PRELOAD, with ours behind the sanitizers that lead the list.  Each name
 * takes what it took there, a separator included. */
static void make_preload(const struct childenv_plan *plan, char *text)
{
	const char *list = plan->list ? plan->list : "", *name;
	const char *path = path_of(plan->own);
	bool is_there = false;
	char *to = text;
	size_t n;

	while ((name = next_name(&list, &n))) {
		if (is_own(plan->own, name, n))
			continue;
		if (!is_there && !is_sanitizer(name, n)) {
			to = put(to, path, strlen(path));
			is_there = true;
		}
		to = put(to, name, n);
	}
	if (!is_there)
		to = put(to, path, strlen(path));
	*to = '\0';
}

void childenv_make(
	const struct childenv_plan *plan, char **to, char *text, char *extra)
{
	const struct childenv_own *own = plan->own;
	char *const *envp = plan->envp;
	size_t room = plan->entries - 1, n = 0;

	if (plan->sets_preload) {
		memcpy(text, PRELOAD, sizeof(PRELOAD));
		make_preload(plan, text + strlen(PRELOAD));
		text[strlen(PRELOAD)] = '=';
		to[n++] = text;
	}
	for (size_t i = 0; plan->gives_settings && i < own->n_settings; i++)
		to[n++] = (char *)(void *)(size_t)own->settings[i];
	for (; envp && *envp && n < room; envp++)
		if (!(extra && childenv_is(*envp, CHILDENV_PEERS)) &&
			!(plan->sets_preload && childenv_is(*envp, PRELOAD)))
			to[n++] = *envp;
	if (extra)
		to[n++] = extra;
	to[n] = NULL;
}
