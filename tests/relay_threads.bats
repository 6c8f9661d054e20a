#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Connections are handed over while other threads use them: nothing hangs, no
# byte and no wake-up is lost.

load lib/oracle

# Without the gate a relay is a copy of an engine in which other threads were at
# work: it hangs in their locks, and its connections with it.  Without waiters
# first it takes the bytes whose coming should have woken a sleeper, who then
# sleeps for ever.
@test "160 hand-overs with readers asleep, eight threads in the engine" {
	run run_shim plugging engine
	assert_output --partial "awake = 1
busy = 8
status 0"
	refute_output --partial wire
}

# Without the gate: torn records, children that cannot connect.
@test "40 forks while eight threads talk on the connections" {
	run run_shim plugging forks
	assert_output --partial "busy = 8
status 0"
	refute_output --partial wire
}

# Nobody will ever lower the count that a killed sleeper has left: were it
# waited for, each round would take seconds, and all of them more than the test
# has.
@test "a reader that is killed in its sleep keeps nothing from its child" {
	same plugging killed
}

@test "four threads fork at once" {
	run run_shim plugging together
	assert_output --partial "soon = 1
status 0"
	refute_log "cannot hand"
	refute_output --partial wrong
}
