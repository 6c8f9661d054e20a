/* SPDX-License-Identifier: MIT */
/*
 * Opens connections.  Knows the order of things: policy, engine, trust, name,
 * real socket, options, session, table, and only then the network.
 */
#include "connect/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include "base/fail.h"
#include "base/fdtab.h"
#include "base/highfd.h"
#include "base/keeper.h"
#include "base/kernel.h"
#include "base/real.h"
#include "base/scope.h"
#include "base/sock.h"
#include "config/config.h"
#include "config/policy.h"
#include "conn/descriptors.h"
#include "conn/report.h"
#include "conn/transport.h"
#include "conn/wait.h"
#include "connect/carry.h"
#include "event/epollset.h"
#include "handoff/goodbye.h"
#include "handoff/origin.h"
#include "handoff/plug.h"
#include "handoff/quiesce.h"
#include "log/log.h"
#include "names/names.h"
#include "tls/contexts.h"
#include "tls/engine_lock.h"
#include "tls/loader.h"

/* ---- which sockets ---- */

enum kind { KIND_TCP, KIND_OTHER, KIND_UNKNOWN };

/* Unknown: a seccomp filter, say, hides what it is, and it may be TCP. */
static enum kind kind_of(int fd)
{
	int domain = sock_int(fd, SOL_SOCKET, SO_DOMAIN);
	int type = domain < 0 ? -1 : sock_int(fd, SOL_SOCKET, SO_TYPE);

	if (type < 0)
		return errno == EBADF || errno == ENOTSOCK ? KIND_OTHER
							   : KIND_UNKNOWN;
	return type == SOCK_STREAM && (domain == AF_INET || domain == AF_INET6)
		       ? KIND_TCP
		       : KIND_OTHER;
}

/* A socket that is connected, connecting or listening by means that we did
 * not see: the kernel will say EISCONN, EALREADY. */
static bool is_in_use(int fd)
{
	int state = sock_tcp_state(fd);

	return state >= 0 && state != TCP_CLOSE;
}

/* What to do with this address; *found is filled in where that asks for
 * names. */
static struct policy_choice choose(
	const struct sockaddr *addr, socklen_t len, struct names_found *found)
{
	const struct config *config = config_get();

	found->source = NAMES_NONE;
	found->n = 0;
	if (!policy_needs_names(config))
		return policy_choose(config, addr, len, NULL);
	names_find(addr, len, found);
	return policy_choose(config, addr, len, found);
}

bool dial_wants(const struct sockaddr *addr, socklen_t len)
{
	struct names_found found;

	return config_active() &&
	       choose(addr, len, &found).verdict != POLICY_PLAIN;
}

/* ---- numbers ---- */

struct naming {
	struct conn *c;
	struct stat file;
	bool shared;
};

static void name_it(struct naming *all, int fd)
{
	all->shared |= origin_is_shared(fd);
	descriptor_set(fd, all->c);
	if (conn_lock(all->c) != 0)
		return;
	epollset_adopt(all->c, fd);
	conn_unlock(all->c);
}

static bool name_sibling(int fd, uintptr_t cell, void *arg)
{
	struct naming *all = arg;
	struct stat st;

	if (cell <= FDTAB_NOTES && (cell & FDTAB_MARKED) &&
		kernel_fstat(fd, &st) == 0 && st.st_ino == all->file.st_ino &&
		st.st_dev == all->file.st_dev)
		name_it(all, fd);
	return true;
}

/* All numbers of the program's socket name the connection from now on.  May
 * others use it, who have no number here? */
static bool set_numbers(struct conn *c, int fd)
{
	struct naming all = {.c = c};
	bool copied = fdtab_has_note(fd, FDTAB_MARKED) &&
		      kernel_fstat(fd, &all.file) == 0;

	name_it(&all, fd);
	if (copied)
		fdtab_each(0, FDTAB_MAX - 1, name_sibling, &all);
	return all.shared;
}

/* ---- the steps of opening ---- */

