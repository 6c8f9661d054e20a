#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Servers that do not speak TLS, or speak it badly, slowly, or not to the end.
# Each: the errno that the program gets in every way of connecting, one line
# with the reason, no plaintext from us, nothing leaked, no busy waiting, and
# the program goes on to its next connection.

load lib/helpers

ALL_WAYS="blocking poll again retry select"

setup_file()
{
	NO_RECORDER=1 start_server tlsserver localhost handshake echo
	export GOOD=$PORT
}

teardown_file()
{
	stop_background
}

# fails_with ERRNO REASON: what `$WAYS` get from the server started last.
fails_with()
{
	local way ways=() n=0

	export TLSSHIM_PORTS="$PORT $GOOD"
	for way in ${WAYS:-$ALL_WAYS}; do
		ways+=("$way" localhost "$PORT")
		n=$((n + 1))
	done
	run -0 shim "$BUILD_DIR/prog/knock" "${ways[@]}" blocking localhost "$GOOD"
	for way in ${WAYS:-$ALL_WAYS}; do
		assert_line "$way: $1, write EPIPE"
	done
	assert_line "blocking: open, $MARKER"
	assert_line "descriptors: +0"
	assert_little_cpu
	if [[ -n ${MAY_BE_TCPS:-} ]]; then
		assert_wire_is_tls --client
	else
		assert_wire_is_tls --client --connections "$n"
	fi
	assert_equal "$(grep refused "$RUN_DIR/shim.log" | grep -cvE "localhost:$PORT \([^ ]*\): refused: $2")" 0
	[[ -n ${MAY_BE_TCPS:-} ]] || assert_equal "$(grep -cE \
		"tlsshim\[[0-9]+\] localhost:$PORT \([^ ]*\): refused: $2" "$RUN_DIR/shim.log")" "$n"
}

# Five ways of waiting for half a second by turning in circles cost 2,500 ms.
assert_little_cpu()
{
	local cpu

	cpu=$(sed -n 's/^cpu: \([0-9]*\) ms/\1/p' <<<"$output")
	sanitized || ((cpu < 200)) || fail "it took $cpu ms of processor time"
}

# --- no TLS at all

@test "a mail server that greets in plaintext" {
	start_server tlsserver localhost "send=220 mail.test ESMTP ready\\r\\n" stall
	fails_with EPROTO 'the server does not speak TLS on this port \(it answered "220 mail.test ESMTP'
}

@test "a web server that answers in plaintext" {
	start_server tlsserver localhost recv=5 \
		"send=HTTP/1.1 400 Bad Request\\r\\n\\r\\n" stall
	fails_with EPROTO 'the server does not speak TLS on this port \(it answered "HTTP/1.1 400'
}

@test "a server that greets with two letters and waits" {
	start_server tlsserver localhost "send=OK" stall
	fails_with EPROTO 'the server does not speak TLS on this port \(it answered "OK"\)'
}

@test "a server that sends random bytes" {
	start_server tlsserver localhost garbage=00ff17deadbeef0a1b5b33316d stall
	fails_with EPROTO 'the server does not speak TLS on this port \(it answered "[\]x00'
	run -1 grep -nP '[^\x20-\x7e]' "$RUN_DIR/shim.log"
}

@test "a server that sends application data before any handshake" {
	start_server tlsserver localhost garbage=170303000568656c6c6f stall
	fails_with EPROTO 'the server begins with a TLS record of encrypted data instead of its part of the handshake'
}

@test "a server that begins with ChangeCipherSpec or a heartbeat" {
	start_server tlsserver localhost garbage=140303000101 stall
	WAYS=blocking fails_with EPROTO 'the server begins with a TLS record of ChangeCipherSpec'
	rm "$RUN_DIR/shim.log"
	start_server tlsserver localhost garbage=18 wait=never garbage=0303000101
	: >"$SERVER_DIR/never"
	WAYS=blocking fails_with EPROTO 'the server begins with a TLS record of a heartbeat'
}

