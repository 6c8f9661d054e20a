#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The program's socket never reaches the network: whoever goes round the hooks,
# by whichever reference to it, finds a socket that is connected to nothing, or
# to a relay of ours where a hook saw it leave.  The connection itself goes on.

load lib/helpers

setup()
{
	unset "${!TLSSHIM_@}"
	start_server tlsserver localhost handshake echo
}

# around WAY CONNECTIONS LINE...: tests/prog/around.c says these lines, in any
# order, and no other.
around()
{
	local way=$1 connections=$2 line
	shift 2

	run -0 shim "$BUILD_DIR/prog/around" "$PORT" "$way"
	# Whether an answer is there yet is a matter of time.
	output=${output//poll IN OUT/poll OUT}
	assert_equal "$(sort <<<"$output")" "$(for line in "$@" "connection $MARKER"; do
		echo "$way: $line"
	done | sort)"
	assert_wire_is_tls --connections "$connections"
	refute_log refused
}

NOTHING="write EPIPE, read ENOTCONN, poll OUT HUP"
RELAYED="write 0, read 0, poll OUT"
LIBC_RELAYED="libc's write 0, read 0, send 0"
LIBC_NOTHING="libc's write EPIPE, read ENOTCONN, send EPIPE"

@test "system calls on the number itself" {
	around itself 1 "$NOTHING"
}
@test "a duplicate made before connect() shares the connection, by libc alone" {
	around dup-before 1 "$NOTHING" "copy $MARKER"
}
@test "a duplicate that no hook saw, made before connect()" {
	around raw-dup-before 1 "$NOTHING" "$LIBC_NOTHING"
}
@test "a duplicate that no hook saw, made after connect()" {
	around raw-dup-after 1 "$NOTHING" "$LIBC_NOTHING"
}
@test "system calls while the connection is being made" {
	around nonblocking 1 "$NOTHING" "$NOTHING"
}
@test "stdio" {
	around stdio 1 "fprintf 0" "fgets $MARKER" "dprintf 0"
}
@test "a connect() by system call to elsewhere leaves the connection alone" {
	around raw-connect 1 ECONNREFUSED "$NOTHING"
}
@test "a child forked before connect()" {
	around fork-before 2 "$RELAYED" "$LIBC_RELAYED" "connection $MARKER"
}
@test "a child forked after connect()" {
	around fork-after 2 "$RELAYED" "$LIBC_RELAYED" "connection $MARKER"
}
@test "a child made with _Fork() before connect()" {
	around bare-fork-before 2 "$RELAYED" "$LIBC_RELAYED" "connection $MARKER"
}
@test "a child made with _Fork() after connect()" {
	around bare-fork-after 2 "$RELAYED" "$LIBC_RELAYED" "connection $MARKER"
}
@test "a child made with a clone system call before connect()" {
	around raw-clone-before 2 "$NOTHING" "$LIBC_NOTHING" "connection $MARKER"
}
# No hook sees it made: only the wiped page tells it that the keeper is another
# process.  Without that two processes go on with one TLS session.
@test "a child made with a clone system call after connect()" {
	around raw-clone-after 2 "$NOTHING" "$LIBC_NOTHING" "connection $MARKER"
}
@test "a child of a parent that has no connection any more" {
	around fork-later 3 "connection $MARKER" "connection $MARKER"
}
@test "a child that ends by exit() does not end its parent's connection" {
	around fork-and-exit 1
}
@test "a child of vfork() that closes all and ends leaves its parent's connection" {
	skip_if_sanitized "ThreadSanitizer makes a fork of vfork"
	around vfork-and-exit 1 "$NOTHING"
}
@test "a program that was exec'd with the descriptor, without the shim" {
	around exec 1 "$RELAYED" "$LIBC_RELAYED"
}
@test "a program that was exec'd with the descriptor, under the shim" {
	around exec-preloaded 1 "$RELAYED" "$LIBC_RELAYED"
}
@test "a process without the shim that the descriptor was passed to" {
	around passed 1 "$RELAYED"
}

@test "a child of vfork() may not connect: its parent's memory is not its own" {
	skip_if_sanitized "ThreadSanitizer makes a fork of vfork"
	run -0 shim "$BUILD_DIR/prog/around" "$PORT" vfork-and-connect
	assert_output "vfork-and-connect: connect EACCES
vfork-and-connect: first $MARKER
vfork-and-connect: connection $MARKER
vfork-and-connect: connection $MARKER"
	assert_log "refused: .*vfork"
	assert_wire_is_tls --connections 2
}

@test "all of these in one process, one after the other" {
	run -0 shim "$BUILD_DIR/prog/around" "$PORT" itself raw-dup-before fork-after \
		stdio raw-clone-after bare-fork-before vfork-and-exit passed exec dup-before \
		itself
	assert_equal "$(grep -c ": connection $MARKER" <<<"$output")" 14
	assert_wire_is_tls --connections 14
}

@test "300 forks amid eight busy threads: nobody hangs, every child can connect" {
	local threads=8 forks=300 bare=bare

	if sanitized; then
		# ThreadSanitizer's own locks do not survive _Fork().
		threads=4 forks=40 bare=
	fi
	NO_RECORDER=1 start_server tlsserver localhost handshake echo
	TLSSHIM_LOG_LEVEL=error run -0 shim "$BUILD_DIR/prog/forks" "$PORT" $threads $forks $bare
	assert_output "children: $forks, connections: many"
	refute_log .
}

@test "forks while the first connection loads the engine: nobody hangs" {
	NO_RECORDER=1 start_server tlsserver localhost handshake echo
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		TLSSHIM_LOG_LEVEL=error run -0 shim "$BUILD_DIR/prog/forks" "$PORT" 4 7
		assert_output "children: 7, connections: many"
	done
}

@test "Python's subprocesses leave the connection alone" {
	run -0 shim "$PYTHON" -c '
import os, socket, subprocess, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def say(text):
    s.sendall(text.encode())
    print(s.recv(100).decode())
say("one")
subprocess.run(["/bin/true"], check=True)
say("two")
subprocess.run(["/bin/sh", "-c", "cat"], check=True, input=b"x", stdout=subprocess.DEVNULL)
say("three")
subprocess.run(["/bin/true"], check=True, close_fds=False)
os.system("/bin/true")
os.popen("/bin/true").read()
say("four")
subprocess.run(["/bin/true"], check=True, pass_fds=[s.fileno()])
say("five")
try:
    subprocess.run(["/nonexistent"])
except FileNotFoundError:
    say("six")
pid = os.fork()
if pid == 0:
    os._exit(0)
os.waitpid(pid, 0)
say("seven")
' "$PORT"
	assert_output "one
two
three
four
five
six
seven"
	assert_wire_is_tls --connections 1
}
