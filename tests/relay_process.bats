#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The relay as a process: what it is, what the program notices of it, what it
# weighs, and what happens where there can be none.

load lib/oracle

@test "the program sees no child, no signal and no descriptor of twenty relays" {
	run run_shim relaying unseen
	assert_output --partial "descriptors = 1
SIGCHLD = 0
wait = -1 ECHILD
waitpid = -1 ECHILD
of our group = -1 ECHILD
status 0"
	assert_log "handed over to a relay"
}

@test "nor does a subreaper" {
	run run_shim relaying subreaper
	assert_output --partial "SIGCHLD = 0
wait = -1 ECHILD
waitpid = -1 ECHILD
of our group = -1 ECHILD
status 0"
}

@test "a relay: its name, session, descriptors, signals and end" {
	requires_root "look into a process that is not dumpable"
	shows relaying anatomy <<-END
	found = 1
	not our child = 1
	own session = 1
	threads = 1
	descriptors = 5
	blocked = 0
	ignores what asks it to end = 1
	ignores faults = 0
	caught = 0
	in /
	ends with its connection = 1
	after SIGTERM = 5 'there'
	SIGKILL ends it = 1
	reset = -1 ECONNRESET
	status 0
	peer: 5 bytes 135fc7a09da25f03 closed it
	peer: 5 bytes 94e8566ddfc123ed cut off
	END
}

# "r orphaned": the program looks for its relay by the whole of its name.
@test "a relay's name does not depend on how long the program's command line is" {
	TLSSHIM_PORTS=1-65535 TLSSHIM_CA_FILE=$CA_DIR/ca.pem \
		run run_oracle tls shim_as_r relaying orphaned
	assert_line "stays a while = 0"
	assert_line "ends = 1"
}

shim_as_r()
{
	shim bash -c 'exec -a r "$0" "$@"' "$@"
}

@test "a relay whose log was stderr has none, and lives" {
	TLSSHIM_LOG=stderr TLSSHIM_LOG_LEVEL=debug run run_shim relaying unseen
	assert_output --partial "handed over to a relay"
	assert_equal "$(grep -c 'peer: 4 bytes .* end' <<<"$output")" 20
}

@test "a relay that is killed is a broken connection" {
	shows relaying killed <<-END
	answer = 6 'before'
	read = -1 ECONNRESET
	write = -1 EPIPE
	status 0
	peer: 6 bytes 6db7d803e74f1ffa cut off
	END
}

@test "a program that is gone is given up, though its peer says nothing" {
	run run_shim relaying orphaned
	assert_output --partial "close = 0
peer: end
stays a while = 0
ends = 1"
}

@test "a half-closed program waits longer than a closed one would be remembered" {
	run run_shim relaying patient
	assert_output --partial "read = 11 'late answer'
end = 0"
}

@test "strangers who connect to the loopback first get nothing and spoil nothing" {
	MORE_PRELOADS=$BUILD_DIR/lib/stranger.so run run_shim relaying strangers
	assert_equal "$(grep -c "answer = 6 'secret'" <<<"$output")" 5
	assert_equal "$(grep -c "the stranger heard nothing" <<<"$output")" 5
	refute_output --partial something
}

@test "one relay for all connections of one fork" {
	requires_root "look into a process that is not dumpable"
	run run_shim relaying shared
	assert_output --partial "descriptors = 23"
	assert_output --partial "ended = 1"
	refute_output --partial "alive = -1"
}

@test "a relay of a program with 1 GiB of memory is small" {
	skip_if_sanitized "their memory is kept"
	run run_shim relaying weight
	grep -E "RSS|writing" <<<"$output" >&2
	assert_output --partial "RSS below 16 MB = 1"
	assert_output --partial "PSS below 4 MB = 1"
}

@test "a slow reader holds the peer back: 100 MB take no memory" {
	run run_shim relaying slow-reader
	# ThreadSanitizer remembers who used each byte.
	[[ $BUILD_DIR == *-thread* ]] ||
		assert_output --partial "RSS below 16 MB = 1"
	assert_output --partial "all came = 1"
}

@test "no processes left: the operation fails, the connection goes on" {
	requires_root "become a user who has none"
	TLSSHIM_LOG=stderr run run_shim relaying no-processes
	assert_output --partial "dprintf = -1 EPIPE"
	assert_output --partial "answer = 6 'parent'"
	assert_output --partial "cannot hand the connection over to a relay"
}

@test "no loopback: the child has nothing, the connection goes on" {
	requires_root "make a network"
	run run_shim relaying no-loopback
	assert_output --partial "child writes = -1 EPIPE"
	assert_output --partial "child reads = -1 ENOTCONN"
	assert_output --partial "answer = 6 'parent'"
	assert_log "cannot hand the connection over to a relay: the loopback"
}
