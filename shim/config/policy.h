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
#include "config/config.h"
#include "engine/api.h"
#include "names/names.h"

union policy_addr {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

enum policy_verdict {
	POLICY_PLAIN,  /* not selected: none of our business */
	POLICY_TLS,    /* dial choice.port, with choice.dest */
	POLICY_REFUSE, /* bad settings, no safe choice, or plaintext that is
			* denied: choice.why */
};

struct policy_choice {
	enum policy_verdict verdict;
	const struct config_dest *dest; /* what holds for it */
	uint16_t port;			/* to dial, in host order */
	const char *why; /* a clause for the log, where it is refused */
	/* Where a section by name may not hold: its line, and the key by which
	 * it is weaker; else NULL. */
	const char *weaker;
	unsigned line;
};

/* The clause for the log: at most size - 1 bytes and a NUL. */
void policy_reason(
	char *buf, unsigned size, const struct policy_choice *refused);

/* Does one destination ask as much of a peer as another? */
enum policy_rank {
	POLICY_AS_STRICT, /* what it accepts the other accepts, too */
	POLICY_OTHER,	  /* no telling: another CA, say */
	POLICY_WEAKER,
};

/* What a asks, compared to b.  *key is the first of the gravest differences,
 * as the file of TLSSHIM_CONFIG has it; NULL where there is none. */
enum policy_rank policy_compare(const struct config_dest *a,
	const struct config_dest *b, const char **key);

/* Does the choice depend on names?  Else found may be NULL below. */
bool policy_needs_names(const struct config *config);

/*
 * What to do with a stream connection to this address, in this order:
 *   not AF_INET or AF_INET6, or too short	plain (the kernel will answer)
 *   bad settings				refused
 *   names that have different sections		refused
 *   a section by name that asks less than what
 *   holds for the address, and the program did
 *   not pass the look-up's own result		refused
 *   a section, the most specific one		TLS, or plain if it is exempted
 *   no name is known, or not every one, and
 *   a section of a name has this port		TLS, as the base has it
 *   a port of TLSSHIM_PORTS			TLS
 *   plaintext is denied			refused
 *   else					plain
 *
 * A name that was looked up for an address is a guess of what a connection to
 * it is for, and whoever owns the name chooses the address.  What holds for the
 * address: its section; or the base, where TLSSHIM_PORTS has the port; or,
 * where sections of other names have the port, no less than the base (what
 * cannot be compared will do); or nothing.  A loopback address is "localhost"
 * by itself: sections of that name are sections of the address, looked up or
 * not, but for one that is weaker than another of the address.
 */
struct policy_choice policy_choose(const struct config *config,
	const struct sockaddr *addr, socklen_t len,
	const struct names_found *found);

/*
 * The name rules, in this order: the server name of the settings; identity;
 * the only name; several names (the latest is SNI, the certificate must be
 * valid for all, unless TLSSHIM_NAMES=latest); no name: the address, and for a
 * loopback address "localhost" will do as well.  Of a loopback address the name
 * that this machine has for itself need not be in the certificate where another
 * name is, or the address, or "localhost".  addr is one that
 * policy_choose() made TLS with dest.  Fills *id (which points into *found
 * and *dest; what it does not know of is zeroed) and gives the source as text
 * for the log ("setting", "lookup", "only name", "3 names", "latest of
 * several names", "address").  Returns false where no safe choice exists
 * (NAMES_UNSURE); *source is then the reason, a clause for the log.
 */
bool policy_identity(const struct config *config,
	const struct config_dest *dest, const struct sockaddr *addr,
	const struct names_found *found, struct tls_identity *id,
	const char **source);

/* Room for any name or address, brackets, a port and a NUL. */
#define POLICY_DESTINATION_MAX (NAMES_NAME_MAX + 8)

/* "host:port" or "[v6]:port" for the log; host NULL: the address in numbers
 * (an IPv4-mapped one as IPv4).  At most size - 1 bytes and a NUL. */
void policy_destination(char *buf, unsigned size, const char *host,
	const struct sockaddr *addr);

/*
 * What a log line begins with: "host:port", and where that does not tell it all
 * the endpoint that is dialled, "host:port (address:tls_port)".  host and addr
 * as above; dialled is that endpoint, as policy_dialled() has it.
 */
#define POLICY_ADDRESS_MAX (INET6_ADDRSTRLEN + 9)
#define POLICY_ENDPOINT_MAX (POLICY_DESTINATION_MAX + POLICY_ADDRESS_MAX + 3)
void policy_endpoint(char *buf, unsigned size, const char *host,
	const struct sockaddr *addr, const char *dialled);

/* "address:tls_port" of addr in numbers; tls_port in host order, 0: addr's. */
void policy_dialled(char *buf, unsigned size, const struct sockaddr *addr,
	uint16_t tls_port);

/* Are both the same address and port?  IPv4-mapped ones are IPv4. */
bool policy_same_address(
	const union policy_addr *a, const union policy_addr *b);

/* An IPv4 address becomes the IPv4-mapped IPv6 one. */
void policy_map_v4(union policy_addr *addr, socklen_t *len);

#endif
