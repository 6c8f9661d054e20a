#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# TLSSHIM_CONFIG: one program, several destinations, each with rules of its
# own; and TLSSHIM_PLAINTEXT.  The syntax is test_rules.c's affair.

load lib/helpers

setup()
{
	unset "${!TLSSHIM_@}"
	add_host db.test 127.0.0.1
	add_host cache.test 127.0.0.1
	RULES=$RUN_DIR/rules.ini
	export TLSSHIM_CONFIG=$RULES
}

# rules: writes stdin to the file.
rules()
{
	cat >"$RULES"
}

# serve CERT [ARGUMENT...]: a server; nothing is set in the environment.
serve()
{
	start_server tlsserver "$@"
	unset TLSSHIM_PORTS TLSSHIM_CA_FILE
}

knocks()
{
	run -0 shim "$BUILD_DIR/prog/knock" "$@"
}

@test "each destination has its own trust, credentials and versions" {
	serve db.test --client-ca "$CA_DIR/ca.pem" handshake echo
	local db=$PORT db_dir=$SERVER_DIR
	serve unknown handshake echo
	local other=$PORT
	rules <<-RULES
	[default]
	ca-file = $CA_DIR/ca.pem
	[db.test:$db]
	cert = $CA_DIR/client-only.pem
	key = $CA_DIR/client-only.key
	max-version = TLSv1.2
	[localhost:$other]
	ca_file = $CA_DIR/other-ca.pem
	RULES
	knocks blocking db.test "$db" poll localhost "$other"
	assert_line "blocking: open, $MARKER"
	assert_line "poll: open, $MARKER"
	SERVER_DIR=$db_dir
	assert_report version TLSv1.2
	assert_report client "((('commonName', 'client-only'),),)"
}

@test "a section without TLSSHIM_PORTS selects, and what it does not name stays plaintext" {
	serve localhost handshake echo
	local tls=$PORT
	serve localhost echo
	rules <<<"[localhost:$tls]
ca-file = $CA_DIR/ca.pem"
	knocks blocking localhost "$tls" blocking localhost "$PORT"
	assert_equal "$(grep -c "blocking: open, $MARKER" <<<"$output")" 2
	assert_log "localhost:$tls \([^ ]*\): connected"
	refute_log ":$PORT:"
}

@test "a section for this host holds for a program that names no address" {
	serve localhost handshake echo
	rules <<-RULES
	[127.0.0.1:$PORT]
	ca-file = $CA_DIR/ca.pem
	RULES
	knocks blocking 0.0.0.0 "$PORT"
	assert_line "blocking: open, $MARKER"
	assert_wire_is_tls
}

@test "connect-port, server-name and sni are obeyed" {
	serve db.test handshake echo
	rules <<-RULES
	[default]
	ca-file = $CA_DIR/ca.pem
	[localhost:7]
	connect-port = $PORT
	server-name = db.test
	sni = cache.test
	[127.0.0.1:8]
	connect-port = $PORT
	server-name = db.test
	sni = none
	RULES
	knocks blocking localhost 7
	assert_line "blocking: open, $MARKER"
	assert_wire_info sni=cache.test
	assert_report sni cache.test
	knocks blocking 127.0.0.1 8
	assert_line "blocking: open, $MARKER"
	assert_report sni None
}

@test "an exemption is plaintext, and only for its destination" {
	serve localhost echo
	rules <<-RULES
	[127.0.0.0/8:$PORT]
	[localhost:$PORT]
	plaintext = allow
	RULES
	knocks blocking localhost "$PORT" blocking 127.0.0.1 "$PORT"
	assert_line "blocking: open, $MARKER"
	assert_line "blocking: EPROTO, write EPIPE"
	assert_log "localhost:$PORT \([^ ]*\): refused: "
}