@test "a server that sends a record of an impossible length" {
	start_server tlsserver localhost recv=100 garbage=160303ffff0200 stall
	fails_with EPROTO .
}

@test "a server that sends a broken ServerHello" {
	start_server tlsserver localhost recv=100 \
		garbage=160303000a02000006ffffffffffff stall
	fails_with EPROTO .
}

@test "a server that answers with an alert" {
	start_server tlsserver localhost recv=100 garbage=15030300020228 stall
	fails_with EPROTO '.*handshake_failure'
}

@test "a server that says close_notify instead of hello" {
	start_server tlsserver localhost recv=100 garbage=15030300020100 stall
	fails_with ECONNRESET 'the server closed the connection during the handshake'
}

# --- not to the end

@test "nobody listens" {
	export TLSSHIM_CA_FILE=$CA_DIR/ca.pem
	TLSSHIM_PORTS="1 $GOOD" run -0 shim "$BUILD_DIR/prog/knock" \
		blocking 127.0.0.1 1 poll 127.0.0.1 1 again 127.0.0.1 1 retry 127.0.0.1 1 \
		select 127.0.0.1 1 blocking localhost "$GOOD"
	for way in $ALL_WAYS; do
		assert_line "$way: ECONNREFUSED, write EPIPE"
	done
	assert_line "blocking: open, $MARKER"
	assert_line "descriptors: +0"
}

@test "a server that closes at once" {
	start_server tlsserver localhost close
	fails_with ECONNRESET '(the server closed the connection during the handshake|Connection reset by peer)'
}

@test "a server that closes after our hello" {
	start_server tlsserver localhost recv=100 fin stall
	fails_with ECONNRESET 'the server closed the connection during the handshake'
}

@test "a server that resets at once" {
	start_server tlsserver localhost reset
	fails_with ECONNRESET 'Connection reset by peer (before|during) the TLS handshake'
}

@test "a server that resets after our hello" {
	start_server tlsserver localhost recv=100 reset
	fails_with ECONNRESET 'Connection reset by peer during the TLS handshake'
}

@test "a connection that is closed or reset at any byte of the handshake" {
	for shape in close reset; do
		for bytes in 1 4 6 60 127 133 200 500; do
			RECORDER="--shape $shape=$bytes" start_server tlsserver localhost handshake stall
			WAYS="blocking poll" fails_with ECONNRESET .
			rm "$RUN_DIR/shim.log"
			stop_background
		done
	done
}

# --- not in time

times_out()
{
	export TLSSHIM_HANDSHAKE_TIMEOUT=$1
	fails_with ETIMEDOUT "the TLS handshake was not finished within $1 s \(TLSSHIM_HANDSHAKE_TIMEOUT\)"
}

@test "a server that says nothing costs no processor time and ends in time" {
	local start=$EPOCHREALTIME

	start_server tlsserver localhost stall
	times_out 0.5
	awk "BEGIN { t = $EPOCHREALTIME - $start; exit !(t > 2.5 && t < 60) }"
}

@test "a server that stalls within a record's header" {
	RECORDER="--shape stall=3" start_server tlsserver localhost handshake stall
	WAYS="blocking poll" times_out 1.0
}

@test "a server that stalls after each record of a TLS 1.3 handshake" {
	for n in 1 2 3 4 5; do
		RECORDER="--shape stall-record=$n" start_server tlsserver localhost \
			handshake stall
		WAYS="blocking poll" times_out 1.0
		rm "$RUN_DIR/shim.log"
		stop_background
	done
}

@test "a server that stalls after each record of a TLS 1.2 handshake" {
	for n in 1 2 3 4 5; do
		RECORDER="--shape stall-record=$n" start_server tlsserver localhost \
			--max TLSv1.2 handshake stall
		WAYS="blocking poll" times_out 1.0
		rm "$RUN_DIR/shim.log"
		stop_background
	done
}

