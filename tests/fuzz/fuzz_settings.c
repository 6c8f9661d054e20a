/* SPDX-License-Identifier: MIT */
/*
 * The environment: each line of the input is an entry.  Whatever it says, the
 * parser ends, stays in its storage, and what it took is as it promises.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "config/config.h"

#define ENTRIES_MAX 32

static void check(const struct config *config)
{
	const struct tls_settings *tls = &config->base.tls;

	for (unsigned i = 0; i < config->n_ports; i++)
		if (!config->ports[i].first ||
			config->ports[i].first > config->ports[i].last)
			abort();
	if (tls->ca_file && tls->ca_file[0] != '/')
		abort();
	if (tls->keylog_file && !config->base.keylog)
		abort();
	if (strlen(config->error) >= sizeof(config->error))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	char *text = malloc(size + 1), *rest = text, *entry;
	char *envp[ENTRIES_MAX + 1];
	/* Small ones are storage that is too small. */
	size_t room = size && data[0] < 64 ? data[0] * 8u : CONFIG_STORAGE_MAX;
	char *storage = malloc(room);
	int n = 0;

	memcpy(text, data, size);
	text[size] = '\0';
	while (n < ENTRIES_MAX && (entry = strsep(&rest, "\n")))
		envp[n++] = entry;
	envp[n] = NULL;
	config_parse(&config, envp, storage, room);
	check(&config);
	free(storage);
	free(text);
	return 0;
}
