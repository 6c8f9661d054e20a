#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Sockets that others have, or use round the hooks, before they are connected:
# the connection is handed over as soon as it is made.

load lib/oracle

@test "fdopen before connect: printf and fgets work" {
	same origins stream
	same origins stream-of-copy
}

@test "a socket made before fork and connected by the child is used by the parent" {
	same origins child-connects
	same origins child-begins
}

@test "a socket made before fork and connected by the parent is used by the child" {
	same origins parent-connects
}

@test "a socket that was inherited over exec, or received, and is connected then" {
	same origins started
	same origins received
}

@test "forty copies of a socket are connected all at once" {
	same origins many-copies
}

@test "children that are gone, system() and later children need no relay" {
	same origins alone
	refute_log relay
}