@test "a server that gives one byte at a time does not prolong the handshake" {
	RECORDER="--shape chunk=1,delay=0.01" start_server tlsserver localhost handshake stall
	WAYS="blocking poll retry" times_out 1.0
}

@test "a program that asks late learns of the timeout all the same" {
	start_server tlsserver localhost stall
	TLSSHIM_HANDSHAKE_TIMEOUT=0.2 run -0 shim "$PYTHON" -c '
import errno, select, socket, sys, time
s = socket.socket()
s.setblocking(False)
print(errno.errorcode[s.connect_ex(("127.0.0.1", int(sys.argv[1])))])
select.select([s], [], [], 0.05)
time.sleep(0.3)
print(errno.errorcode[s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)])
' "$PORT"
	assert_output "EINPROGRESS
ETIMEDOUT"
	assert_wire_is_tls --client
}

# --- after the handshake

# reads STEP...: what a program reads from such a server, and how it ends.
reads()
{
	start_server tlsserver localhost handshake "$@"
	run -0 shim "$PYTHON" -c '
import errno, os, socket, sys
before = os.listdir("/proc/self/fd")
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
try:
    while True:
        data = s.recv(65536)
        if not data:
            break
        print(len(data))
    print("end")
except OSError as error:
    print(errno.errorcode[error.errno])
for _ in range(2):
    try:
        s.send(sys.argv[2].encode())
    except OSError as error:
        print("write", errno.errorcode[error.errno])
s.close()
print(len(os.listdir("/proc/self/fd")) - len(before))
' "$PORT" "$MARKER"
	assert_wire_is_tls --client
}

@test "an end without close_notify is an error, not an end" {
	reads send=hello fin stall
	assert_output "5
ECONNRESET
write EPIPE
write EPIPE
0"
	assert_log "connection broken: the server closed the connection without close_notify"
}

@test "a reset" {
	reads reset
	assert_line ECONNRESET
	assert_line --index 1 "write EPIPE"
}

@test "a reset before any data has its line, whether the program reads or writes first" {
	export TLSSHIM_LOG_LEVEL=error
	reads reset
	assert_log "127.0.0.1:$PORT: connection broken: Connection reset by peer after the TLS handshake, before any data"
	rm "$RUN_DIR/shim.log"
	start_server tlsserver localhost handshake reset
	run -0 shim "$PYTHON" -c "$(writes_first)" "$PORT" "$MARKER"
	assert_output ECONNRESET
	assert_equal "$(wc -l <"$RUN_DIR/shim.log")" 1
	assert_log "127.0.0.1:$PORT: connection broken: Connection reset by peer after the TLS handshake, before any data"
}

# A program that writes until it fails, and reads nothing.
writes_first()
{
	cat <<-"PROGRAM"
	import errno, socket, sys, time
	s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
	try:
	    while True:
	        s.send(sys.argv[2].encode())
	        time.sleep(0.001)
	except OSError as error:
	    print(errno.errorcode[error.errno])
	PROGRAM
}

@test "a record that was changed on its way" {
	reads send=hello garbage=1703030020000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f stall
	assert_output "5
ECONNRESET
write EPIPE
write EPIPE
0"
	assert_log "connection broken: "
}

@test "plaintext after the handshake" {
	reads send=hello garbage=48495448495448495448 stall
	assert_output --partial "ECONNRESET
write EPIPE"
	assert_log "connection broken: "
}

# --- an end without close_notify that is allowed

@test "TLSSHIM_EOF=insecure-lax takes an end without close_notify for one, and warns" {
	export TLSSHIM_EOF=insecure-lax
	reads send=hello fin recv=16 stall
	assert_output "5
end
0"
	assert_log "127.0.0.1:$PORT: warning: an end without close_notify will pass for the server's \(TLSSHIM_EOF=insecure-lax\)"
	refute_log "connection broken"
	assert_report bytes 32
}

@test "within a record, and by a reset, it is an error all the same" {
	export TLSSHIM_EOF=insecure-lax
	reads send=hello part=more fin stall
	assert_line --index 1 ECONNRESET
	reads send=hello garbage=170303 fin stall
	assert_line --index 1 ECONNRESET
	reads reset
	assert_line ECONNRESET
}

