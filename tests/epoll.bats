#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# epoll(7) on connections: the scenarios of tests/prog/epoll_*.c, compared with
# plain TCP.

load lib/loops

# --- what is told

@test "level-triggered: as long as something is left to read" {
	same epoll_events level
}

@test "edge-triggered: once for what came, again for what comes" {
	same epoll_events edge
}

@test "edge-triggered: a partial read makes no edge of what was told" {
	same epoll_events edge_partial
}

@test "edge-triggered: what came meanwhile is an edge, wherever it is by now" {
	same epoll_events edge_partial_more
}

@test "edge-triggered: what FIONREAD did not tell has an edge of its own" {
	requires_root "have so large a receive buffer"
	same epoll_events edge_by_count
}

@test "edge-triggered: close_notify and FIN are one end" {
	same epoll_events edge_end
}

@test "edge-triggered, reading and writing and RDHUP" {
	same epoll_events edge_both
}

@test "MOD arms an edge again" {
	same epoll_events edge_again
}

@test "a short read means drained, over any number of records" {
	same epoll_events drained
}

@test "ONESHOT tells once, and again after MOD" {
	same epoll_events oneshot
}

@test "RDHUP behind data, with and without both ends closed" {
	same epoll_events rdhup
}

@test "RDHUP alone" {
	same epoll_events rdhup_alone
}

@test "the end without RDHUP" {
	same epoll_events end_alone
}

@test "a reset" {
	same epoll_events reset
}

@test "a reset is told to who asked for nothing" {
	same epoll_events reset_asked_nothing
}

@test "the program's own shutdown" {
	same epoll_events shut
}

@test "OUT after back-pressure, level-triggered" {
	same epoll_events pressure_level
}

@test "OUT after back-pressure, edge-triggered" {
	same epoll_events pressure_edge
}

@test "OUT after back-pressure, one-shot" {
	same epoll_events pressure_oneshot
}

@test "what was accepted is sent while the program only reads, level-triggered" {
	same epoll_events pressure_reader_level
}

@test "what was accepted is sent while the program only reads, edge-triggered" {
	same epoll_events pressure_reader_edge
}

@test "what was accepted is sent while the program only reads, one-shot" {
	same epoll_events pressure_reader_oneshot
}

@test "tickets, key updates and half records wake nobody, level-triggered" {
	same epoll_events unseen_level
}

@test "tickets, key updates and half records wake nobody, edge-triggered" {
	same epoll_events unseen_edge
}

@test "tickets, key updates and half records use up no one-shot" {
	same epoll_events unseen_oneshot
}

# --- registrations

@test "registered before connect(), level-triggered" {
	same epoll_early early_level
}

@test "registered before connect(), edge-triggered" {
	same epoll_early early_edge
}

@test "registered before connect(), and waited for before it as well" {
	same epoll_early early_looked_at
}

@test "registered before connect() and deleted again" {
	same epoll_early early_deleted
}

@test "registered before connect() among thousands of others" {
	ulimit -n 4096
	same epoll_early early_many
}

@test "registered between connect() and the end of the handshake" {
	same epoll_early between
}

@test "a refused connection, and another one on the same registered socket" {
	same epoll_early reconnect
}

@test "several sets, made before the first connection" {
	same epoll_sets sets_before
}

@test "dup'ed numbers in one set" {
	same epoll_sets duplicates
}

@test "a registration outlives its number where the connection has another" {
	same epoll_sets duplicate_lives
}

@test "numbers dup'ed before connect()" {
	same epoll_sets duplicate_before
}

@test "close() removes a registration silently" {
	same epoll_sets closed
}

@test "an epoll descriptor that is dup'ed" {
	same epoll_sets set_duplicates
}

@test "an epoll descriptor that is forked: the parent goes on" {
	same epoll_early forked
}

@test "an epoll descriptor that is forked: the child uses both, and its own" {
	same epoll_early inherited
}

@test "a child that shares a set sees no data but the program's" {
	same epoll_early registered_by_parent
}

@test "a parent that shares a set sees no data but the program's" {
	same epoll_early registered_by_child
}

@test "registered by a parent that never connects, connected by its child" {
	same epoll_early early_forked
}

@test "poll() on an epoll descriptor" {
	same epoll_sets polled
}

@test "a level-triggered registration in a set in a set" {
	same epoll_sets nested_level
}

