#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Connections are handed over while other threads use them: nothing hangs, no
# byte and no wake-up is lost.

load lib/oracle

@test "160 hand-overs with readers asleep, eight threads in the engine" {
	run run_shim plugging engine
	assert_output --partial "awake = 1
busy = 8
status 0"
	refute_output --partial wire
}

@test "40 forks while eight threads talk on the connections" {
	run run_shim plugging forks
	assert_output --partial "busy = 8
status 0"
	refute_output --partial wire
}

@test "four threads fork at once" {
	run run_shim plugging together
	assert_output --partial "soon = 1
status 0"
	refute_log "cannot hand"
	refute_output --partial wrong
}
