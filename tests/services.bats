#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Programs that are services: when the main process has ended, and to stop it, a
# service manager sends SIGTERM to every process of the service.  A relay is one
# of them, and what the program has said arrives all the same.

load lib/services

@test "services that end or are stopped: all arrives that was accepted" {
	# A sanitizer makes each of them many times slower.
	if sanitized; then
		all_is_there 30
	else
		all_is_there 200
	fi
}

@test "the measure: the same services without the shim" {
	run -0 services 50 -- env "TESTHOSTS=$RUN_DIR/hosts" \
		"LD_PRELOAD=$BUILD_DIR/lib/hosts.so"
	assert_line "50 runs, 50 whole"
}

# The manager waits for the relay: not as long as the kernel remembers a closed
# socket, which is a minute.
@test "a relay whose program is gone and whose peer has all is gone soon" {
	start_server tlsserver db.test handshake mark=begun read mark=ended stall
	shim bash -c "echo hello >/dev/tcp/db.test/$PORT"
	wait_for test -e "$SERVER_DIR/ended"
	WAIT=15 wait_for no_relay
}

no_relay()
{
	! pgrep -f "^tlsshim-relay db.test:$PORT" >"$RUN_DIR/relays"
}

# The server's session tickets come when the program has closed: the kernel
# would answer them by a reset, and forget what it has not sent.
@test "what is written before the server has finished its handshake arrives, too" {
	local accepted

	NO_RECORDER=1 start_server tlsserver db.test late=go read
	run -0 shim "$BUILD_DIR/prog/service" db.test "$PORT" 3000000 once-nonblocking
	accepted=${lines[-1]}
	touch "$SERVER_DIR/go"
	assert_report how close_notify
	assert_report bytes "$accepted"
}
