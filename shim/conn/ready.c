/* SPDX-License-Identifier: MIT */
/*
 * Readiness of a TLS connection in the kernel's own words: what tcp_poll() in
 * Linux says of a plain TCP connection is the specification, and the lists
 * below are what poll(2) gave for one on the loopback (6.18).
 */
#include "conn/ready.h"

#include <poll.h>

#define READ_EVENTS (POLLIN | POLLRDNORM)
#define WRITE_EVENTS (POLLOUT | POLLWRNORM)

/*
 *   connecting    POLLOUT, whatever the program asks: the connection must
 *                 go on
 *   handshaking   POLLIN, and POLLOUT only while output waits, else a poll
 *                 on a writable socket spins
 *   open          POLLIN for who wants to read, until it is known that a
 *                 read returns something: the kernel's bytes may be none of
 *                 the program's, or its bytes no longer the kernel's
 *                 POLLRDHUP if asked
 *                 POLLOUT for who wants to write, or while output waits
 *   failed        nothing
 *
 * POLLPRI is never asked: TLS has no urgent data (RFC 8446 has one stream).
 * POLLRDBAND and POLLWRBAND neither: TCP knows no bands.
 */
short ready_ask(const struct ready_state *st, short asked)
{
	short ask = 0;

	switch (st->phase) {
	case READY_CONNECTING:
		return POLLOUT;
	case READY_HANDSHAKING:
		return st->wants_write ? POLLIN | POLLOUT : POLLIN;
	case READY_FAILED:
		return 0;
	case READY_OPEN:
		break;
	}
	if (asked & (READ_EVENTS | POLLRDHUP) && !st->readable && !st->read_end)
		ask |= POLLIN;
	if (asked & POLLRDHUP)
		ask |= POLLRDHUP;
	if (asked & WRITE_EVENTS || st->wants_write)
		ask |= POLLOUT;
	return ask;
}

static bool is_readable(const struct ready_state *st)
{
	return st->readable || st->read_end || st->has_error;
}

/* After SHUT_WR a write fails at once, whatever the buffers hold. */
static bool is_writable(const struct ready_state *st, short kernel)
{
	return st->write_end || st->has_error ||
	       (kernel & POLLOUT && !st->wants_write);
}

/*
 * IN stands for POLLIN|POLLRDNORM, OUT for POLLOUT|POLLWRNORM; all but ERR
 * and HUP only if asked.  The kernel, of a plain TCP connection:
 *
 *   connecting                          nothing
 *   connect() failed                    IN OUT RDHUP HUP ERR
 *   ... and SO_ERROR or a read told it  IN OUT RDHUP HUP
 *   open, nothing to read               OUT
 *   ... and the send buffer is full     nothing
 *   data to read                        IN OUT
 *   the peer's FIN, read or not         IN OUT RDHUP
 *   SHUT_WR                             OUT, also when the buffer is full
 *   SHUT_RD                             IN OUT RDHUP
 *   both ends, in any way               IN OUT RDHUP HUP
 *   reset, behind data or not           IN OUT RDHUP HUP ERR
 *   ... and SO_ERROR or a read told it  IN OUT RDHUP HUP
 *
 * POLLPRI, POLLRDBAND, POLLWRBAND and POLLMSG appear nowhere.
 */
short ready_tell(const struct ready_state *st, short asked, short kernel)
{
	short tell = 0;
	const short always = POLLERR | POLLHUP;

	switch (st->phase) {
	case READY_CONNECTING:
	case READY_HANDSHAKING:
		return 0;
	case READY_FAILED:
		tell = READ_EVENTS | WRITE_EVENTS | POLLRDHUP | POLLHUP;
		if (st->has_error)
			tell |= POLLERR;
		return tell & (asked | always);
	case READY_OPEN:
		break;
	}
	if (is_readable(st))
		tell |= READ_EVENTS;
	if (is_writable(st, kernel))
		tell |= WRITE_EVENTS;
	if (st->read_end || kernel & POLLRDHUP)
		tell |= POLLRDHUP;
	if (kernel & POLLHUP || (st->read_end && st->write_end))
		tell |= POLLHUP;
	if (kernel & POLLERR || st->has_error)
		tell |= POLLERR;
	return tell & (asked | always);
}
