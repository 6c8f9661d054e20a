#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A program that is started with a connection learns its addresses: as on plain
# TCP, and not those of the loopback between it and the relay.

load lib/oracle

@test "after fork and exec, in both, in copies and in children" {
	run same inheriting execv
	assert_line "getpeername = 0: 127.0.0.1 right, 16 bytes"
	assert_line "getsockname = 0: 127.0.0.1 right, 16 bytes"
	assert_line "in a child = 0: 127.0.0.1 right, 16 bytes"
	assert_line "of another = -1 ENOTCONN"
	refute_line --partial INHERITED
	refute_line --partial elsewhere
	assert_success
}

@test "after exec in the process that connected, by libc and by number" {
	same inheriting here
	same inheriting number
}

@test "through shells between" {
	same inheriting shell
	same inheriting two-shells
}

@test "after vfork and dup2, and by posix_spawn" {
	same inheriting vfork
	same inheriting spawn
}

@test "of twenty connections" {
	same inheriting many
}

@test "an IPv6 socket" {
	same inheriting ipv6
}

@test "a plain connection beside it keeps its own" {
	same inheriting plain
}

@test "nothing is put into the environment of a program without the library" {
	TLSSHIM_INHERIT=no same inheriting without
}

@test "what others put into the variable is no danger" {
	local value

	for value in "" x : "1:2:3," "$(head -c 20000 /dev/zero | tr '\0' f)" \
		"ffffffffffffffff:0200:0200," "1:$(printf '%056d' 2):,"; do
		TLSSHIM_INHERITED=$value run run_shim inheriting here
		assert_line "getpeername = 0: 127.0.0.1 right, 16 bytes"
		assert_line "status 0"
		refute_line --partial INHERITED
	done
}

@test "a line of the log does not go into an inherited connection on number 2" {
	TLSSHIM_LOG=stderr TLSSHIM_LOG_LEVEL=error run run_shim inheriting stderr
	assert_line "connect = -1 EACCES"
	assert_output --regexp "peer: 6 bytes"
}