@test "TLSSHIM_EOF is for a destination, and holds in a relay" {
	start_server tlsserver localhost handshake send=hello fin stall
	local lax=$PORT strict
	start_server tlsserver localhost handshake send=hello fin stall
	strict=$PORT
	unset TLSSHIM_PORTS
	cat >"$RUN_DIR/rules" <<-RULES
		[localhost:$lax]
		eof = insecure-lax
		[localhost:$strict]
	RULES
	export TLSSHIM_CONFIG=$RUN_DIR/rules
	for server in "$lax" "$strict"; do
		run -0 shim "$PYTHON" -c '
import errno, os, socket, sys
s = socket.create_connection(("localhost", int(sys.argv[1])))
if os.fork() == 0:
    try:
        while s.recv(100):
            pass
        print("end")
    except OSError as error:
        print(errno.errorcode[error.errno])
    sys.stdout.flush()
    os._exit(0)
os.wait()' "$server"
		if [[ $server == "$lax" ]]; then
			assert_output end
		else
			assert_output ECONNRESET
		fi
	done
}

# --- programs that speak TLS themselves

# fails_with_hello COMMAND...: it ends, and a line says why.
fails_with_hello()
{
	SHIM_TIMEOUT=20 run shim "$@"
	[[ $status != 0 && $status != 124 ]] || fail "status $status: $output"
	assert_log "$PORT( \([^ ]*\))?: connection broken: the program speaks TLS itself on this port \(it begins with a ClientHello\)"
	assert_equal "$(grep -c 'speaks TLS itself' "$RUN_DIR/shim.log")" 1
	rm "$RUN_DIR/shim.log"
}

@test "a program that speaks TLS itself fails with a reason instead of hanging" {
	start_server tlsserver localhost handshake read
	fails_with_hello curl -sS "https://localhost:$PORT/"
	fails_with_hello openssl s_client -connect "localhost:$PORT"
	fails_with_hello "$PYTHON" -c '
import socket, ssl, sys
ssl.create_default_context().wrap_socket(
    socket.create_connection(("localhost", int(sys.argv[1]))), server_hostname="localhost")' "$PORT"
	fails_with_hello "$PYTHON" -c '
import os, socket, ssl, sys
s = socket.create_connection(("localhost", int(sys.argv[1])))
if os.fork() == 0:
    os._exit(0)
ssl.create_default_context().wrap_socket(s, server_hostname="localhost")' "$PORT"
	assert_report bytes 0
}

@test "its first write gets EPROTO" {
	start_server tlsserver localhost handshake read
	run -0 shim "$PYTHON" -c '
import errno, socket, ssl, sys
out = ssl.MemoryBIO()
tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
try:
    tls.do_handshake()
except ssl.SSLWantReadError:
    pass
hello = out.read()
for data in hello, hello[:100], hello[:6] + b"x" + hello[7:]:
    s = socket.create_connection(("localhost", int(sys.argv[1])))
    try:
        print(s.send(data) == len(data))
    except OSError as error:
        print(errno.errorcode[error.errno])' "$PORT"
	assert_output "EPROTO
True
True"
}

@test "200 connections that fail in all these ways leave nothing behind" {
	local grown

	start_server tlsserver localhost recv=100 garbage=15030300020228 stall
	export TLSSHIM_PORTS="$PORT $GOOD 1"
	export TLSSHIM_LOG_LEVEL=error
	run -0 shim "$BUILD_DIR/prog/knock" -n 200 blocking localhost "$PORT" \
		retry localhost "$PORT" poll localhost 1 blocking localhost 1 \
		select localhost "$GOOD"
	assert_line "descriptors: +0"
	grown=$(sed -n 's/^memory: +\(-*[0-9]*\) kB/\1/p' <<<"$output")
	sanitized || ((grown < 512)) || fail "memory grew by $grown kB"
}
