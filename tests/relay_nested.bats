#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Ways of sharing a connection that meet: as on plain TCP.

load lib/oracle

@test "two connections, one of them twice, among other descriptors in one message" {
	same nested passed
}

@test "duplicates on both sides of a fork, closed in different orders" {
	same nested duplicates
}

@test "a signal handler forks while its thread sleeps in read()" {
	[[ $BUILD_DIR != *-thread* ]] || skip "sanitizer: it defers signals"
	same nested in-handler
}

@test "signal handlers fork all the time, also while connections are made" {
	[[ $BUILD_DIR != *-thread* ]] || skip "sanitizer: it defers signals"
	same nested in-handlers
}

@test "a child closes every number and opens /dev/null as 0, 1 and 2" {
	same nested closes-all
	same nested closes-all-but-one
	same nested closes-all-itself
}

@test "posix_spawn and vfork and exec of a program that is not there" {
	same nested spawn-fails
	same nested vfork-exec-fails
}

# It would take the process for a child of its own child, and refuse all.
@test "a child of vfork that connects before its parent is refused, the parent is not" {
	[[ $BUILD_DIR != *-thread* ]] || skip "sanitizer: it makes a fork of vfork"
	run run_shim nested vfork-connects-first
	assert_line "child's connect = -1 EACCES"
	assert_line "answer = 10 'the parent'"
	assert_line "answer = 7 'a child'"
	assert_line "answer = 16 'the parent again'"
	assert_line --regexp "^peer: 33 bytes [0-9a-f]+ end"
}

@test "freopen ends the connection of a stream, whose number is a file then" {
	same nested reopened
	same nested reopened-stdout
}
