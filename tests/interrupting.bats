#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Signals, time limits, long jumps and cancellation, while a call waits.

load lib/oracle

setup()
{
	setup_oracle
}

# ThreadSanitizer lets handlers run at the calls that it intercepts and that
# it knows to wait; its recv() is none of those.
skip_if_signals_wait()
{
	[[ $BUILD_DIR != *-thread* ]] ||
		skip "sanitizer: it keeps signals until recv() has returned"
}

@test "a handler without SA_RESTART makes EINTR; poll and select always" {
	skip_if_signals_wait
	same interrupting eintr
}

@test "with SA_RESTART, read and write go on" {
	skip_if_signals_wait
	same interrupting restarted
}

@test "what was moved before a signal counts" {
	same interrupting partly
}

@test "SO_RCVTIMEO ends a read with EAGAIN, and is not restarted" {
	skip_if_signals_wait
	same interrupting receive-timeout
}

@test "a peer that sends half records does not prolong SO_RCVTIMEO" {
	same interrupting timeout-of-trickle
}

@test "a signal interrupts connect() on a stalled server, or restarts it" {
	shows interrupting connecting <<-'END'
	connect = -1 EINTR
	connect = 0
	connect = -1 EISCONN
	write = 1
	x
	connect = -1 EINTR
	poll = 1: OUT
	SO_ERROR = 0
	connect = 0
	status 0
	peer: 1 bytes 2d711642b726b044 end
	peer: 0 bytes e3b0c44298fc1c14 end
	END
}

@test "siglongjmp out of read(): the connection goes on, and close() ends it" {
	same interrupting jump-read
}

@test "siglongjmp out of write(): close() ends the connection" {
	same interrupting jump-write
}

@test "a wait for a pipe that a signal ends has ended, though a connection stands there now" {
	skip_if_signals_wait
	same interrupting replace-in-handler
}

@test "siglongjmp out of poll(): the connection goes on, and close() ends it" {
	same interrupting jump-poll
}

@test "siglongjmp out of poll and select in a program with threads: close() ends the connection" {
	skip_if_signals_wait
	same interrupting jump-polls
}

@test "siglongjmp out of connect(): close() ends the connection, no number is lost" {
	shows interrupting jump-connect <<-'END'
	ended
	ended
	ended
	lost = 0
	connect = 0
	write = 1
	x
	status 0
	peer: 0 bytes e3b0c44298fc1c14 ended
	peer: 0 bytes e3b0c44298fc1c14 ended
	peer: 0 bytes e3b0c44298fc1c14 ended
	peer: 1 bytes 2d711642b726b044 end
	END
}

@test "a signal handler writes on the connection that is being read" {
	skip_if_signals_wait
	same interrupting write-in-handler
}

@test "signals all the time, with a handler that peeks, while 900 kB come" {
	same interrupting storm
}

@test "a cancelled thread leaves a connection that others use" {
	skip_if_sanitized "it takes what forced unwinding left for overflows"
	same interrupting cancelled
}

@test "a thread cancelled in connect(): close() ends the connection" {
	skip_if_sanitized "it takes what forced unwinding left for overflows"
	shows interrupting cancelled-connect <<-'END'
	cancel = 0
	cancelled 1
	close = 0
	ended
	status 0
	peer: 0 bytes e3b0c44298fc1c14 ended
	END
}
