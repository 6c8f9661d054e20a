/* SPDX-License-Identifier: MIT */
/*
 * Bounded memory of which names an address came from: what getaddrinfo(),
 * gethostbyname() and their kin answered, in this process and in those that
 * have its user, groups and root and come from one another by fork() (lftp,
 * irssi and lynx look up in a child and connect in the parent).  What others
 * told adds demands to the names that this process looked up itself, and counts
 * alone where it has none.  The live results of getaddrinfo() are known too, so
 * that a sockaddr that still lies in one is recognised by its identity.
 *
 * Addresses are kept as IPv6; IPv4 ones and IPv4-mapped ones are the same,
 * and so are link-local ones of different scopes.
 */
#ifndef TLSSHIM_NAMES_H
#define TLSSHIM_NAMES_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define NAMES_NAME_MAX 254 /* with the NUL: RFC 1035 2.3.4 allows 253 */
#define NAMES_FOUND_MAX 8

enum names_kind {
	NAMES_IS_NAME,	  /* a host name, now in its canonical form */
	NAMES_IS_ADDRESS, /* an address in digits: "127.1", "fe80::1%lo" */
	NAMES_IS_NEITHER, /* no certificate can name it */
};

/*
 * Pure.  What kind of node (as in getaddrinfo(3)) is this?  A name goes into
 * canonical: ASCII letters in lower case, a trailing dot dropped; at most 253
 * bytes of letters, digits, '-' and '_' in labels of 1 to 63 bytes, the last
 * of which is no number.
 */
enum names_kind names_canonical(
	const char *node, char canonical[NAMES_NAME_MAX]);

/* What libc asks for where the program gave it `node` with AI_IDN: "xn--..." in
 * ascii, or node itself where that is not known. */
const char *names_ascii(const char *node, char ascii[NAMES_NAME_MAX]);

/* Begins to remember.  Called once, where ports are selected.  Returns 0 or an
 * errno value; before that, or when it failed, every address is NAMES_UNSURE.
 * The errno variable is left as found. */
int names_setup(void);

/*
 * Before the user, the groups, the root or the system calls of this process are
 * restricted: from now on it and its former kin tell each other nothing.  What
 * it knows it keeps.  Leaves errno as found; does nothing before names_setup().
 */
void names_part(void);

/*
 * getaddrinfo() or getaddrinfo_a() answered `result` for `node`: remembers
 * the name for each address, and the identity of each ai_addr until
 * names_forget(result).  A NULL node and an address are not remembered.  What
 * was looked up but cannot be remembered (NAMES_IS_NEITHER) leaves its
 * addresses NAMES_UNSURE: another name must not answer for it.  Takes a short
 * lock of this process; errno is left as found.
 */
void names_learn_result(const char *node, const struct addrinfo *result);

/* To be called before freeaddrinfo(result), which may also be a part of a
 * list that the program took apart. */
void names_forget(const struct addrinfo *result);

/* gethostbyname() and kin answered `host` for `node`. */
void names_learn_hostent(const char *node, const struct hostent *host);

enum names_source {
	NAMES_NONE,	/* no lookup gave this address */
	NAMES_IDENTITY, /* the sockaddr lies in a live result of getaddrinfo */
	NAMES_ONLY,	/* the only name ever seen for the address */
	NAMES_SEVERAL,	/* more than one: names[0] is the latest */
	NAMES_UNSURE,	/* names of this address were lost (memory full) */
};

struct names_found {
	enum names_source source;
	unsigned n; /* names in use */
	char names[NAMES_FOUND_MAX][NAMES_NAME_MAX];
	/* The name that this machine has for itself, gethostname(2). */
	bool own[NAMES_FOUND_MAX];
};

/*
 * Which name was meant by this address?  `addr` is the caller's own pointer
 * (for identity); the address in it is compared too, but not the port, which
 * programs set in place.  More names than fit: UNSURE.  AF_INET and AF_INET6
 * only.  Does not block but for the short lock.
 */
void names_find(
	const struct sockaddr *addr, socklen_t len, struct names_found *found);

/*
 * An address as the tables and certificates know it.  False: neither AF_INET
 * nor AF_INET6, or shorter than the kernel accepts.
 */
struct names_address {
	unsigned char ip[16]; /* IPv4: mapped, ::ffff:a.b.c.d */
};
bool names_address(
	const struct sockaddr *addr, socklen_t len, struct names_address *out);
void names_address_v4(const void *in_addr, struct names_address *out);
bool names_address_is_v4(const struct names_address *address);
/* Whoever says "any address" means this host: Linux connects 0.0.0.0 and :: to
 * the loopback ones, for which they are exchanged here. */
void names_address_mean(unsigned char ip[16]);
bool names_address_equal(
	const struct names_address *a, const struct names_address *b);

/* In the child of a fork: another thread of the parent may have held the
 * lock. */
void names_fork_child(void);

/* The time by which names move, in seconds; for tests. */
extern uint32_t (*names_now)(void);

#endif
