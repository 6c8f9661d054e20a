#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The calls that read, on TLS as on plain TCP.

load lib/oracle

@test "read, readv, preadv2, recv, recvfrom and recvmsg take what was said in turn" {
	same reading all-calls
}

@test "the fortified twins of the reading calls read as well" {
	same reading_fortified all-calls
	same reading_fortified peek
}

@test "recvmmsg fills messages, and stops when it would block" {
	same reading many-messages
}

@test "readv fills fifty buffers, empty ones among them" {
	same reading many-iovecs
}

@test "reading nothing returns at once with read, and asks the socket with recv" {
	same reading zero-length
}

@test "MSG_PEEK shows several records and takes none" {
	same reading peek
}

@test "MSG_WAITALL waits for everything, or the end" {
	same reading waitall
}

@test "what came before a reset is read, then the reset is told" {
	same reading waitall-reset
}

@test "MSG_DONTWAIT and RWF_NOWAIT do not wait on a blocking socket" {
	same reading dontwait
}

@test "MSG_TRUNC throws bytes away without copying them" {
	same reading trunc
}

@test "arguments that the kernel refuses are refused" {
	same reading bad-arguments
}

@test "a short read means that nothing is left" {
	same reading short-is-drained
}

@test "half a record is nothing to read, and its last byte makes it all" {
	same reading half-records
}

@test "5000 bytes are read one at a time" {
	same reading byte-by-byte
}

@test "20 MB are read whole" {
	same reading much
}

@test "O_NONBLOCK is switched on and off, by fcntl and by FIONBIO" {
	same reading switched-nonblocking
}

@test "success leaves errno as it was" {
	same reading errno-is-kept
}

@test "SO_RCVLOWAT counts the program's bytes" {
	same reading low-water
}

@test "options that make the kernel hand out what came are refused" {
	shows reading by-options <<-'END'
	poll = 1: IN
	TCP_ZEROCOPY_RECEIVE = -1 EOPNOTSUPP
	copied 100
	SO_PEEK_OFF = -1 EOPNOTSUPP
	read = 5 'hello'
	status 0
	peer: 0 bytes e3b0c44298fc1c14 end
	END
}
