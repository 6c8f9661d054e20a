#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Descriptor numbers, names and options, on TLS as on plain TCP.

load lib/oracle

@test "dup, dup2, dup3 and F_DUPFD: each works, the last one closed ends it" {
	same numbers duplicates
}

@test "copies made before connect() share the connection" {
	same numbers duplicates-before
}

@test "a closed number that is used again is the new file" {
	same numbers reused
}

@test "a loop of close() to 3000 closes what is the program's alone" {
	same numbers close-loop
}

@test "close_range and closefrom" {
	same numbers close-ranges
}

@test "no number is there that the program did not open, and dup2 may take any" {
	same numbers hidden
}

@test "numbers over 1023" {
	same numbers high
}

@test "syscall() of the same calls" {
	same numbers by-number
}

@test "getsockname and getpeername before, during and after" {
	same numbers names
}

@test "a remapped port is told as it was dialled" {
	start_server tlsserver localhost handshake "send=hello\n"
	export TLSSHIM_PORTS=6379:$PORT
	run -0 shim "$PYTHON" -c '
import socket
s = socket.create_connection(("127.0.0.1", 6379))
print(s.getpeername(), s.recv(10))'
	assert_output "('127.0.0.1', 6379) b'hello\\n'"
	assert_tls ""
}

@test "TCP_NODELAY is what the program set" {
	same numbers nodelay
}

# With Nagle's algorithm nearly all of them wait for the server's delayed
# acknowledgement of the handshake's end: the median tells, on a busy machine too.
@test "the first bytes of a program without TCP_NODELAY wait for nobody" {
	NO_RECORDER=1 start_server s_server localhost -num_tickets 0 -rev
	run -0 shim "$PYTHON" -c '
import socket, statistics, sys, time
def first_answer():
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    start = time.monotonic()
    s.sendall(b"ping\n")
    assert s.recv(5) == b"gnip\n"
    return time.monotonic() - start
median = statistics.median(first_answer() for _ in range(25))
print("waited" if median > 0.03 else "at once", median)' "$PORT"
	assert_output --partial "at once"
}

@test "an explicit bind() to 127.0.0.2 is what the peer sees" {
	same numbers bound
}

@test "options set before connect() are those of the connection" {
	same numbers options-before
}

@test "options set and read after connect()" {
	same numbers options-after
}

@test "FIONREAD counts the program's bytes; TIOCOUTQ, FIONBIO, FIOCLEX" {
	same numbers ioctls
}

# A socket that is registered before it is connected is known by its number,
# which may have been a connected one's before.
@test "a number that was settled in an event loop is looked at anew" {
	start_server tlsserver localhost handshake echo
	run -0 shim "$PYTHON" -c '
import ctypes, os, select, socket, sys

libc = ctypes.CDLL(None, use_errno=True)
listener = socket.create_server(("127.0.0.1", 0))
events = select.epoll()

def settled():
    s = socket.create_connection(listener.getsockname())
    events.register(s, select.EPOLLIN)
    return s

def use(s):
    s.settimeout(10)
    s.connect(("127.0.0.1", int(sys.argv[1])))
    s.send(b"hello")
    print(events.poll(10) == [(s.fileno(), select.EPOLLIN)], s.recv(5))

def fresh(number):
    s = socket.socket()
    assert s.fileno() == number
    events.register(s, select.EPOLLIN)
    return s

s = settled(); number = s.fileno(); s.close()
s = fresh(number); use(s); s.close()

s = settled(); number = s.detach(); libc.close_range(number, number, 0)
s = fresh(number); use(s); s.close()

s = settled(); number = s.detach(); libc.syscall(3, number)  # close
s = fresh(number); use(s); s.close()
' "$PORT"
	assert_output "True b'hello'
True b'hello'
True b'hello'"
}
