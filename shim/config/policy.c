/* SPDX-License-Identifier: MIT */
/*
 * Which connections are ours, and whom the peer must prove to be.  Knows the
 * settings and the names that were seen; does nothing.
 */
#include "config/policy.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include "config/section.h"

#define LOCALHOST "localhost"

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

static bool is_loopback(const struct names_address *address)
{
	static const unsigned char v6[16] = {[15] = 1};

	return names_address_is_v4(address)
		       ? address->ip[12] == 127
		       : !memcmp(address->ip, v6, sizeof(v6));
}

/* ---- sections ---- */

static bool is_by_name(const struct config_section *s)
{
	return s->kind <= CONFIG_HOST_SUFFIX;
}

/* By the name, or, where that is NULL, by the address. */
static const struct config_section *best_section(const struct config *config,
	const char *name, const struct names_address *address, uint16_t port)
{
	const struct config_section *best = NULL;

	for (unsigned i = 0; i < config->n_sections; i++) {
		const struct config_section *s = &config->sections[i];

		if (is_by_name(s) == (name != NULL) &&
			section_is_for(s, name, address, port) &&
			(!best || section_is_before(s, best)))
			best = s;
	}
	return best;
}

static bool is_less(
	const struct config_section *a, const struct config_section *b)
{
	const char *key;

	if (a->plaintext || b->plaintext)
		return a->plaintext && !b->plaintext;
	return policy_compare(&a->dest, &b->dest, &key) == POLICY_WEAKER;
}

/* The section for an address whatever it was looked up as. */
static const struct config_section *section_of_address(
	const struct config *config, const struct names_address *address,
	uint16_t port)
{
	const struct config_section *section =
		best_section(config, NULL, address, port);
	const struct config_section *localhost =
		is_loopback(address)
			? best_section(config, LOCALHOST, address, port)
			: NULL;

	if (!localhost || (section && section->kind == CONFIG_HOST_NETWORK &&
				  is_less(localhost, section)))
		return section;
	return localhost;
}

/* A connection whose name is not known may be to one of these. */
static bool may_be_named(const struct config *config, uint16_t port,
	const struct config_section *but)
{
	for (unsigned i = 0; i < config->n_sections; i++) {
		const struct config_section *s = &config->sections[i];

		if (s != but && is_by_name(s) && !s->plaintext &&
			section_has_port(s, port))
			return true;
	}
	return false;
}

/* ---- the choice ---- */

bool policy_needs_names(const struct config *config)
{
	return config->n_sections > 0;
}

static bool is_latest(
	const struct config *config, const struct names_found *found)
{
	return config->names_latest && found->source == NAMES_SEVERAL;
}

/* How many of the names count. */
static unsigned names_of(
	const struct config *config, const struct names_found *found)
{
	if (!found || found->source == NAMES_NONE ||
		found->source == NAMES_UNSURE)
		return 0;
	return is_latest(config, found) ? 1 : found->n;
}

static struct policy_choice refuse(const char *why)
{
	return (struct policy_choice){.verdict = POLICY_REFUSE, .why = why};
}

static struct policy_choice choose_tls(const struct config *config,
	const struct config_section *section, uint16_t port)
{
	const struct config_ports *rule = rule_for(config, port);
	struct policy_choice choice = {.verdict = POLICY_TLS,
		.dest = section ? &section->dest : &config->base,
		.port = port};

	if (section && section->connect_port)
		choice.port = section->connect_port;
	else if (rule && rule->tls_port)
		choice.port = rule->tls_port;
	return choice;
}

static struct policy_choice choose_plain(
	const struct config *config, const struct names_address *address)
{
	if (config->plaintext == CONFIG_PLAINTEXT_ALLOW ||
		(config->plaintext == CONFIG_PLAINTEXT_LOOPBACK &&
			is_loopback(address)))
		return (struct policy_choice){.verdict = POLICY_PLAIN};
	return refuse(
		config->plaintext == CONFIG_PLAINTEXT_DENY
			? "plaintext is denied (TLSSHIM_PLAINTEXT=deny), and "
			  "neither TLSSHIM_PORTS nor TLSSHIM_CONFIG selects "
			  "this destination"
			: "plaintext is denied but to this host "
			  "(TLSSHIM_PLAINTEXT=loopback), and neither "
			  "TLSSHIM_PORTS nor TLSSHIM_CONFIG selects this "
			  "destination");
}

