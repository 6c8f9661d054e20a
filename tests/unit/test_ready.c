/* SPDX-License-Identifier: MIT */
/*
 * Readiness: each rule by itself, and then against the kernel: for a plain
 * TCP connection brought into every situation of ready.c's list, poll(2) is
 * asked, and ready_tell() must say the same of the equivalent state.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "conn/ready.h"

#define IN (POLLIN | POLLRDNORM)
#define OUT (POLLOUT | POLLWRNORM)
#define ALL (IN | OUT | POLLPRI | POLLRDBAND | POLLWRBAND | POLLMSG | POLLRDHUP)

static void asks_the_kernel(void **state)
{
	static const struct {
		const char *what;
		struct ready_state st;
		short asked, ask;
	} rows[] = {
		{"connecting", {.phase = READY_CONNECTING}, POLLIN, POLLOUT},
		{"connecting, nothing asked", {.phase = READY_CONNECTING}, 0,
			POLLOUT},
		{"handshaking", {.phase = READY_HANDSHAKING}, POLLOUT, POLLIN},
		{"handshaking, nothing asked", {.phase = READY_HANDSHAKING}, 0,
			POLLIN},
		{"handshaking, output waits",
			{.phase = READY_HANDSHAKING, .wants_write = true}, 0,
			POLLIN | POLLOUT},
		{"open, nothing asked", {.phase = READY_OPEN}, 0, 0},
		{"open, reader", {.phase = READY_OPEN}, POLLIN, POLLIN},
		{"open, libcurl's reader", {.phase = READY_OPEN},
			POLLRDNORM | POLLRDBAND | POLLPRI, POLLIN},
		{"open, asks for what TCP has not", {.phase = READY_OPEN},
			POLLPRI | POLLRDBAND | POLLWRBAND, 0},
		{"open, already readable",
			{.phase = READY_OPEN, .readable = true}, POLLIN, 0},
		{"open, at the end", {.phase = READY_OPEN, .read_end = true},
			POLLIN, 0},
		{"open, end asked", {.phase = READY_OPEN}, POLLRDHUP,
			POLLIN | POLLRDHUP},
		{"open, end asked, readable",
			{.phase = READY_OPEN, .readable = true}, POLLRDHUP,
			POLLRDHUP},
		{"open, writer", {.phase = READY_OPEN}, POLLOUT, POLLOUT},
		{"open, WRNORM writer", {.phase = READY_OPEN}, POLLWRNORM,
			POLLOUT},
		{"open, both", {.phase = READY_OPEN}, POLLIN | POLLOUT,
			POLLIN | POLLOUT},
		{"open, reader, output waits",
			{.phase = READY_OPEN, .wants_write = true}, POLLIN,
			POLLIN | POLLOUT},
		{"open, nothing asked, output waits",
			{.phase = READY_OPEN, .wants_write = true}, 0, POLLOUT},
		{"failed", {.phase = READY_FAILED, .has_error = true}, ALL, 0},
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		short ask = ready_ask(&rows[i].st, rows[i].asked);

		if (ask != rows[i].ask)
			fail_msg("%s: asks %#x, not %#x", rows[i].what, ask,
				rows[i].ask);
	}
}

static void tells_the_program(void **state)
{
	const short everything = ALL | POLLHUP | POLLERR;
	static const struct ready_state
		connecting = {.phase = READY_CONNECTING},
		handshaking = {.phase = READY_HANDSHAKING},
		failed = {.phase = READY_FAILED},
		failed_now = {.phase = READY_FAILED, .has_error = true};
	const struct {
		const char *what;
		struct ready_state st;
		short asked, kernel, tell;
	} rows[] = {
		{"connecting", connecting, ALL, everything, 0},
		{"handshaking", handshaking, ALL, everything, 0},
		{"failed", failed_now, ALL, 0,
			IN | OUT | POLLRDHUP | POLLHUP | POLLERR},
		{"failed, error told", failed, ALL, 0,
			IN | OUT | POLLRDHUP | POLLHUP},
		{"failed, nothing asked", failed_now, 0, 0, POLLHUP | POLLERR},
		{"failed, reader", failed, POLLIN, 0, POLLIN | POLLHUP},
		{"kernel's input is not ours", {.phase = READY_OPEN}, ALL, IN,
			0},
		{"readable", {.phase = READY_OPEN, .readable = true}, ALL, 0,
			IN},
		{"readable, only one word asked",
			{.phase = READY_OPEN, .readable = true}, POLLRDNORM, 0,
			POLLRDNORM},
		{"readable, not asked", {.phase = READY_OPEN, .readable = true},
			POLLOUT, 0, 0},
		{"writable", {.phase = READY_OPEN}, ALL, OUT, OUT},
		{"writable, kernel was asked POLLOUT alone",
			{.phase = READY_OPEN}, POLLWRNORM, POLLOUT, POLLWRNORM},
		{"output waits", {.phase = READY_OPEN, .wants_write = true},
			ALL, OUT, 0},
		{"kernel not asked yet", {.phase = READY_OPEN}, ALL, 0, 0},
		{"write end, output waits",
			{.phase = READY_OPEN,
				.wants_write = true,
				.write_end = true},
			ALL, 0, OUT},
		{"close_notify read, no FIN",
			{.phase = READY_OPEN, .read_end = true}, ALL, 0,
			IN | POLLRDHUP},
		{"close_notify read, FIN not asked",
			{.phase = READY_OPEN, .read_end = true}, POLLIN, 0,
			POLLIN},
		{"FIN before data is read",
			{.phase = READY_OPEN, .readable = true}, ALL,
			IN | OUT | POLLRDHUP, IN | OUT | POLLRDHUP},
		{"both ends by close_notify",
			{.phase = READY_OPEN,
				.read_end = true,
				.write_end = true},
			0, 0, POLLHUP},
		{"kernel hangs up", {.phase = READY_OPEN}, 0, POLLHUP, POLLHUP},
		{"kernel's error", {.phase = READY_OPEN}, 0, POLLERR, POLLERR},
		{"error not told yet", {.phase = READY_OPEN, .has_error = true},
			ALL, 0, IN | OUT | POLLERR},
		{"never what TCP has not",
			{.phase = READY_OPEN, .readable = true}, ALL,
			everything, IN | OUT | POLLRDHUP | POLLHUP | POLLERR},
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		short tell =
			ready_tell(&rows[i].st, rows[i].asked, rows[i].kernel);

		if (tell != rows[i].tell)
			fail_msg("%s: tells %#x, not %#x", rows[i].what, tell,
				rows[i].tell);
	}
}

/* No event but ERR and HUP is ever told that was not asked. */
static void tells_only_what_was_asked(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 4u << 5; bits++) {
		struct ready_state st = {.phase = bits >> 5,
			.wants_write = bits & 1,
			.readable = bits & 2,
			.read_end = bits & 4,
			.write_end = bits & 8,
			.has_error = bits & 16};

		for (short asked = 1; asked < 0x4000; asked *= 2)
			assert_int_equal(
				0, ready_tell(&st, asked, -1) &
					   ~(asked | POLLERR | POLLHUP));
	}
}

