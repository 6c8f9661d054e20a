#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Several threads: on one connection, and with one each.

load lib/oracle

@test "one thread reads 50 MB while another writes 50 MB" {
	same threads both-ways
}

@test "32 threads make 96 connections, each gets its own words" {
	same threads many
}

@test "four threads read from one connection, nothing is lost or doubled" {
	same threads shared-reading
}

@test "all threads that poll one connection learn of its data" {
	same threads all-wake
}

@test "a thread that polls a socket before another's connect() has begun spoils nothing" {
	export MORE_PRELOADS=$BUILD_DIR/lib/late_dial.so
	same threads early-look
}

@test "a thread with a small stack" {
	skip_if_sanitized "it needs more stack itself"
	same threads small-stack
}