/* Whom the peer must prove to be; false: no safe choice, name_source says
 * why.  found may have been filled in to choose the destination. */
static bool choose_identity(struct conn *c, const struct sockaddr *addr,
	struct names_found *found, uint16_t tls_port, struct tls_identity *id)
{
	const struct config *config = config_get();
	const char *host;
	bool safe;

	if (!c->dest->server_name && !policy_needs_names(config))
		names_find(addr, c->addr_len, found);
	safe = policy_identity(
		config, c->dest, &c->dialled.any, found, id, &c->name_source);
	c->several_names = id->n_names > 1;
	host = found->n ? found->names[0] : c->dest->server_name;
	policy_destination(c->key, sizeof(c->key), host, &c->dialled.any);
	policy_dialled(
		c->address, sizeof(c->address), &c->dialled.any, tls_port);
	policy_endpoint(c->destination, sizeof(c->destination), host,
		&c->dialled.any, c->address);
	log_format(c->name, sizeof(c->name), "%s",
		id->n_names ? id->names[0] : "the address");
	id->cache_key = c->key;
	return safe;
}

/* One line for each connection that is less safe than it should be. */
static void warn_of_settings(const struct conn *c)
{
	const struct tls_settings *tls = &c->dest->tls;

	char text[512];

	if (tls->verify == TLS_VERIFY_INSECURE_NO_NAME)
		report_warning(c, "whose certificate it is is not checked "
				  "(TLSSHIM_VERIFY=insecure-no-name)");
	if (tls->verify == TLS_VERIFY_INSECURE_NONE)
		report_warning(c, "the server's certificate is not verified "
				  "(TLSSHIM_VERIFY=insecure-none)");
	if (tls->eof_insecure_lax)
		report_warning(c,
			"an end without close_notify will pass for the "
			"server's (TLSSHIM_EOF=insecure-lax)");
	if (!tls->keylog_file)
		return;
	log_format(text, sizeof(text),
		"the session's secrets are written to %s "
		"(TLSSHIM_KEYLOG=insecure-yes)",
		tls->keylog_file);
	report_warning(c, text);
}

/* A socket of the same kind as the program's, or -1 with errno. */
static int new_socket(int fd)
{
	return real(socket)(sock_int(fd, SOL_SOCKET, SO_DOMAIN),
		SOCK_STREAM | SOCK_CLOEXEC,
		sock_int(fd, SOL_SOCKET, SO_PROTOCOL));
}

/* Where the program's limit leaves no room for it, above that limit: to the
 * program the connection is one descriptor. */
static int new_socket_beyond(int fd)
{
	struct engine_passage p = engine_enter();
	struct highfd_limit limit = highfd_raise();
	int s = new_socket(fd);

	if (s >= 0)
		s = highfd_beyond(s, &limit);
	highfd_restore(&limit);
	engine_leave(&p);
	return s;
}

static int open_real(struct conn *c, int fd)
{
	int s = new_socket(fd);

	if (s >= 0)
		s = highfd_move(s);
	if (s >= 0 && highfd_is_dear(s)) {
		real(close)(s);
		s = -1;
		errno = EMFILE;
	}
	if (s < 0 && errno == EMFILE)
		s = new_socket_beyond(fd);
	if (s < 0)
		return errno;
	if (!fdtab_hide(s, c)) {
		real(close)(s);
		return EMFILE;
	}
	c->real = s;
	return 0;
}

static void set_target(struct conn *c, uint16_t tls_port)
{
	in_port_t *port = c->dialled.any.sa_family == AF_INET
				  ? &c->target.in.sin_port
				  : &c->target.in6.sin6_port;

	c->target = c->dialled;
	*port = htons(tls_port);
}

static const char no_descriptor[] =
	"no descriptor is free, and a TLS connection takes two: raise the "
	"limit (ulimit -n)";

static int refuse(const struct conn *c, int err, const char *why)
{
	report_refused(c, err, why, NULL);
	return err;
}

