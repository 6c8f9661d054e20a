#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The calls that write, on TLS as on plain TCP.

load lib/oracle

@test "write, writev, pwritev2, send, sendto, sendmsg and sendmmsg arrive in turn" {
	same writing all-calls
}

@test "writev takes a hundred buffers, empty ones among them" {
	same writing many-iovecs
}

@test "writing nothing is nothing" {
	same writing zero-length
}

@test "what cannot be memory is EFAULT" {
	same writing nowhere
}

@test "urgent data is sent in its place in the stream" {
	is_sent_in_place oob
}

@test "urgent data of a connection that was handed over, too" {
	is_sent_in_place oob-handed-over
	assert_log "handed over to a relay"
}

# On plain TCP its last byte is not among what the peer reads.
is_sent_in_place()
{
	shows writing "$1" <<-'END'
	send = 3
	write = 2
	sendmsg = 3
	sendto = 1
	recv = -1 EINVAL
	AB!CDEF!G
	write = 1
	H
	status 0
	peer: 10 bytes 88c32fbd5406218c end
	END
}

@test "sendfile sends a file, from its position or an offset, to its end" {
	same writing sendfile
}

@test "splice moves a pipe's bytes into a connection" {
	same writing splice-out
}

@test "splice moves a connection's bytes into a pipe" {
	same writing splice-in
}

@test "splice moves what a pipe has room for, and does not wait for more room" {
	same writing splice-in-little-room
}

@test "splice takes nothing from a pipe that another thread has filled the socket before" {
	same writing splice-out-crowd
}

@test "a slow reader makes EAGAIN, and poll tells when there is room" {
	same writing slow-reader
}

@test "a blocking write of 12 MB is written whole" {
	same writing blocking-whole
}

@test "MSG_DONTWAIT and RWF_NOWAIT do not wait for room" {
	same writing dontwait
}

@test "SO_SNDTIMEO ends a write with EAGAIN, or with what was taken" {
	same writing send-timeout
}

@test "writing after shutdown(SHUT_WR) is EPIPE and SIGPIPE, but for MSG_NOSIGNAL" {
	same writing after-shutdown
}

@test "writing after the peer closed is EPIPE and SIGPIPE" {
	same writing after-peer-closed
}

@test "writing after a reset is ECONNRESET once, then EPIPE" {
	same writing after-reset
}

@test "SIGPIPE kills a program that does not handle it" {
	same writing killed
}
