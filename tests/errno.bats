#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A call that succeeds leaves errno as it was, as the kernel's wrappers do:
# programs look at errno after a loop of calls.

load lib/oracle

@test "errno after calls on a connection" {
	same errno_kept here
}

@test "errno after calls on a connection that was made without blocking" {
	same errno_kept nonblocking
}

@test "errno after calls on a connection that was handed over" {
	same errno_kept elsewhere
}

@test "errno after calls on other descriptors beside a connection" {
	same errno_kept foreign
}

@test "errno after fork() and system() beside a connection" {
	same errno_kept processes
}

@test "errno after writes that signal handlers interrupted and the kernel restarts" {
	same errno_kept restarted
}
