/* SPDX-License-Identifier: MIT */
/*
 * Pure: (address, names, settings) -> leave alone, TLS, or refuse.  Decides
 * which connections are ours, where to dial and whom the peer must prove to
 * be.  No system call, no state, errno untouched.
 */
#ifndef TLSSHIM_POLICY_H
#define TLSSHIM_POLICY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include "config.h"
#include "names.h"
#include "tls.h"

union policy_addr {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

enum policy_verdict {
	POLICY_PLAIN,  /* not selected: none of our business */
	POLICY_TLS,    /* dial with the port of policy_tls_port() */
	POLICY_REFUSE, /* the settings are bad: refuse, config->error says why
			*/
};

/*
 * Is a stream connection to this address ours?  An address of another family
 * than AF_INET and AF_INET6, or shorter than the kernel accepts, is
 * POLICY_PLAIN (the kernel will answer it).
 */
enum policy_verdict policy_select(const struct config *config,
	const struct sockaddr *addr, socklen_t len);

/* The port, in host order, to dial for a selected port in host order. */
uint16_t policy_tls_port(const struct config *config, uint16_t port);

/*
 * The name rules, in this order: the server name of the settings; identity;
 * the only name; several names (the latest is SNI, the certificate must be
 * valid for all); no name: the address, and for a loopback address
 * "localhost" will do as well.  addr is one that policy_select() selected.
 * Fills *id (which points into *found and *config; what it does not know of
 * is zeroed) and gives the source as text for the log ("setting", "lookup",
 * "only name", "3 names", "address").  Returns false where no safe choice
 * exists (NAMES_UNSURE); *source is then the reason, a clause for the log.
 */
bool policy_identity(const struct config *config, const struct sockaddr *addr,
	const struct names_found *found, struct tls_identity *id,
	const char **source);

/* Room for any name or address, brackets, a port and a NUL. */
#define POLICY_DESTINATION_MAX (NAMES_NAME_MAX + 8)

/* "host:port" or "[v6]:port" for the log; host NULL: the address in numbers
 * (an IPv4-mapped one as IPv4).  At most size - 1 bytes and a NUL. */
void policy_destination(char *buf, unsigned size, const char *host,
	const struct sockaddr *addr);

/* Are both the same address and port?  IPv4-mapped ones are IPv4. */
bool policy_same_address(
	const union policy_addr *a, const union policy_addr *b);

/* An IPv4 address becomes the IPv4-mapped IPv6 one. */
void policy_map_v4(union policy_addr *addr, socklen_t *len);

#endif
