#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Copies and new programs do not wait for the network: a connection that is
# being opened goes to a relay with its handshake.  The program sees one that is
# open and has nothing to read; a failure is told by its next call.

load lib/oracle

@test "fork: the child talks on a connection whose handshake comes later" {
	same opening fork
	assert_log "handed over to a relay, which opens it"
}

@test "_Fork and syscall(SYS_fork) do not wait either" {
	same opening _Fork
	same opening sys-fork
}

@test "daemon with a connect under way, both parents gone at once" {
	same opening daemon
}

@test "exec, posix_spawn and vfork do not wait for the handshake" {
	same opening exec
	same opening spawn
	[[ $BUILD_DIR == *-thread* ]] || same opening vfork
}

@test "what was written before the handshake arrives, though the program has closed" {
	same opening written-and-closed
}

@test "half-closed and closed before the handshake" {
	same opening half-closed
	same opening closed
}

@test "connect() in another thread returns when the relay has done the handshake" {
	shows opening in-connect <<-END
	child ended with 0
	now
	connect = 0
	write = 5
	status 0
	peer: 5 bytes $(printf words | sha256sum | cut -c-16) end
	END
}

@test "a thread in poll and a set of epoll wake when the relay has read something" {
	same opening in-poll
	same opening in-epoll
}

@test "a refused connection is told as ECONNREFUSED after a fork, too" {
	same opening refused
}
