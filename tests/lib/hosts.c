/* SPDX-License-Identifier: MIT */
/*
 * Names for tests: a preload library that answers look-ups of the names in the
 * file $TESTHOSTS (lines "NAME ADDRESS...", as many addresses as one likes,
 * IPv4 and IPv6) and passes all others on.  It works for any user, leaves
 * /etc/hosts alone, and stands in the preload list behind libtlsshim.so, whose
 * hooks then see these answers as if they were libc's.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ADDRESSES_MAX 64

struct found {
	unsigned n;
	char text[ADDRESSES_MAX][INET6_ADDRSTRLEN];
};

/* Looks name up in $TESTHOSTS; false: not there. */
static bool find(const char *name, struct found *found)
{
	const char *path = getenv("TESTHOSTS");
	char line[4096], *word, *rest;
	FILE *file;

	found->n = 0;
	if (!name || !path)
		return false;
	file = fopen(path, "re");
	if (!file)
		return false;
	while (found->n == 0 && fgets(line, sizeof(line), file)) {
		word = strtok_r(line, " \t\n", &rest);
		if (!word || strcasecmp(word, name) != 0)
			continue;
		while (found->n < ADDRESSES_MAX &&
			(word = strtok_r(NULL, " \t\n", &rest)))
			snprintf(found->text[found->n++], INET6_ADDRSTRLEN,
				"%s", word);
	}
	fclose(file);
	return found->n > 0;
}

static int family_of(const char *address)
{
	return strchr(address, ':') ? AF_INET6 : AF_INET;
}

int getaddrinfo(const char *node, const char *service,
	const struct addrinfo *hints, struct addrinfo **result)
{
	__typeof__(getaddrinfo) *next = dlsym(RTLD_NEXT, "getaddrinfo");
	struct addrinfo numeric = {0}, *list = NULL, **end = &list;
	struct found found;
	int rc = EAI_NONAME;

	if (!find(node, &found))
		return next(node, service, hints, result);
	if (hints)
		numeric = *hints;
	numeric.ai_flags |= AI_NUMERICHOST;
	numeric.ai_flags &= ~(AI_CANONNAME | AI_ADDRCONFIG);
	/* glibc frees a list entry by entry: lists may be joined. */
	for (unsigned i = 0; i < found.n; i++) {
		if (numeric.ai_family != AF_UNSPEC &&
			numeric.ai_family != family_of(found.text[i]))
			continue;
		rc = next(found.text[i], service, &numeric, end);
		if (rc != 0)
			break;
		while (*end)
			end = &(*end)->ai_next;
	}
	if (rc != 0) {
		if (list)
			freeaddrinfo(list);
		return rc;
	}
	if (hints && hints->ai_flags & AI_CANONNAME)
		list->ai_canonname = strdup(node);
	*result = list;
	return 0;
}

/* The gethostbyname() family: everything lies in the caller's buffer. */
static int fill(const char *name, int family, const struct found *found,
	struct hostent *ret, char *buf, size_t size, struct hostent **result,
	int *h_err)
{
	size_t length = family == AF_INET6 ? 16 : 4;
	char **list = (char **)(((size_t)buf + 7) & ~(size_t)7);
	char *data = (char *)(list + found->n + 2);
	unsigned n = 0;

	*result = NULL;
	if (data + found->n * length + strlen(name) + 1 > buf + size) {
		*h_err = NETDB_INTERNAL;
		return ERANGE;
	}
	for (unsigned i = 0; i < found->n; i++) {
		if (inet_pton(family, found->text[i], data) != 1)
			continue;
		list[n++] = data;
		data += length;
	}
	list[n] = NULL;
	list[found->n + 1] = NULL;
	if (n == 0) {
		*h_err = NO_ADDRESS;
		return 0;
	}
	ret->h_name = strcpy(data, name);
	ret->h_aliases = &list[found->n + 1];
	ret->h_addrtype = family;
	ret->h_length = (int)length;
	ret->h_addr_list = list;
	*result = ret;
	*h_err = NETDB_SUCCESS;
	return 0;
}

int gethostbyname2_r(const char *name, int family, struct hostent *ret,
	char *buf, size_t size, struct hostent **result, int *h_err)
{
	__typeof__(gethostbyname2_r) *next =
		dlsym(RTLD_NEXT, "gethostbyname2_r");
	struct found found;

	if (!find(name, &found))
		return next(name, family, ret, buf, size, result, h_err);
	return fill(name, family, &found, ret, buf, size, result, h_err);
}

int gethostbyname_r(const char *name, struct hostent *ret, char *buf,
	size_t size, struct hostent **result, int *h_err)
{
	__typeof__(gethostbyname_r) *next = dlsym(RTLD_NEXT, "gethostbyname_r");
	struct found found;

	if (!find(name, &found))
		return next(name, ret, buf, size, result, h_err);
	return fill(name, AF_INET, &found, ret, buf, size, result, h_err);
}

static struct hostent *find_static(const char *name, int family, bool *known)
{
	static char buf[8192];
	static struct hostent ret;
	struct hostent *result = NULL;
	struct found found;

	*known = find(name, &found);
	if (*known && fill(name, family, &found, &ret, buf, sizeof(buf),
			      &result, &h_errno) != 0)
		result = NULL;
	return result;
}

struct hostent *gethostbyname2(const char *name, int family)
{
	__typeof__(gethostbyname2) *next = dlsym(RTLD_NEXT, "gethostbyname2");
	bool known;
	struct hostent *result = find_static(name, family, &known);

	return known ? result : next(name, family);
}

struct hostent *gethostbyname(const char *name)
{
	__typeof__(gethostbyname) *next = dlsym(RTLD_NEXT, "gethostbyname");
	bool known;
	struct hostent *result = find_static(name, AF_INET, &known);

	return known ? result : next(name);
}
