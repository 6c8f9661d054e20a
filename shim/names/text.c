/* SPDX-License-Identifier: MIT */
/*
 * What is a name, what is an address, and how each is written.  Pure.
 */
#include "names/names.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

static bool is_address_text(const char *node)
{
	char digits[INET6_ADDRSTRLEN];
	size_t n = strcspn(node, "%"); /* a scope */
	struct in_addr in;
	struct in6_addr in6;

	/* inet_aton() stops at a blank, getaddrinfo() does not. */
	if (!node[strcspn(node, " \t\n\v\f\r")] && inet_aton(node, &in))
		return true;
	if (n >= sizeof(digits))
		return false;
	memcpy(digits, node, n);
	digits[n] = '\0';
	return inet_pton(AF_INET6, digits, &in6) == 1;
}

static bool is_label_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '_';
}

/* Does it read like a number, so that some program may take it for one? */
static bool is_number_label(const char *label)
{
	if (!strncmp(label, "0x", 2))
		return !label[2 + strspn(label + 2, "0123456789abcdef")];
	return !label[strspn(label, "0123456789")];
}

/* An empty label is not a trifle: OpenSSL takes ".com" for every host below
 * com (X509_VERIFY_PARAM_set1_host(3)). */
static bool labels_are_good(const char *name)
{
	const char *label = name;

	for (;;) {
		size_t n = 0;

		while (is_label_byte(label[n]))
			n++;
		if (n < 1 || n > 63)
			return false;
		if (!label[n])
			return !is_number_label(label);
		if (label[n] != '.')
			return false;
		label += n + 1;
	}
}

enum names_kind names_canonical(
	const char *node, char canonical[NAMES_NAME_MAX])
{
	size_t n = strnlen(node, NAMES_NAME_MAX + 1);

	memset(canonical, 0, NAMES_NAME_MAX);
	if (is_address_text(node))
		return NAMES_IS_ADDRESS;
	if (n && node[n - 1] == '.')
		n--;
	if (n >= NAMES_NAME_MAX)
		return NAMES_IS_NEITHER;
	for (size_t i = 0; i < n; i++)
		canonical[i] = node[i] >= 'A' && node[i] <= 'Z'
				       ? (char)(node[i] - 'A' + 'a')
				       : node[i];
	if (labels_are_good(canonical))
		return NAMES_IS_NAME;
	canonical[0] = '\0';
	return NAMES_IS_NEITHER;
}

void names_address_v4(const void *in, struct names_address *out)
{
	memset(out->ip, 0, 10);
	memset(out->ip + 10, 0xff, 2);
	memcpy(out->ip + 12, in, 4);
}

bool names_address(
	const struct sockaddr *addr, socklen_t len, struct names_address *out)
{
	const char *bytes = (const char *)addr; /* need not be aligned */
	sa_family_t family;

	if (!addr || len < sizeof(struct sockaddr_in))
		return false;
	memcpy(&family, bytes, sizeof(family));
	if (family == AF_INET) {
		names_address_v4(
			bytes + offsetof(struct sockaddr_in, sin_addr), out);
		return true;
	}
	/* Without sin6_scope_id: SIN6_LEN_RFC2133 in Linux. */
	if (family != AF_INET6 ||
		len < offsetof(struct sockaddr_in6, sin6_scope_id))
		return false;
	memcpy(out->ip, bytes + offsetof(struct sockaddr_in6, sin6_addr), 16);
	return true;
}

bool names_address_is_v4(const struct names_address *address)
{
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(address->ip, mapped, sizeof(mapped));
}

void names_address_mean(unsigned char ip[16])
{
	static const struct names_address any,
		v4_any = {{[10] = 0xff, [11] = 0xff}};

	bool is_v4 = !memcmp(ip, v4_any.ip, 16);

	if (is_v4)
		ip[12] = 127;
	if (is_v4 || !memcmp(ip, any.ip, 16))
		ip[15] = 1;
}

bool names_address_equal(
	const struct names_address *a, const struct names_address *b)
{
	return !memcmp(a->ip, b->ip, sizeof(a->ip));
}