@test "an edge-triggered registration in a set in a set" {
	same epoll_sets nested_edge
}

@test "a set with decrypted bytes is put into another" {
	same epoll_sets nested_late
}

@test "the program's data is any 64 bits" {
	same epoll_sets data
}

@test "errno of epoll_ctl and epoll_wait" {
	same epoll_sets errors
}

@test "EXCLUSIVE" {
	same epoll_sets exclusive
}

@test "poll() and select() beside an edge-triggered set" {
	same epoll_sets polled_beside
}

@test "epoll_pwait, epoll_pwait2, signals, masks, and syscall()" {
	same epoll_sets other_waits
}

@test "more is ready than there is room for: nobody starves" {
	same epoll_sets crowd
}

# --- changes of mind

@test "interest is turned on and off for each message" {
	same epoll_interest each_message
}

@test "what nobody asks for is not told, and told when it is asked for" {
	same epoll_interest not_asked
}

@test "a deleted registration tells nothing until it is made again" {
	same epoll_interest deleted
}

@test "a deleted registration, and the peer's reset" {
	same epoll_interest deleted_and_ended
}

@test "a deleted registration, and another connection of that number" {
	same epoll_interest deleted_and_closed
}

@test "deleted by one number, made again by another" {
	same epoll_interest other_number
}

@test "a deleted registration, and fork()" {
	same epoll_interest deleted_and_forked
}

@test "poll() on an epoll descriptor after changes of mind" {
	same epoll_interest polled
}

@test "a set is put into another after it lost interest" {
	same epoll_interest polled_late
}

@test "a set is put into another while it waits to write" {
	same epoll_interest polled_late_out
}

@test "a thread asleep is told of a change of mind" {
	same epoll_interest told_to_sleeper
}

@test "a thread asleep since before the first connection is told of it" {
	same epoll_interest told_to_stranger
}

@test "epoll_pwait2 waits for less than a millisecond" {
	same epoll_interest nanoseconds
}

# --- threads

@test "one return for each message, level-triggered" {
	same epoll_threads count_level
}

@test "one return for each message, edge-triggered" {
	same epoll_threads count_edge
}

@test "one return for each message, one-shot" {
	same epoll_threads count_oneshot
}

@test "four threads, edge-triggered: each message wakes one" {
	same epoll_threads threads_edge
}

@test "four threads, one-shot: each message wakes one" {
	same epoll_threads threads_oneshot
}

@test "four threads, EXCLUSIVE: each message wakes one" {
	same epoll_threads threads_exclusive
}

@test "a thread sleeps in the set before the first connection is made" {
	same epoll_threads sleeping_already
}

@test "a thread asleep is woken for bytes that another one decrypted" {
	same epoll_threads woken_for_leftovers
}

# --- what plain TCP does not know

@test "a connection is not writable until its handshake is done" {
	under_shim epoll_sets held_back
	assert_output "no handshake yet: nothing
no handshake yet: nothing
open: 1=OUT
SO_ERROR: 0"
}

@test "a handshake that takes too long ends epoll_wait()" {
	export TLSSHIM_HANDSHAKE_TIMEOUT=1
	under_shim epoll_sets timed_out
	assert_output --partial "too late: 1=IN|OUT|ERR|HUP
too late: 2=OUT|ERR|HUP
SO_ERROR: ETIMEDOUT
told: 1=IN|OUT|HUP"
	assert_log "refused: the TLS handshake was not finished within 1"
}

@test "there is no io_uring" {
	under_shim epoll_sets no_ring
	assert_output "io_uring_setup: ENOSYS"
}

@test "there is none for liburing, whose system calls are its own" {
	local ask='
import ctypes
all = ctypes.CDLL(None)
print(all.io_uring_setup(4, None), all.io_uring_queue_init(4, None, 0),
      all.io_uring_queue_init_params(4, None, None),
      all.io_uring_queue_init_mem(4, None, None, None, 0))'

	MORE_PRELOADS=$BUILD_DIR/lib/uring.so TLSSHIM_PORTS=1 run -0 shim "$PYTHON" -c "$ask"
	assert_output "-38 -38 -38 -38"
	MORE_PRELOADS=$BUILD_DIR/lib/uring.so run -0 shim env -u TLSSHIM_PORTS \
		-u TLSSHIM_CA_FILE "$PYTHON" -c "$ask"
	assert_output "7 0 0 0"
}
