#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Signal-driven I/O (O_ASYNC, F_SETOWN, F_SETSIG, FIOASYNC): the signals that
# plain TCP gives, for the program's own descriptor.

load lib/oracle

@test "signals asked for before connect(): open, data, end" {
	same signals before
	same signals before-nonblocking
}

@test "signals asked for on an open connection" {
	same signals after
	same signals after-nonblocking
	same signals of-copy
}

@test "signals asked for while the connection is being opened" {
	shows signals amid <<-EOF
	connect = -1 EINPROGRESS
	F_SETSIG = 0
	F_SETOWN = 0
	F_SETFL = 0
	signal = OUT band 0x304 fd right
	SO_ERROR = 0
	write = 5
	signal = IN band 0x41 fd right
	read = 4 'late'
	status 0
	peer: 5 bytes f408830bcc7fab37 end
	EOF
}

@test "FIOASYNC, FIOSETOWN and SIOCSPGRP show in F_GETFL and F_GETOWN" {
	same signals by-ioctl
	same signals bad-ioctl
	same signals owner-only
}

@test "the owner of signals may be a thread" {
	same signals thread-owner
}

@test "a broken connection and room to write are signalled" {
	same signals broken
	same signals full
}

@test "a connection that is refused is signalled" {
	same signals refused
	same signals refused-nonblocking
}

@test "a handler does all the reading" {
	same signals handler-before
	same signals handler-after
}

@test "who never asks for signals needs no relay" {
	same signals owner-only
	refute_log relay
}
