#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Other programs use a connection: over exec, as standard input and output,
# passed by a message; static ones too.

load lib/oracle

@test "every exec call hands the connection to the new program" {
	same execing all-exec
}

@test "exec in the process that connected" {
	same execing exec-here
}

@test "exec of a static program" {
	same execing exec-static
}

@test "exec with close-on-exec ends the connection properly" {
	same execing exec-cloexec
}

@test "an exec that fails leaves the connection as it was" {
	same execing exec-fails
}

@test "a new program inherits nothing but what the program left open" {
	same execing exec-leaks
}

@test "inetd style: a shell with the connection as its standard input and output" {
	same execing inetd
}

@test "dup2 onto 0 and 1, then printf and scanf" {
	same execing own-stdio
}

@test "a socket that is number 0 itself" {
	same execing socket-is-zero
	same execing socket-is-zero-nonblocking
}

@test "posix_spawn with a file action, and with an inherited number" {
	same execing spawn
}

@test "system, popen and vfork leave the connection in the process" {
	same execing helpers
	# ThreadSanitizer makes a fork of vfork.
	[[ $BUILD_DIR == *-thread* ]] || refute_log relay
}

@test "a child of vfork moves the connection onto 0 and 1" {
	same execing vfork-moves
}

@test "SCM_RIGHTS to a process without the shim" {
	same execing passed
}

@test "SCM_RIGHTS, then close: the receiver has it alone" {
	same execing passed-and-closed
}