@test "a mere look-up never weakens what holds for an address" {
	serve db.test handshake echo
	add_host metrics.test 127.0.0.1
	add_host old.test 127.0.0.1
	rules <<-RULES
	[metrics.test:*]
	plaintext = allow
	[old.test:*]
	verify = insecure-none
	RULES
	local program='
import socket, sys
port = int(sys.argv[2])
socket.getaddrinfo(sys.argv[1], port)
s = socket.socket()
try:
    s.connect(("127.0.0.1", port))
    s.sendall(b"plaintext-marker")
    print("connected")
except OSError as e:
    print(e.strerror)'
	export TLSSHIM_PORTS=$PORT
	run -0 shim "$PYTHON" -c "$program" metrics.test "$PORT"
	assert_output "Permission denied"
	assert_log "metrics.test:$PORT \([^ ]*\): refused: the section in line 1 of TLSSHIM_CONFIG \(plaintext\) asks less of the server than what holds for the address, and the program did not pass connect\(\) what its look-up gave: give the address a section that says the same"
	run -0 shim "$PYTHON" -c "$program" old.test "$PORT"
	assert_output "Permission denied"
	assert_log "old.test:$PORT \([^ ]*\): refused: the section in line 3 of TLSSHIM_CONFIG \(verify\) asks less"
	assert_wire_silent
	# What the program says by the result itself holds.
	serve unknown handshake echo
	export TLSSHIM_PORTS=$PORT
	knocks blocking old.test "$PORT"
	assert_line "blocking: open, $MARKER"
}

@test "a section for localhost holds for a program that knows localhost by itself" {
	serve unknown handshake http
	rules <<-RULES
	[localhost:$PORT]
	ca-file = $CA_DIR/other-ca.pem
	RULES
	run -0 shim curl -sS "http://localhost:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls ""
}

@test "names of one address with different sections are refused, unless TLSSHIM_NAMES=latest" {
	serve two-names handshake echo
	rules <<-RULES
	[default]
	ca-file = $CA_DIR/ca.pem
	[db.test:$PORT]
	[cache.test:$PORT]
	ca-file = $CA_DIR/other-ca.pem
	RULES
	# The address is copied out of getaddrinfo's result: no identity.
	local program='
import socket, sys
for name in "cache.test", "db.test":
    a = socket.gethostbyname(name)
s = socket.socket()
try:
    s.connect((a, int(sys.argv[1])))
    print("open")
except OSError as e:
    print(e.strerror)'
	run -0 shim "$PYTHON" -c "$program" "$PORT"
	assert_output "Permission denied"
	assert_log "refused: the names of this address have different sections in TLSSHIM_CONFIG: give them one, or set TLSSHIM_NAMES=latest"
	TLSSHIM_NAMES=latest run -0 shim "$PYTHON" -c "$program" "$PORT"
	assert_output open
	assert_log "connected: .* verified for db.test \(latest of several names\)"
}

@test "a ticket of one destination's identity is not shown to the other" {
	start_server tlsserver localhost --tickets 2 handshake echo
	unset TLSSHIM_PORTS TLSSHIM_CA_FILE
	rules <<-RULES
	[default]
	ca-file = $CA_DIR/ca.pem
	server-name = localhost
	[localhost:7]
	connect-port = $PORT
	[localhost:8]
	connect-port = $PORT
	cert = $CA_DIR/client-only.pem
	key = $CA_DIR/client-only.key
	RULES
	knocks blocking localhost 7 blocking localhost 7 blocking localhost 8 blocking localhost 8
	run grep -c '"resumed": true' "$SERVER_DIR/report"
	assert_output 2
	run grep -o '"resumed": [a-z]*' "$SERVER_DIR/report"
	assert_output '"resumed": false
"resumed": true
"resumed": false
"resumed": true'
}

@test "a bad file refuses every connection and names the line" {
	serve localhost echo
	rules <<<"[localhost:1]
verify = off"
	knocks blocking localhost "$PORT"
	assert_line "blocking: EACCES, write EPIPE"
	assert_log "refused: $RULES:2: \"off\" is no level of verification"
	assert_wire_silent
}

