#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Copies of a process use its connections: as on plain TCP, while a relay
# keeps the TLS.

load lib/oracle

@test "fork: parent and child talk in turn" {
	same forking fork
}

# It cannot be handed over then, and the copy has nothing; the signal comes when
# tests/lib/amid.c says.
@test "fork in a signal handler amid a call on the connection: the child has nothing" {
	[[ $BUILD_DIR != *-thread* ]] ||
		skip "sanitizer: it takes memory in the child, which is a handler still"
	export MORE_PRELOADS=$BUILD_DIR/lib/amid.so

	run run_shim amid in-handler
	assert_line "child writes = -1 EPIPE"
	assert_line "child reads = -1 ENOTCONN"
	assert_line "write = 6"
	assert_line "answer = 6 'answer'"
	assert_output --regexp "peer: 6 bytes .* end"
	assert_log "cannot hand the connection over to a relay: a signal handler has interrupted a call on it"
	# Where the child goes on with the call that was interrupted.
	run run_shim amid after-it
	assert_line "write = -1 EPIPE"
	assert_line "child writes = -1 EPIPE"
	assert_line "child reads = -1 ENOTCONN"
	assert_line "child closes = 0"
	assert_line "write = 6"
	assert_line "answer = 6 'answer'"
	assert_output --regexp "peer: 6 bytes .* end"
}

@test "_Fork copies a process without its fork handlers" {
	same forking _Fork
}

@test "syscall(SYS_fork), syscall(SYS_clone) and syscall(SYS_clone3)" {
	same forking sys-fork
	same forking sys-clone
	same forking sys-clone3
}

@test "clone with a function and a stack" {
	[[ $BUILD_DIR != *-thread* ]] ||
		skip "sanitizer: its clone() does not like an exit in the child"
	same forking clone
}

@test "forkpty: the child talks on a terminal" {
	same forking forkpty
}

@test "daemon: the connection outlives two parents" {
	same forking daemon
}

@test "the child writes 2 MB while the parent reads them" {
	same forking reader-and-writer
}

@test "parent and child both write, no word is torn" {
	same forking both-write
}

@test "the parent closes, the child goes on" {
	same forking child-only
}

@test "a child that exits says no close_notify" {
	same forking parent-only
}

@test "four generations share one connection" {
	same forking grandchildren
}

@test "a child connects anew" {
	same forking child-connects
}

@test "twenty connections, every second one the child's" {
	same forking many-connections
}

@test "threads asleep in read, poll, select and epoll_wait wake after a fork" {
	same forking sleepers
}

@test "options, addresses and modes are what they were" {
	same forking options
	same forking nodelay
}

@test "poll and epoll sets keep their places: level, edge, one-shot" {
	same forking readiness
}

@test "half-close, then 100 kB come back" {
	same forking half-close
}

@test "a direction that was ended before stays ended" {
	same forking half-closed-before
}

@test "the peer half-closes, then the program writes" {
	same forking peer-half-closes
}

@test "a reset is told as ECONNRESET" {
	same forking peer-resets
}

@test "an end without close_notify is ECONNRESET, after all that came" {
	shows forking peer-cuts <<-END
	child ended with 0
	right
	cut = -1 ECONNRESET
	status 0
	peer: 0 bytes e3b0c44298fc1c14 cut off
	END
}

@test "what this process had decrypted is read by both" {
	same forking unread
}

@test "fork while connecting: both talk" {
	same forking connecting
}

@test "2 MB that were accepted arrive after exit, _exit, quick_exit and SIGKILL" {
	same forking exit
	same forking _exit
	same forking quick_exit
	same forking kill
}

@test "close and exit wait for nobody: a relay sends what the peer has no room for" {
	run run_shim forking slow-close
	assert_output --partial "close = 0
at once = 1
all arrived = 1
peer: end
status 0"
	run run_shim forking slow-exit
	assert_output --partial "at once = 1
all arrived = 1
peer: end
status 0"
	assert_equal "$(grep -c 'the rest is sent by a relay: started' "$RUN_DIR/shim.log")" 2
}
