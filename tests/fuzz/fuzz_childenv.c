/* SPDX-License-Identifier: MIT */
/*
 * The environment of a child: each line of the input is an entry.  What is
 * made of it stays in the room that the plan says, loses no entry of others,
 * needs nothing more, and has the library unless somebody decided against it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "config/childenv.h"

#define ENTRIES_MAX 64

static const char *const settings[] = {
	"TLSSHIM_PORTS=1", CHILDENV_GIVEN "=yes"};
static const struct childenv_own own = {
	"LD_PRELOAD=/l/libtlsshim.so", "l/libtlsshim.so", settings, 2};

static size_t count_others(char *const *envp)
{
	size_t n = 0;

	for (; *envp; envp++)
		n += !childenv_is(*envp, "LD_PRELOAD") &&
		     !childenv_is(*envp, CHILDENV_GIVEN) &&
		     !childenv_is_setting(*envp);
	return n;
}

static void check(const struct childenv_plan *plan, char **made)
{
	struct childenv_plan again;

	childenv_plan(&again, &own, made);
	if (count_others(made) != count_others(plan->envp))
		abort();
	if (again.gives_settings || again.sets_preload)
		abort();
	if (again.is_left_out != plan->is_left_out)
		abort();
	if (!again.is_left_out && !childenv_names(again.list, "libtlsshim.so"))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1), *rest = copy, *entry, *text;
	char *envp[ENTRIES_MAX + 1], **to;
	struct childenv_plan plan;
	int n = 0;

	memcpy(copy, data, size);
	copy[size] = '\0';
	while (n < ENTRIES_MAX && (entry = strsep(&rest, "\n")))
		envp[n++] = entry;
	envp[n] = NULL;
	childenv_plan(&plan, &own, envp);
	to = malloc((plan.entries + 1) * sizeof(*to));
	text = malloc(plan.preload_len);
	childenv_make(&plan, to, text, NULL);
	check(&plan, to);
	free(text);
	free(to);
	free(copy);
	return 0;
}
