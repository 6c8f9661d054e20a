/* SPDX-License-Identifier: MIT */
/*
 * Which connections are ours, and whom the peer must prove to be.  Knows the
 * settings and the names that were seen; does nothing.
 */
#include "policy.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

/* sin_port and sin6_port lie at the same place.  In host order. */
static uint16_t port_of(const struct sockaddr *addr)
{
	uint16_t port;

	_Static_assert(offsetof(struct sockaddr_in, sin_port) ==
			       offsetof(struct sockaddr_in6, sin6_port),
		"one place for both");
	memcpy(&port,
		(const char *)addr + offsetof(struct sockaddr_in, sin_port),
		sizeof(port));
	return ntohs(port);
}

/* The address of a selected destination, which is long enough. */
static struct names_address address_of(const struct sockaddr *addr)
{
	struct names_address address = {0};

	names_address(addr, sizeof(struct sockaddr_in6), &address);
	return address;
}

static const struct config_ports *rule_for(
	const struct config *config, uint16_t port)
{
	for (unsigned i = 0; i < config->n_ports; i++)
		if (port >= config->ports[i].first &&
			port <= config->ports[i].last)
			return &config->ports[i];
	return NULL;
}

enum policy_verdict policy_select(
	const struct config *config, const struct sockaddr *addr, socklen_t len)
{
	struct names_address address;

	if (!names_address(addr, len, &address))
		return POLICY_PLAIN;
	if (config->error[0])
		return POLICY_REFUSE;
	return rule_for(config, port_of(addr)) ? POLICY_TLS : POLICY_PLAIN;
}

uint16_t policy_tls_port(const struct config *config, uint16_t port)
{
	const struct config_ports *rule = rule_for(config, port);

	return rule && rule->tls_port ? rule->tls_port : port;
}

/*
 * The address in binary, as a certificate has it: 4 bytes for IPv4, mapped or
 * not.  Linux connects the unspecified addresses 0.0.0.0 and :: to this host,
 * so that they stand for the loopback ones.
 */
static void identity_address(
	const struct names_address *address, struct tls_identity *id)
{
	static const unsigned char any[16];
	static const unsigned char v6_loopback[16] = {[15] = 1};
	static const unsigned char v4_loopback[4] = {127, 0, 0, 1};

	if (names_address_is_v4(address)) {
		id->ip_len = 4;
		memcpy(id->ip, address->ip + 12, 4);
		if (!memcmp(id->ip, any, 4))
			memcpy(id->ip, v4_loopback, 4);
		id->or_localhost = id->ip[0] == 127;
	} else {
		id->ip_len = 16;
		memcpy(id->ip, address->ip, 16);
		if (!memcmp(id->ip, any, 16))
			memcpy(id->ip, v6_loopback, 16);
		id->or_localhost = !memcmp(id->ip, v6_loopback, 16);
	}
}

static void identity_name(const char *name, struct tls_identity *id)
{
	if (!id->n_names)
		id->sni = name;
	id->names[id->n_names++] = name;
}

/* An address in the settings means exactly that address. */
static void identity_setting(const char *name, struct tls_identity *id)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct names_address address;

	if (inet_pton(AF_INET, name, &in.sin_addr) == 1)
		names_address((struct sockaddr *)&in, sizeof(in), &address);
	else if (inet_pton(AF_INET6, name, &in6.sin6_addr) == 1)
		names_address((struct sockaddr *)&in6, sizeof(in6), &address);
	else {
		identity_name(name, id);
		return;
	}
	identity_address(&address, id);
	id->or_localhost = false;
}

bool policy_identity(const struct config *config, const struct sockaddr *addr,
	const struct names_found *found, struct tls_identity *id,
	const char **source)
{
	static const char *const several[] = {"no name", "1 name", "2 names",
		"3 names", "4 names", "5 names", "6 names", "7 names",
		"8 names"};
	struct names_address address = address_of(addr);

	_Static_assert(NAMES_FOUND_MAX == 8 && NAMES_FOUND_MAX <= TLS_NAMES_MAX,
		"every name found has a text above and a place in *id");
	*id = (struct tls_identity){0};
	if (config->base.server_name) {
		identity_setting(config->base.server_name, id);
		*source = "setting";
		return true;
	}
	switch (found->source) {
	case NAMES_IDENTITY:
		*source = "lookup";
		break;
	case NAMES_ONLY:
		*source = "only name";
		break;
	case NAMES_SEVERAL:
		*source = several[found->n];
		break;
	case NAMES_NONE:
		identity_address(&address, id);
		*source = "address";
		return true;
	default:
		*source = "not all names that were looked up for this address "
			  "are known: TLSSHIM_SERVER_NAME can settle it";
		return false;
	}
	for (unsigned i = 0; i < found->n; i++)
		identity_name(found->names[i], id);
	return true;
}

/* The longest run of at least two zero groups becomes "::" (RFC 5952). */
static void find_zeros(const uint16_t group[8], int *start, int *len)
{
	*start = -1;
	*len = 1;
	for (int i = 0, run = 0; i < 8; i++) {
		run = group[i] ? 0 : run + 1;
		if (run > *len) {
			*len = run;
			*start = i - run + 1;
		}
	}
}

static void format_v6(char buf[INET6_ADDRSTRLEN], const unsigned char ip[16])
{
	uint16_t group[8];
	int zeros, n_zeros;
	unsigned at = 0;

	for (int i = 0; i < 8; i++)
		group[i] = (uint16_t)(ip[2 * i] << 8 | ip[2 * i + 1]);
	find_zeros(group, &zeros, &n_zeros);
	for (int i = 0; i < 8; i++) {
		if (i == zeros) {
			at += (unsigned)log_format(
				buf + at, INET6_ADDRSTRLEN - at, "::");
			i += n_zeros - 1;
			continue;
		}
		at += (unsigned)log_format(buf + at, INET6_ADDRSTRLEN - at,
			i && buf[at - 1] != ':' ? ":%x" : "%x", group[i]);
	}
}

void policy_destination(
	char *buf, unsigned size, const char *host, const struct sockaddr *addr)
{
	struct names_address address = address_of(addr);
	const unsigned char *ip = address.ip + 12;
	unsigned port = port_of(addr);
	char digits[INET6_ADDRSTRLEN];

	if (!host && names_address_is_v4(&address)) {
		log_format(buf, size, "%u.%u.%u.%u:%u", ip[0], ip[1], ip[2],
			ip[3], port);
		return;
	}
	if (!host)
		format_v6(digits, address.ip);
	log_format(buf, size, !host || strchr(host, ':') ? "[%s]:%u" : "%s:%u",
		host ? host : digits, port);
}

void policy_map_v4(union policy_addr *addr, socklen_t *len)
{
	struct sockaddr_in6 mapped = {
		.sin6_family = AF_INET6,
		.sin6_port = addr->in.sin_port,
	};

	if (addr->any.sa_family != AF_INET)
		return;
	memset(&mapped.sin6_addr.s6_addr[10], 0xff, 2);
	memcpy(&mapped.sin6_addr.s6_addr[12], &addr->in.sin_addr, 4);
	addr->in6 = mapped;
	*len = sizeof(mapped);
}

bool policy_same_address(
	const union policy_addr *a, const union policy_addr *b)
{
	union policy_addr x = *a, y = *b;
	socklen_t len = 0;

	policy_map_v4(&x, &len);
	policy_map_v4(&y, &len);
	return x.in6.sin6_port == y.in6.sin6_port &&
	       memcmp(&x.in6.sin6_addr, &y.in6.sin6_addr,
		       sizeof(x.in6.sin6_addr)) == 0;
}