/* Everything before the network: 0, or the errno value of a refusal. */
static int prepare(struct conn *c, int fd, const struct sockaddr *addr,
	struct names_found *found, uint16_t tls_port)
{
	struct tls_failure why = {.kind = TLS_FAIL_NONE};
	struct tls_identity id;
	struct tls_context *ctx;
	bool safe = choose_identity(c, addr, found, tls_port, &id);
	struct engine_passage p;
	int err;

	if (!safe && c->dest->tls.verify == TLS_VERIFY_FULL)
		return refuse(c, EACCES, c->name_source);
	ctx = contexts_get(c->dest, &why);
	if (!ctx && !highfd_is_one_free(fd))
		return refuse(c, EMFILE, no_descriptor); /* no file's fault */
	if (!ctx)
		return refuse(c, conn_errno(&why), why.text);
	c->tls = tls_loaded();
	/* Only now: the last free number serves for the files first. */
	err = open_real(c, fd);
	if (err)
		return refuse(c, err,
			err == EMFILE ? no_descriptor : strerrordesc_np(err));
	warn_of_settings(c);
	err = carry_over(fd, c->real, why.text, sizeof(why.text));
	if (err)
		return refuse(c, err, why.text);
	conn_learn_options(c, fd);
	conn_lend_nodelay(c, fd);
	set_target(c, tls_port);
	c->cookie = sock_cookie(fd);
	p = engine_enter();
	c->session = c->tls->session_new(ctx, &id,
		log_wants(LOG_LEVEL_DEBUG) ? &transport_traced
					   : &transport_quiet,
		c);
	engine_leave(&p);
	if (!c->session)
		return refuse(c, ENOMEM, "out of memory");
	return fdtab_reserve(fd) ? 0 : refuse(c, EMFILE, no_descriptor);
}

static bool is_plugged(struct conn *c)
{
	bool plugged = false;

	if (conn_lock(c) == 0) {
		plugged = c->state == CONN_PLUGGED;
		conn_unlock(c);
	}
	return plugged;
}

/* The kernel tells the error of a socket once, us or a relay that was to open
 * the connection meanwhile: the errno value that both know from now on. */
static int tell_relay(struct conn *c, int err)
{
	int pending = EINPROGRESS;

	if (!atomic_compare_exchange_strong(c->outcome, &pending, err) &&
		pending)
		err = pending;
	return err;
}

/* The program's socket can be connected again, all its copies too. */
static int make_fresh(struct conn *c, int fd, bool plugged, int err)
{
	const struct sockaddr none = {.sa_family = AF_UNSPEC};

	conn_forget_numbers(c);
	if (plugged)
		real(connect)(fd, &none, sizeof(none));
	return fail(err);
}

/* The TCP connection fails at once. */
static int give_up(struct conn *c, int fd, int err)
{
	bool plugged = false;

	if (conn_lock(c) == 0) {
		plugged = c->state == CONN_PLUGGED;
		if (plugged)
			err = tell_relay(c, err);
		else
			conn_fail_tcp(c, err);
		conn_unlock(c);
	}
	return make_fresh(c, fd, plugged, err);
}

/* Blocks until the connection is open, as connect(2) does. */
static int finish_blocking(struct conn *c, int fd)
{
	int err = wait_open(c, fd, wait_deadline(c->send_timeout));

	if (err == EAGAIN)
		err = EINPROGRESS; /* SO_SNDTIMEO is over: socket(7) */
	if (err && err != EINPROGRESS && err != EINTR)
		return make_fresh(c, fd, is_plugged(c), err);
	if (err)
		return fail(err);
	c->told = true;
	return 0;
}

static int start_nonblocking(struct conn *c, int fd)
{
	int flags = real(fcntl)(c->real, F_GETFL);
	int r, err;

	real(fcntl)(c->real, F_SETFL, flags | O_NONBLOCK);
	r = wait_connect(c, &c->target.any, c->addr_len);
	err = r < 0 ? errno : 0;
	/* Waits on it are told apart call by call. */
	real(fcntl)(c->real, F_SETFL, flags & ~O_NONBLOCK);
	if (err && err != EINPROGRESS)
		return give_up(c, fd, err);
	return fail(EINPROGRESS);
}