/* What is known of a destination. */
struct place {
	const struct config *config;
	const struct names_found *found;
	struct names_address address; /* as the kernel means it */
	uint16_t port;
	unsigned n;	    /* names that count */
	bool is_identified; /* by the look-up's own result */
	const struct config_section *by_address;
};

/* The section for one of its names, or for the address. */
static const struct config_section *section_of_name(
	const struct place *p, const char *name)
{
	const struct config_section *s;

	/* No more than the address says. */
	if (!p->is_identified && is_loopback(&p->address) &&
		!strcmp(name, LOCALHOST))
		return p->by_address;
	s = best_section(p->config, name, &p->address, p->port);
	return s ? s : p->by_address;
}

/* The section of all names that count; false: they have different ones. */
static bool find_section(
	const struct place *p, const struct config_section **section)
{
	*section = p->by_address;
	if (!p->n || !p->found)
		return true;
	*section = section_of_name(p, p->found->names[0]);
	for (unsigned i = 1; i < p->n; i++)
		if (section_of_name(p, p->found->names[i]) != *section)
			return false;
	return true;
}

/* The key by which a section by name asks less than what holds for the address,
 * or NULL. */
static const char *weakness(
	const struct place *p, const struct config_section *s)
{
	const struct config_section *by_address = p->by_address;
	const char *key = NULL;
	bool is_set = by_address || rule_for(p->config, p->port);
	enum policy_rank tolerated = is_set ? POLICY_AS_STRICT : POLICY_OTHER;

	if (by_address && by_address->plaintext)
		return NULL;
	if (!is_set && !may_be_named(p->config, p->port, s))
		return s->plaintext && choose_plain(p->config, &p->address)
						       .verdict != POLICY_PLAIN
			       ? "plaintext"
			       : NULL;
	if (s->plaintext)
		return "plaintext";
	return policy_compare(&s->dest,
		       by_address ? &by_address->dest : &p->config->base,
		       &key) > tolerated
		       ? key
		       : NULL;
}

static struct policy_choice refuse_weaker(
	const struct config_section *section, const char *key)
{
	struct policy_choice choice = refuse(
		"asks less of the server than what holds for the address, and "
		"the program did not pass connect() what its look-up gave: "
		"give the address a section that says the same");

	choice.weaker = key;
	choice.line = section->line;
	return choice;
}

/* One of the names that were lost may have a section that asks for more. */
static bool may_be_less(
	const struct place *p, const struct config_section *section)
{
	const char *key;

	return section->plaintext ||
	       policy_compare(&section->dest, &p->config->base, &key) >
		       POLICY_AS_STRICT;
}

static struct policy_choice choose_named(const struct place *p)
{
	const struct config_section *section;
	const char *key = NULL;
	bool guarded;

	if (!find_section(p, &section))
		return refuse("the names of this address have different "
			      "sections in TLSSHIM_CONFIG: give them one, or "
			      "set TLSSHIM_NAMES=latest");
	if (section != p->by_address && !p->is_identified)
		key = weakness(p, section);
	if (key)
		return refuse_weaker(section, key);
	guarded = !p->n && may_be_named(p->config, p->port, NULL);
	if (guarded && section && p->found &&
		p->found->source == NAMES_UNSURE && may_be_less(p, section))
		section = NULL;
	if (section && section->plaintext)
		return (struct policy_choice){.verdict = POLICY_PLAIN};
	if (section || guarded || rule_for(p->config, p->port))
		return choose_tls(p->config, section, p->port);
	return choose_plain(p->config, &p->address);
}

struct policy_choice policy_choose(const struct config *config,
	const struct sockaddr *addr, socklen_t len,
	const struct names_found *found)
{
	struct place p = {.config = config, .found = found};

	/* Longer than any address: the kernel says EINVAL. */
	if (len > sizeof(struct sockaddr_storage) ||
		!names_address(addr, len, &p.address))
		return (struct policy_choice){.verdict = POLICY_PLAIN};
	names_address_mean(p.address.ip);
	if (config->error[0])
		return refuse(config->error);
	p.port = port_of(addr);
	p.n = names_of(config, found);
	p.is_identified = found && found->source == NAMES_IDENTITY;
	p.by_address = section_of_address(config, &p.address, p.port);
	return choose_named(&p);
}

