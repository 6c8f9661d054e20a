#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Epoll sets that are themselves polled, or stand in other sets: the scenarios
# of tests/prog/epoll_nested.c, compared with plain TCP.

load lib/loops

@test "poll(): tickets, key updates and half records make no set readable" {
	same epoll_nested polled_level
}

@test "poll(), edge-triggered registration: nothing for what is TLS alone" {
	same epoll_nested polled_edge
}

@test "poll(), one-shot registration: nothing for what is TLS alone" {
	same epoll_nested polled_oneshot
}

@test "select(): tickets, key updates and half records make no set readable" {
	same epoll_nested selected_level
}

@test "select(), edge-triggered registration: nothing for what is TLS alone" {
	same epoll_nested selected_edge
}

@test "an outer set: tickets, key updates and half records wake nobody" {
	same epoll_nested nested_level
}

@test "an outer set, edge-triggered registration: the same" {
	same epoll_nested nested_edge
}

@test "an outer set, one-shot registration: the same" {
	same epoll_nested nested_oneshot
}

@test "a set in a set in a set: the same" {
	same epoll_nested nested_twice_level
}

@test "a set in a set in a set, edge-triggered registration: the same" {
	same epoll_nested nested_twice_edge
}

@test "a set that is edge-triggered in another: counted" {
	same epoll_nested edge_of_the_set
}

@test "a look at a set uses up no edge of its connections" {
	same epoll_nested edges_are_kept
}

@test "a look at a set uses up no edge of the program's other descriptors" {
	same epoll_nested edges_of_others
}

@test "a set that is polled: ADD, MOD, DEL, dup, close" {
	same epoll_nested changes
}

@test "a set that is polled: RDHUP alone" {
	same epoll_nested rdhup_alone
}

@test "a connection is made by polling its set alone" {
	same epoll_nested connecting
}

@test "a set in a set, and fork()" {
	same epoll_nested forked
}

@test "a set in a set is closed, and its copy lives" {
	same epoll_nested set_closed
}

@test "a set that is polled, with many connections" {
	same epoll_nested crowd
}

# --- who looks sleeps already

@test "a thread asleep in poll() on a set before its first connection" {
	same epoll_nested strange_poll
}

@test "a thread asleep in select() on a set before its first connection" {
	same epoll_nested strange_select
}

@test "a thread asleep in an outer set before the first connection" {
	same epoll_nested strange_nested
}

@test "a thread asleep in an outer set of an outer set before the first connection" {
	same epoll_nested strange_nested_twice
}

@test "a thread asleep in poll() on a set is woken for bytes that another one decrypted" {
	same epoll_nested strange_leftovers
}

@test "a thread asleep in poll() on a set is not woken for half a record" {
	same epoll_nested strange_half
}

# --- what plain TCP does not know

@test "a handshake that takes too long ends poll() on its set" {
	export TLSSHIM_HANDSHAKE_TIMEOUT=1
	under_shim epoll_nested timed_out
	assert_output "too late: 1
too late: 1=IN|OUT|ERR|HUP
SO_ERROR: ETIMEDOUT"
}

@test "a handshake that takes too long ends epoll_wait() on an outer set" {
	export TLSSHIM_HANDSHAKE_TIMEOUT=1
	under_shim epoll_nested timed_out_nested
	assert_output "too late: 1
too late: 1=IN|OUT|ERR|HUP
SO_ERROR: ETIMEDOUT"
}
