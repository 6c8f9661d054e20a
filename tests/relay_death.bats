#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A program that is killed has not said all: its peer must not take the end of
# what came for the end of what was meant.  One that closes or exits has.

load lib/oracle

# killed SCENARIO: no close_notify, though all that was said arrives.
killed()
{
	run run_shim dying "$1"
	assert_line "peer: cut off"
	assert_output --partial "peer: 14 bytes"
	refute_line "peer: end"
	assert_log "the program was killed: the connection ends without close_notify"
}

@test "killed by a signal: no close_notify" {
	killed killed
	killed term
	killed fault
	killed abort
}

@test "killed among threads, with copies of the number, with something unread" {
	killed thread
	killed copies
	killed unread
}

@test "killed after helpers that had no part in it" {
	[[ $BUILD_DIR != *-thread* ]] ||
		skip "sanitizer: ThreadSanitizer makes a fork of vfork"
	killed helper
}

@test "killed, and a child that shares it is killed, too" {
	killed child
}

@test "killed with much under way: it arrives, then the end is no proper one" {
	run run_shim dying stuffed
	assert_line "peer: cut off"
	assert_log "the program was killed"
}

@test "killed, and its parent is quicker than the relay" {
	has_exit_info || skip "sanitizer: Linux before 6.15 tells only its parent"
	killed reaped
}

# PIDFD_INFO_EXIT
has_exit_info()
{
	local version

	version=$(uname -r)
	[[ $(printf '%s\n' 6.15 "$version" | sort -V | head -n 1) == 6.15 ]]
}

@test "every way to exit is a goodbye" {
	same dying exits
	same dying handles
}

@test "the end of the last thread is a goodbye" {
	[[ $BUILD_DIR != *-thread* ]] ||
		skip "sanitizer: it has a thread of its own, which stays"
	same dying last-thread
}

@test "every way to close is a goodbye, also when a signal follows at once" {
	same dying closes
	same dying closes-unseen
}

@test "whoever shares it has said goodbye, or cannot: a goodbye" {
	same dying shared
	same dying passed
}

@test "a process made by clone is one that cannot" {
	[[ $BUILD_DIR != *-thread* ]] ||
		skip "sanitizer: its clone() does not like an exit in the child"
	same dying cloned
}
