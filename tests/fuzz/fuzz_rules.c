/* SPDX-License-Identifier: MIT */
/*
 * The file of TLSSHIM_CONFIG, and what becomes of connections by it.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "config/config.h"
#include "config/policy.h"
#include "config/rules.h"

/* The choice is one that can be carried out. */
static void choose(
	const struct config *config, const char *ip, const char *name)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(443)};
	struct names_found found = {.source = NAMES_NONE};
	struct policy_choice choice;

	inet_pton(AF_INET, ip, &in.sin_addr);
	if (name) {
		found.source = NAMES_IDENTITY;
		found.n = 1;
		strcpy(found.names[0], name);
	}
	choice = policy_choose(
		config, (struct sockaddr *)&in, sizeof(in), &found);
	if (choice.verdict == POLICY_TLS && (!choice.dest || !choice.port))
		abort();
	if (choice.verdict == POLICY_REFUSE && !choice.why)
		abort();
	/* Bad settings refuse everything. */
	if (config->error[0] && choice.verdict != POLICY_REFUSE)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	char *text =
		malloc(size ? size : 1); /* no NUL: a read behind it shows */
	struct rules_file file = {"/fuzz.ini", text, size};
	size_t room;
	char *storage;

	memcpy(text, data, size);
	room = CONFIG_STORAGE_MAX + rules_storage(&file);
	storage = malloc(room);
	config_parse_with(&config, NULL, &file, storage, room);
	choose(&config, "10.0.0.1", NULL);
	choose(&config, "127.0.0.1", "a.test");
	for (unsigned i = 0; i < config.n_sections; i++)
		if (config.sections[i].dest.context > i + 1)
			abort();
	free(storage);
	free(text);
	return 0;
}
