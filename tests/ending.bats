#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# How connections end: by halves, by resets, cut off, with the process.

load lib/oracle

@test "after shutdown(SHUT_WR) the peer sees the end, and its answer is read to its end" {
	same ending half-close
}

@test "after the peer's end the program still writes" {
	same ending peer-half-closes
}

@test "shutdown(SHUT_RD) ends reading of nothing but what is not there" {
	same ending shut-rd
}

@test "shutdown(SHUT_RDWR) wakes a reader in another thread" {
	same ending shut-rdwr-wakes
}

@test "shutdown(SHUT_RD) wakes a reader in another thread, and writing goes on" {
	same ending shut-rd-wakes
}

@test "close() by another thread lets a blocked reader finish" {
	same ending close-by-another
}

@test "a reset is ECONNRESET once, told by read or by SO_ERROR" {
	same ending reset
}

@test "a reset wakes a blocked reader" {
	same ending reset-wakes
}

@test "an end without close_notify is ECONNRESET, behind all that came before" {
	shows ending cut <<-'END'
	read = 5 'hello'
	poll = 1: IN OUT ERR HUP RDNORM WRNORM RDHUP
	read = -1 ECONNRESET
	read = 0
	poll = 1: IN OUT HUP RDNORM WRNORM RDHUP
	write = -1 EPIPE
	read = -1 ECONNRESET
	read = 0
	status 0
	peer: 0 bytes e3b0c44298fc1c14 cut off
	peer: 0 bytes e3b0c44298fc1c14 cut off
	END
	assert_log 'close_notify'
}

@test "SO_LINGER of no time makes close() a reset" {
	same ending linger-reset
}

@test "SO_LINGER of some time makes no difference to a reading peer" {
	same ending linger
}

@test "3 MB accepted arrive, and close_notify: return from main" {
	same ending by-return
}

@test "3 MB accepted arrive, and close_notify: exit()" {
	same ending by-exit
}

@test "3 MB accepted arrive, and close_notify: _exit() and _Exit()" {
	same ending by-_exit
	same ending by-_Exit
}

@test "3 MB accepted arrive, and close_notify: quick_exit()" {
	same ending by-quick-exit
}

@test "3 MB accepted arrive, and close_notify: exit() of another thread" {
	same ending by-thread
}

@test "3 MB accepted arrive, and close_notify: close()" {
	same ending by-close
}

@test "close() does not wait for a peer that reads later, and loses nothing" {
	same ending close-unread
}