static int start(struct conn *c, int fd, bool nonblocking)
{
	if (nonblocking)
		return start_nonblocking(c, fd);
	if (wait_connect(c, &c->target.any, c->addr_len) == 0)
		return finish_blocking(c, fd);
	/* Interrupted, or SO_SNDTIMEO over: it goes on by itself. */
	if (errno == EINTR || errno == EINPROGRESS)
		return -1;
	return give_up(c, fd, errno);
}

/* What a log line begins with where there is no connection. */
static void describe(char where[CONN_DESTINATION_MAX],
	const struct sockaddr *addr, const struct names_found *found)
{
	char dialled[POLICY_ADDRESS_MAX];

	policy_dialled(dialled, sizeof(dialled), addr, 0);
	policy_endpoint(where, CONN_DESTINATION_MAX,
		found->n ? found->names[0] : NULL, addr, dialled);
}

/* Before there is a connection. */
static int refuse_early(const struct sockaddr *addr,
	const struct names_found *found, int err, const char *why)
{
	char where[CONN_DESTINATION_MAX];

	describe(where, addr, found);
	report_refused_early(where, err, why);
	return fail(err);
}

/* What the program dials.  Whoever says "any address" means this host, as the
 * kernel has it: ip_route_connect(), tcp_v6_connect(). */
static void note_dialled(
	struct conn *c, const struct sockaddr *addr, socklen_t len)
{
	/* libc's in6addr_loopback would be looked up in every process. */
	static const struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;
	static const struct in6_addr mapped_any = {
		.s6_addr = {[10] = 0xff, [11] = 0xff}};
	struct in_addr *v4 = &c->dialled.in.sin_addr;
	struct in6_addr *v6 = &c->dialled.in6.sin6_addr;

	c->addr_len = len < sizeof(c->dialled) ? len : sizeof(c->dialled);
	memcpy(&c->dialled, addr, c->addr_len);
	if (addr->sa_family == AF_INET && v4->s_addr == htonl(INADDR_ANY))
		v4->s_addr = htonl(INADDR_LOOPBACK);
	if (addr->sa_family != AF_INET6)
		return;
	if (IN6_IS_ADDR_UNSPECIFIED(v6))
		*v6 = loopback;
	else if (IN6_ARE_ADDR_EQUAL(v6, &mapped_any))
		v6->s6_addr32[3] = htonl(INADDR_LOOPBACK);
}

static bool is_under_way(void)
{
	return errno == EINPROGRESS || errno == EINTR;
}

/* Others may use it at once; none of them can say goodbye. */
static void hand_over(int fd)
{
	int saved_errno = errno;

	plug_fd(fd);
	goodbye_given(fd);
	errno = saved_errno;
}

static bool has_failed(struct conn *c)
{
	bool failed = false;

	if (conn_lock(c) == 0) {
		failed = c->state == CONN_FAILED;
		conn_unlock(c);
	}
	return failed;
}

/* O_ASYNC: the kernel sends the signals, of the socket that the program has. */
static void give_signals(struct conn *c, int fd)
{
	plug_fd(fd);
	if (has_failed(c))
		plug_refused(fd);
}

/* For debugging: why is this connection not TLS? */
static void tell_left_alone(
	int fd, const struct sockaddr *addr, const struct names_found *found)
{
	char where[CONN_DESTINATION_MAX];

	if (!log_wants(LOG_LEVEL_DEBUG) || kind_of(fd) != KIND_TCP)
		return;
	describe(where, addr, found);
	log_line(LOG_LEVEL_DEBUG,
		"%s: left alone: not selected by TLSSHIM_PORTS or a section "
		"of TLSSHIM_CONFIG, or exempted by one",
		where);
}

static const struct conn_ops ops = {
	.send_rest = plug_rest,
	.copied = quiesce_disown,
};