@test "a file that cannot be read refuses every connection" {
	serve localhost echo
	mkfifo "$RUN_DIR/fifo"
	mkdir "$RUN_DIR/dir"
	for file in "$RUN_DIR/missing" "$RUN_DIR/dir" "$RUN_DIR/fifo" /dev/zero; do
		rm -f "$RUN_DIR/shim.log"
		TLSSHIM_CONFIG=$file knocks blocking localhost "$PORT"
		assert_line "blocking: EACCES, write EPIPE"
		assert_log "refused: TLSSHIM_CONFIG: cannot read \"$file\": "
	done
	assert_wire_silent
}

@test "the file is read at the start: it may vanish, be changed, be out of the root" {
	serve localhost handshake echo
	rules <<<"[localhost:$PORT]
ca-file = $CA_DIR/ca.pem"
	run -0 shim "$PYTHON" -c '
import os, socket, sys
os.unlink(sys.argv[1])
os.environ.clear()
s = socket.create_connection(("localhost", int(sys.argv[2])))
s.sendall(b"plaintext-marker")
print(s.recv(100).decode())' "$RULES" "$PORT"
	assert_output "$MARKER"
	assert_wire_is_tls
}

@test "a program that connects nowhere loads nothing, and waits for nothing" {
	rules <<<"[localhost:1]
ca-file = /nowhere"
	run -0 shim sh -c 'cat /proc/self/maps'
	refute_line --partial engine.so
	assert_line --partial libtlsshim.so
}

@test "TLSSHIM_PLAINTEXT=deny holds a whole program to TLS" {
	serve localhost echo
	unset TLSSHIM_CONFIG
	export TLSSHIM_PLAINTEXT=deny
	knocks blocking localhost "$PORT" poll localhost "$PORT" udp - 0
	assert_line "blocking: EACCES, write EPIPE"
	assert_line "poll: EACCES, write EPIPE"
	assert_line "udp: open, $MARKER"
	assert_log "127.0.0.1:$PORT: refused: plaintext is denied \(TLSSHIM_PLAINTEXT=deny\)"
	assert_wire_silent
	TLSSHIM_PLAINTEXT=loopback knocks blocking localhost "$PORT"
	assert_line "blocking: open, $MARKER"
	TLSSHIM_PLAINTEXT=loopback knocks blocking 192.0.2.1 "$PORT"
	assert_line "blocking: EACCES, write EPIPE"
}

@test "TLSSHIM_PLAINTEXT=deny lets through what is TLS or exempted" {
	serve localhost handshake echo
	local tls=$PORT
	serve localhost echo
	rules <<-RULES
	[default]
	plaintext = deny
	[localhost:$tls]
	ca-file = $CA_DIR/ca.pem
	[localhost:$PORT]
	plaintext = allow
	RULES
	knocks blocking localhost "$tls" poll localhost "$PORT" blocking localhost 9
	assert_line "blocking: open, $MARKER"
	assert_line "poll: open, $MARKER"
	assert_line "blocking: EACCES, write EPIPE"
}

@test "TLSSHIM_PLAINTEXT=deny holds for data that opens its own connection, too" {
	serve localhost echo
	unset TLSSHIM_CONFIG
	TLSSHIM_PLAINTEXT=deny run -0 shim "$PYTHON" -c '
import ctypes, socket, struct, sys
port = int(sys.argv[1])
addr = "127.0.0.1", port
for call in "sendto", "sendmsg", "syscall":
    s = socket.socket()
    try:
        if call == "sendto":
            s.sendto(b"plaintext-marker", socket.MSG_FASTOPEN, addr)
        elif call == "sendmsg":
            s.sendmsg([b"plaintext-marker"], [], socket.MSG_FASTOPEN, addr)
        else:
            raw = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(port),
                              socket.inet_aton("127.0.0.1"))
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.syscall(42, s.fileno(), raw, 16) < 0:
                raise OSError(ctypes.get_errno(), "")
        print(call, "passed")
    except OSError as e:
        print(call, e.errno)' "$PORT"
	assert_output "sendto 13
sendmsg 13
syscall 13"
	assert_wire_silent
}
