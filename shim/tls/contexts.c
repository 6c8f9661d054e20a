/* SPDX-License-Identifier: MIT */
/*
 * One context for all destinations of equal settings.
 */
#include "tls/contexts.h"

#include <errno.h>
#include "base/highfd.h"
#include "base/keeper.h"
#include "log/log.h"
#include "names/names.h"
#include "tls/engine_lock.h"
#include "tls/loader.h"

/* By config_dest.context; each is made once. */
static struct tls_context *contexts[CONFIG_SECTIONS_MAX + 1];

static void complain(const char *text)
{
	log_line(LOG_LEVEL_ERROR, "%s", text);
}

/* Tells who hears of what is wrong. */
static struct tls_context *new_context(const struct tls_engine *tls,
	const struct config_dest *dest, struct tls_failure *why)
{
	struct tls_settings settings = dest->tls;

	settings.complain = complain;
	/* The engine copies them. */
	/* cppcheck-suppress returnDanglingLifetime */
	return tls->context_new(&settings, why);
}

struct tls_context *contexts_get(
	const struct config_dest *dest, struct tls_failure *why)
{
	struct tls_context **place = &contexts[dest->context];
	struct tls_context *ctx = __atomic_load_n(place, __ATOMIC_ACQUIRE);
	const struct tls_engine *tls;
	struct highfd_limit limit;
	struct engine_passage p;

	if (ctx)
		return ctx;
	p = engine_enter();
	ctx = *place;
	/* Files are read: the program may have used up its numbers. */
	limit = highfd_raise();
	tls = ctx ? NULL : tls_load(why);
	if (tls)
		ctx = new_context(tls, dest, why);
	highfd_restore(&limit);
	__atomic_store_n(place, ctx, __ATOMIC_RELEASE);
	engine_leave(&p);
	return ctx;
}

static void preload(const struct config_dest *dest)
{
	struct tls_failure why;
	struct tls_context *ctx = contexts_get(dest, &why);
	struct engine_passage p;

	if (!ctx)
		return;
	p = engine_enter();
	tls_loaded()->context_preload(ctx);
	engine_leave(&p);
}

void contexts_prepare(void)
{
	const struct config *config = config_get();
	int saved_errno = errno;

	log_prepare();
	if (config_active() && config_selects(config) && !config->error[0]) {
		/* A child of vfork() has its parent's memory. */
		if (!keeper_is_guest())
			names_part();
		preload(&config->base);
		for (unsigned i = 0; i < config->n_sections; i++)
			if (!config->sections[i].plaintext)
				preload(&config->sections[i].dest);
	}
	errno = saved_errno;
}
