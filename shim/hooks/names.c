/* SPDX-License-Identifier: MIT */
/*
 * libc's names for looking up hosts: the answers pass unchanged, and where
 * ports are selected the names memory learns of them.
 */
#include "hooks/hook.h"

#include "config/config.h"
#include "names/names.h"

static void learn_result(const char *node, const struct addrinfo *hints,
	const struct addrinfo *result)
{
	char ascii[NAMES_NAME_MAX];

	if (hints && hints->ai_flags & AI_IDN)
		node = names_ascii(node, ascii);
	names_learn_result(node, result);
}

HOOK int getaddrinfo(const char *node, const char *service,
	const struct addrinfo *hints, struct addrinfo **result)
{
	int r = real(getaddrinfo)(node, service, hints, result);

	if (r == 0 && config_active())
		learn_result(node, hints, *result);
	return r;
}

HOOK void freeaddrinfo(struct addrinfo *result)
{
	if (config_active())
		names_forget(result);
	real(freeaddrinfo)(result);
}

/*
 * Requests whose answer is not there yet (GAI_NOWAIT).  gai_error() is how a
 * program sees that it is; after that its result is the program's to free, and
 * must not be looked at again.  When the table is full the answer is not
 * learnt, and the address stands for itself.
 */
#define PENDING_MAX 64

static _Atomic(struct gaicb *) pending[PENDING_MAX];

static void wait_for_answer(struct gaicb *request)
{
	for (int i = 0; request && i < PENDING_MAX; i++) {
		struct gaicb *none = NULL;

		if (atomic_compare_exchange_strong(&pending[i], &none, request))
			return;
	}
}

static bool was_pending(struct gaicb *request)
{
	for (int i = 0; i < PENDING_MAX; i++) {
		struct gaicb *found = request;

		if (atomic_compare_exchange_strong(&pending[i], &found, NULL))
			return true;
	}
	return false;
}

static void learn_request(const struct gaicb *request)
{
	if (request && request->ar_result)
		learn_result(request->ar_name, request->ar_request,
			request->ar_result);
}

HOOK int getaddrinfo_a(
	int mode, struct gaicb *list[], int n, struct sigevent *event)
{
	int r = real(getaddrinfo_a)(mode, list, n, event);

	for (int i = 0; r == 0 && config_active() && i < n; i++)
		if (mode == GAI_WAIT)
			learn_request(list[i]);
		else
			wait_for_answer(list[i]);
	return r;
}

HOOK int gai_error(struct gaicb *request)
{
	int r = real(gai_error)(request);

	if (r != EAI_INPROGRESS && request && was_pending(request) && r == 0)
		learn_request(request);
	return r;
}

static void learn_host(const char *name, const struct hostent *host)
{
	if (host && config_active())
		names_learn_hostent(name, host);
}

HOOK struct hostent *gethostbyname(const char *name)
{
	struct hostent *host = real(gethostbyname)(name);

	learn_host(name, host);
	return host;
}

HOOK struct hostent *gethostbyname2(const char *name, int family)
{
	struct hostent *host = real(gethostbyname2)(name, family);

	learn_host(name, host);
	return host;
}

HOOK int gethostbyname_r(const char *name, struct hostent *host, char *buf,
	size_t len, struct hostent **result, int *err)
{
	int r = real(gethostbyname_r)(name, host, buf, len, result, err);

	if (r == 0)
		learn_host(name, *result);
	return r;
}

HOOK int gethostbyname2_r(const char *name, int family, struct hostent *host,
	char *buf, size_t len, struct hostent **result, int *err)
{
	int r = real(gethostbyname2_r)(
		name, family, host, buf, len, result, err);

	if (r == 0)
		learn_host(name, *result);
	return r;
}
