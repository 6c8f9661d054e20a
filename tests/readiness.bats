#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# poll and select, on TLS as on plain TCP.

load lib/oracle

@test "session tickets are nothing to read" {
	same readiness tickets
}

@test "session tickets do not wake a thread in poll(), nor make it spin" {
	same readiness tickets-asleep
}

@test "half a record is nothing to read, what is left of a record always is" {
	same readiness half-record
}

@test "each event of poll(), at each stage of a connection" {
	same readiness every-event
}

@test "sets with a descriptor twice, negative and closed ones, pipes, others" {
	same readiness mixed-sets
}

@test "more entries than RLIMIT_NOFILE are EINVAL" {
	same readiness too-many
}

@test "600 entries" {
	same readiness hundreds
}

@test "timeouts are waited for, and refused where they are none" {
	same readiness timeouts
}

@test "select: sets, timeouts, numbers up to FD_SETSIZE, errors" {
	same readiness selects
}

@test "select with the size of the descriptor table looks at no more than the kernel" {
	same readiness select-table-size
}

@test "select after a reset" {
	same readiness select-after-reset
}

@test "one thread polls while another reads" {
	same readiness poll-beside-read
}

@test "a number closed by another thread while it is polled" {
	same readiness closed-while-polled
}

@test "the fortified poll is poll" {
	same reading_fortified half-records
}

@test "a full buffer is not writable, and emptied while the program asks to read" {
	same readiness full
}