/* A pair of connected TCP sockets: ours and the peer's. */
struct pair {
	int ours, peer;
};

static int listener(struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*addr = (struct sockaddr_in){.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_return_code(bind(fd, (struct sockaddr *)addr, len), errno);
	getsockname(fd, (struct sockaddr *)addr, &len);
	return fd;
}

static struct pair connected(void)
{
	struct sockaddr_in addr;
	int fd = listener(&addr);
	struct pair p = {socket(AF_INET, SOCK_STREAM, 0), -1};

	assert_return_code(listen(fd, 1), errno);
	assert_return_code(
		connect(p.ours, (struct sockaddr *)&addr, sizeof(addr)), errno);
	p.peer = accept(fd, NULL, NULL);
	assert_return_code(p.peer, errno);
	close(fd);
	return p;
}

static short kernel_says(int fd)
{
	struct pollfd p = {.fd = fd, .events = ALL};

	assert_return_code(poll(&p, 1, 0), errno);
	return p.revents;
}

/* What the peer did takes a moment to arrive. */
static void await(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	assert_int_equal(1, poll(&p, 1, 5000));
}

static void fill(int fd)
{
	static const char block[1 << 16];

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(EAGAIN, errno);
}

static void reset_by_peer(struct pair *p)
{
	struct linger now = {1, 0};

	setsockopt(p->peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(p->peer);
	p->peer = -1;
	await(p->ours, POLLRDHUP);
}

static int so_error(int fd)
{
	int error = -1;
	socklen_t len = sizeof(error);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return error;
}

static void do_nothing(struct pair *p)
{
	(void)p;
}

static void do_data(struct pair *p)
{
	assert_int_equal(1, write(p->peer, "x", 1));
	await(p->ours, POLLIN);
}

static void do_full(struct pair *p)
{
	fill(p->ours);
}

static void do_fin(struct pair *p)
{
	shutdown(p->peer, SHUT_WR);
	await(p->ours, POLLRDHUP);
}

static void do_data_fin(struct pair *p)
{
	do_data(p);
	do_fin(p);
}

static void do_shut_wr(struct pair *p)
{
	shutdown(p->ours, SHUT_WR);
}

static void do_full_shut_wr(struct pair *p)
{
	fill(p->ours);
	shutdown(p->ours, SHUT_WR);
}

static void do_shut_rd(struct pair *p)
{
	shutdown(p->ours, SHUT_RD);
}

static void do_shut_rdwr(struct pair *p)
{
	shutdown(p->ours, SHUT_RDWR);
}

static void do_fin_shut_wr(struct pair *p)
{
	do_fin(p);
	shutdown(p->ours, SHUT_WR);
}

static void do_reset(struct pair *p)
{
	reset_by_peer(p);
}

static void do_reset_told(struct pair *p)
{
	reset_by_peer(p);
	assert_int_equal(ECONNRESET, so_error(p->ours));
}

static void do_data_reset(struct pair *p)
{
	do_data(p);
	reset_by_peer(p);
}

static void do_refused(struct pair *p)
{
	struct sockaddr_in addr;
	int nobody = listener(&addr); /* bound, but not listening */

	close(p->ours);
	p->ours = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(
		-1, connect(p->ours, (struct sockaddr *)&addr, sizeof(addr)));
	await(p->ours, POLLOUT);
	close(nobody);
}

static void do_refused_told(struct pair *p)
{
	do_refused(p);
	assert_int_equal(ECONNREFUSED, so_error(p->ours));
}

/* do brings a plain connection into the situation that st describes; kernel
 * is what the real socket of the TLS connection would say there. */
static void says_what_plain_tcp_says(void **state)
{
	static const struct {
		const char *what;
		void (*act)(struct pair *p);
		struct ready_state st;
		short kernel;
	} rows[] = {
		{"idle", do_nothing, {.phase = READY_OPEN}, POLLOUT},
		{"data", do_data, {.phase = READY_OPEN, .readable = true},
			POLLIN | POLLOUT},
		{"full", do_full, {.phase = READY_OPEN, .wants_write = true},
			0},
		{"FIN", do_fin, {.phase = READY_OPEN, .read_end = true},
			POLLIN | POLLOUT | POLLRDHUP},
		{"data, FIN", do_data_fin,
			{.phase = READY_OPEN, .readable = true},
			POLLIN | POLLOUT | POLLRDHUP},
		{"SHUT_WR", do_shut_wr,
			{.phase = READY_OPEN, .write_end = true}, POLLOUT},
		{"full, SHUT_WR", do_full_shut_wr,
			{.phase = READY_OPEN,
				.wants_write = true,
				.write_end = true},
			0},
		{"SHUT_RD", do_shut_rd, {.phase = READY_OPEN, .read_end = true},
			POLLOUT},
		{"SHUT_RDWR", do_shut_rdwr,
			{.phase = READY_OPEN,
				.read_end = true,
				.write_end = true},
			POLLOUT},
		{"FIN, SHUT_WR", do_fin_shut_wr,
			{.phase = READY_OPEN,
				.read_end = true,
				.write_end = true},
			POLLIN | POLLOUT | POLLRDHUP | POLLHUP},
		{"reset", do_reset, {.phase = READY_FAILED, .has_error = true},
			0},
		{"reset, told", do_reset_told, {.phase = READY_FAILED}, 0},
		{"data, reset", do_data_reset,
			{.phase = READY_FAILED, .has_error = true}, 0},
		{"refused", do_refused,
			{.phase = READY_FAILED, .has_error = true}, 0},
		{"refused, told", do_refused_told, {.phase = READY_FAILED}, 0},
	};

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct pair p = connected();
		short plain, tell;

		rows[i].act(&p);
		plain = kernel_says(p.ours);
		tell = ready_tell(&rows[i].st, ALL, rows[i].kernel);
		if (tell != plain)
			fail_msg("%s: tells %#x, plain TCP %#x", rows[i].what,
				tell, plain);
		close(p.ours);
		close(p.peer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_the_kernel),
		cmocka_unit_test(tells_the_program),
		cmocka_unit_test(tells_only_what_was_asked),
		cmocka_unit_test(says_what_plain_tcp_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