/*
 * A library behind ours that connects from within one of its own calls, as
 * fakeroot-tcp does, may hold a lock there.  Opening a connection makes such
 * calls, by the same library, which would wait for itself.
 */
static const char *waits_for_itself(const void *caller)
{
	const void *next = (const void *)(uintptr_t)real(close);

	if (!caller || next == scope_of_libc("close"))
		return NULL;
	return scope_has_both(caller, next);
}

static int refuse_waiting(const struct sockaddr *addr,
	const struct names_found *found, const char *library)
{
	char why[256];

	log_format(why, sizeof(why),
		"%s connects from within its own close() and its kin, which "
		"a TLS connection needs: leave this port out of TLSSHIM_PORTS, "
		"or exempt it by a section with plaintext = allow",
		library);
	return refuse_early(addr, found, EACCES, why);
}

int dial_connect(
	int fd, const struct sockaddr *addr, socklen_t len, const void *caller)
{
	bool shared;
	int saved_errno = errno;
	struct names_found found;
	struct policy_choice choice = choose(addr, len, &found);
	/* Also when the thread is cancelled. */
	conn_ref struct conn *c = NULL;
	enum kind kind =
		choice.verdict == POLICY_PLAIN ? KIND_OTHER : kind_of(fd);
	char why[sizeof(config_get()->error)];
	const char *library;
	int r;

	if (kind == KIND_UNKNOWN)
		return refuse_early(addr, &found, EACCES,
			"what kind of socket this is cannot be found out "
			"(getsockopt)");
	if (kind == KIND_OTHER || is_in_use(fd)) {
		if (choice.verdict == POLICY_PLAIN)
			tell_left_alone(fd, addr, &found);
		return real(connect)(fd, addr, len);
	}
	if (choice.verdict == POLICY_REFUSE) {
		policy_reason(why, sizeof(why), &choice);
		return refuse_early(addr, &found, EACCES, why);
	}
	if (keeper_is_guest())
		return refuse_early(addr, &found, EACCES,
			"a child of vfork() runs in its parent's memory and "
			"can make no connection of its own");
	library = waits_for_itself(caller);
	if (library)
		return refuse_waiting(addr, &found, library);
	c = conn_new(&ops);
	if (!c)
		return refuse_early(addr, &found, ENOMEM,
			"no memory for the connection (mmap or madvise fails)");
	note_dialled(c, addr, len);
	c->dest = choice.dest;
	r = prepare(c, fd, addr, &found, choice.port);
	if (r == 0) {
		shared = set_numbers(c, fd);
		r = start(c, fd, c->nonblocking);
		if (shared && (r == 0 || is_under_way()))
			hand_over(fd);
		if (c->async)
			give_signals(c, fd);
	} else {
		r = fail(r);
	}
	if (r == 0)
		errno = saved_errno;
	return r;
}

int dial_again(struct conn *c, int fd, const struct sockaddr *addr)
{
	enum conn_state state;
	int err = conn_lock(c);
	bool told, wait;

	if (err)
		return fail(err);
	if (addr && addr->sa_family == AF_UNSPEC) {
		conn_unlock(c);
		conn_forget_numbers(c);
		return 0;
	}
	conn_advance(c);
	state = c->state;
	told = c->told;
	if (state == CONN_OPEN)
		c->told = true;
	if (state == CONN_FAILED)
		err = conn_take_error(c);
	wait = !conn_is_nonblocking(c, fd);
	conn_unlock(c);
	switch (state) {
	case CONN_OPEN:
		return told ? fail(EISCONN) : 0;
	case CONN_FAILED:
		conn_forget_numbers(c);
		/* SO_ERROR told it before: inet_stream_connect(). */
		return fail(err ? err : ECONNABORTED);
	case CONN_PLUGGED:
		return fail(EISCONN);
	case CONN_CONNECTING:
	case CONN_HANDSHAKING:
		break;
	}
	return wait ? finish_blocking(c, fd) : fail(EALREADY);
}