void policy_reason(
	char *buf, unsigned size, const struct policy_choice *refused)
{
	if (refused->weaker)
		log_format(buf, size,
			"the section in line %u of "
			"TLSSHIM_CONFIG (%s) %s",
			refused->line, refused->weaker, refused->why);
	else
		log_format(buf, size, "%s", refused->why);
}

/* The address in binary, as a certificate has it: 4 bytes for IPv4, mapped or
 * not. */
static void identity_address(
	const struct names_address *address, struct tls_identity *id)
{
	unsigned skip = names_address_is_v4(address) ? 12 : 0;

	id->ip_len = 16 - skip;
	memcpy(id->ip, address->ip + skip, id->ip_len);
	id->or_localhost = is_loopback(address);
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

/*
 * Many a program asks for this machine's own name, only to introduce itself
 * with it (SMTP's EHLO, a mail's Message-ID), and in /etc/hosts that is often
 * a loopback address: the one where a program means "localhost".  So there the
 * own name says no more than the address does, and beside another name, or
 * where it is the only one, a certificate need not have it.  What a program
 * connects to by a result of getaddrinfo() is what it says.
 */
static void identity_names(const struct config *config,
	const struct names_found *found, const struct names_address *address,
	struct tls_identity *id)
{
	bool aside = is_loopback(address) && found->source != NAMES_IDENTITY;
	const char *own = NULL;

	for (unsigned i = 0; i < names_of(config, found); i++)
		if (aside && found->own[i])
			own = found->names[i];
		else
			identity_name(found->names[i], id);
	if (!id->n_names) {
		identity_address(address, id);
		id->sni = id->or_name = own;
	}
}

/* What the settings say of SNI, in place of the name. */
static void set_sni(const struct config_dest *dest, struct tls_identity *id)
{
	if (dest->sni)
		id->sni = dest->sni[0] ? dest->sni : NULL;
}

bool policy_identity(const struct config *config,
	const struct config_dest *dest, const struct sockaddr *addr,
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
	names_address_mean(address.ip);
	if (dest->server_name) {
		identity_setting(dest->server_name, id);
		set_sni(dest, id);
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
		*source = is_latest(config, found) ? "latest of several names"
						   : several[found->n];
		break;
	case NAMES_NONE:
		identity_address(&address, id);
		set_sni(dest, id);
		*source = "address";
		return true;
	default:
		*source = "not all names that were looked up for this address "
			  "are known: TLSSHIM_SERVER_NAME can settle it, or "
			  "server-name in a section of TLSSHIM_CONFIG for "
			  "this address";
		return false;
	}
	identity_names(config, found, &address, id);
	set_sni(dest, id);
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

void policy_endpoint(char *buf, unsigned size, const char *host,
	const struct sockaddr *addr, const char *dialled)
{
	unsigned at;

	policy_destination(buf, size, host, addr);
	if (strcmp(buf, dialled) == 0)
		return;
	at = (unsigned)strlen(buf);
	log_format(buf + at, size - at, " (%s)", dialled);
}

void policy_dialled(char *buf, unsigned size, const struct sockaddr *addr,
	uint16_t tls_port)
{
	union policy_addr target = {.any = {.sa_family = AF_UNSPEC}};

	memcpy(&target, addr,
		addr->sa_family == AF_INET ? sizeof(target.in)
					   : sizeof(target.in6));
	/* The port lies at one place in both families. */
	if (tls_port)
		target.in.sin_port = htons(tls_port);
	policy_destination(buf, size, NULL, &target.any);
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

bool policy_same_address(const union policy_addr *a, const union policy_addr *b)
{
	union policy_addr x = *a, y = *b;
	socklen_t len = 0;

	policy_map_v4(&x, &len);
	policy_map_v4(&y, &len);
	return x.in6.sin6_port == y.in6.sin6_port &&
	       memcmp(&x.in6.sin6_addr, &y.in6.sin6_addr,
		       sizeof(x.in6.sin6_addr)) == 0;
}
