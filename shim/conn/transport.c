/* SPDX-License-Identifier: MIT */
/*
 * The engine's callbacks: ciphertext in and out of the real socket, without
 * waiting.
 */
#include "conn/transport.h"

#include <errno.h>
#include <sys/socket.h>
#include "base/real.h"
#include "conn/conn.h"
#include "conn/report.h"

static ssize_t transport_recv(void *owner, void *buf, size_t len)
{
	struct conn *c = owner;
	int kept = atomic_exchange(&c->kernel_error, 0);
	ssize_t got;

	if (kept)
		return -kept;
	got = real(recv)(c->real, buf, len, MSG_DONTWAIT);
	/* The end that SHUT_RD made is not the peer's. */
	if (got == 0 && c->read_shut)
		return -EAGAIN;
	if (got < 0)
		return -errno;
	c->pulled += (size_t)got;
	c->pulled_all = (size_t)got < len;
	return got;
}

static ssize_t transport_send(void *owner, const void *buf, size_t len)
{
	struct conn *c = owner;
	int kept = atomic_exchange(&c->kernel_error, 0);
	ssize_t sent;

	if (kept)
		return -kept;
	sent = real(send)(c->real, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	/* In a copy of the process, made in a signal handler that interrupted
	 * this very call: as on the placeholder that is left. */
	if (sent < 0 && c->real < 0)
		return -EPIPE;
	if (sent < 0)
		return -errno;
	if (c->nodelay_lent && c->has_spoken)
		conn_return_nodelay(c);
	return sent;
}

static void transport_trace(void *owner, const char *step)
{
	struct conn *c = owner;

	report_step(c, step);
}

const struct tls_transport transport_quiet = {
	transport_recv, transport_send, NULL};
const struct tls_transport transport_traced = {
	transport_recv, transport_send, transport_trace};
