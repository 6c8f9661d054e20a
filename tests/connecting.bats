#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# connect(2) and what stands for it, to the handshake's end.

load lib/oracle

@test "a blocking connect() is 0, then EISCONN" {
	same connecting blocking
}

@test "a non-blocking connect() is EINPROGRESS, then writable, 0 once, then EISCONN" {
	same connecting nonblocking
}

@test "select tells that a connection is there" {
	same connecting nonblocking-by-select
}

@test "a connection begun without blocking is waited for when made blocking" {
	same connecting made-blocking
}

@test "before the handshake is done nothing is ready, read, written or told" {
	shows connecting pending <<-'END'
	connect = -1 EINPROGRESS
	poll = 0:
	poll = 0:
	connect = -1 EALREADY
	SO_ERROR = 0
	read = -1 EAGAIN
	recv peek = -1 EAGAIN
	write = -1 EAGAIN
	getpeername = -1 ENOTCONN
	getsockname = 0
	127.0.0.1 port 1
	poll = 1: OUT
	SO_ERROR = 0
	connect = 0
	connect = -1 EISCONN
	write = 4
	ping
	read = 4 'pong'
	status 0
	peer: 4 bytes 758d61f26a444483 end
	END
}

@test "asking for readability, SO_ERROR or the peer's name moves a handshake on" {
	same connecting driven-by-reading
}

@test "ECONNREFUSED leaves a socket that connects elsewhere" {
	same connecting refused
}

@test "a refusal that comes later is told once: by SO_ERROR, connect, read or write" {
	same connecting refused-later
}

@test "a failure that SO_ERROR told is ECONNABORTED to connect()" {
	same connecting aborted
}

@test "a reset before the handshake is done is ECONNRESET" {
	shows connecting reset-before-open <<-'END'
	connect = -1 EINPROGRESS
	poll = 0:
	poll = 1: IN OUT ERR HUP RDNORM WRNORM RDHUP
	SO_ERROR = ECONNRESET
	SO_ERROR = 0
	write = -1 EPIPE
	blocking = -1 ECONNRESET
	SO_ERROR = 0
	blocking = 0
	write = 4
	ping
	status 0
	peer: 0 bytes e3b0c44298fc1c14 reset it
	peer: 0 bytes e3b0c44298fc1c14 reset it
	peer: 4 bytes 758d61f26a444483 end
	END
}

@test "connect(AF_UNSPEC) dissolves a connection, and another can be made" {
	same connecting unspec
}

@test "connect(AF_UNSPEC) dissolves a connection before its handshake is done" {
	shows connecting unspec-pending <<-'END'
	connect = -1 EINPROGRESS
	unspec = 0
	poll = 1: OUT HUP
	SO_ERROR = 0
	connect = -1 EINPROGRESS
	poll = 1: OUT
	write = 4
	ping
	status 0
	peer: 0 bytes e3b0c44298fc1c14 closed it
	peer: 4 bytes 758d61f26a444483 end
	END
}

@test "shutdown() before the handshake is done makes the socket fresh" {
	shows connecting shutdown-pending <<-'END'
	connect = -1 EINPROGRESS
	shutdown = 0
	poll = 1: OUT HUP
	read = -1 ENOTCONN
	shutdown = -1 ENOTCONN
	status 0
	peer: 0 bytes e3b0c44298fc1c14 closed it
	END
}

@test "bad addresses, lengths and sockets get the kernel's errors" {
	[[ $BUILD_DIR != *-address* ]] ||
		skip "sanitizer: its connect() reads the address itself"
	same connecting bad-arguments
}

@test "a datagram socket with a selected port is left alone" {
	same connecting datagrams
}

@test "a port that is not selected is left alone" {
	local plain shimmed

	plain=$(run_plain connecting nonblocking 3>&-)
	shimmed=$(TLSSHIM_PORTS=1 TLSSHIM_CA_FILE=$CA_DIR/ca.pem \
		run_oracle plain shim connecting nonblocking 3>&-)
	assert_equal "$shimmed" "$plain"
}

@test "an unconnected socket beside a connection is as any" {
	same connecting unconnected
}

@test "sendto, sendmsg and sendmmsg with MSG_FASTOPEN connect and send" {
	same connecting fastopen-sendto
}

@test "TCP_FASTOPEN_CONNECT connects" {
	same connecting fastopen-connect
}

@test "SO_SNDTIMEO over in connect() is EINPROGRESS, and the handshake goes on" {
	shows connecting send-timeout <<-'END'
	connect = -1 EINPROGRESS
	in time: 1
	SO_ERROR = 0
	poll = 0:
	write = -1 EAGAIN
	poll = 1: OUT
	connect = 0
	write = 4
	ping
	read = 4 'pong'
	status 0
	peer: 4 bytes 758d61f26a444483 end
	END
}

@test "without a free number connect() is EMFILE, and nothing is lost" {
	shows connecting no-numbers <<-'END'
	dup = -1 EMFILE
	connect = -1 EMFILE
	connect = -1 EMFILE
	connect = -1 EMFILE
	connect = -1 EMFILE
	connect = -1 EMFILE
	lost = 0
	connect = 0
	write = 4
	ping
	read = 4 'pong'
	status 0
	peer: 4 bytes 758d61f26a444483 end
	END
}

@test "many connections leave the program most numbers of its limit, and the limit stays" {
	same connecting few-numbers
}

@test "an IPv4-mapped IPv6 address is connected to, and told as such" {
	same connecting ipv6
}

@test "no address at all is this host, and told as such" {
	same connecting no-address
}
