#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Streams, dprintf and asynchronous I/O on a connection: as on plain TCP.

load lib/oracle

@test "fprintf, fgets, fgetc and ungetc on one stream" {
	same streams one
}

@test "a stream to read and a stream to write, line by line to the end" {
	same streams two
}

@test "50 kB without a buffer" {
	same streams unbuffered
}

@test "a stream, its number and select" {
	same streams mixed
}

@test "dprintf and vdprintf, and their fortified twins" {
	same streams formatted
	same streams_fortified formatted
}

@test "a stream opened late finds what was decrypted before" {
	same streams late
}

@test "aio_write, aio_read and lio_listio" {
	same streams aio
}

@test "fclose, and exit with an unflushed stream, end the connection properly" {
	same streams closed
}

@test "a program that closes every number closes none of the shim's" {
	same streams close-all
}
