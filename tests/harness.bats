#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The tests' own tools, proven with a native TLS client: what they say of the
# shim is worth only as much as they notice.

load lib/helpers

native()
{
	timeout 20 "$PYTHON" "$LIB/tlsclient.py" "$CA_DIR/ca.pem" "${NAME-localhost}" \
		"$PORT" "$1"
}

@test "the recorder passes a TLS session on and finds nothing wrong" {
	start_server tlsserver localhost handshake echo
	run -0 native "$MARKER"
	assert_output "$MARKER"
	assert_tls localhost TLSv1.3
	assert_report sni localhost
	assert_report how close_notify
	assert_report bytes ${#MARKER}
}

@test "the recorder tells TLS 1.2 from 1.3, and one name from another" {
	add_host db.test 127.0.0.1
	start_server tlsserver db.test --max TLSv1.2 handshake echo
	NAME=db.test run -0 native "$MARKER"
	assert_tls db.test TLSv1.2
	run assert_tls localhost TLSv1.2
	assert_failure
	run assert_tls db.test TLSv1.3
	assert_failure
}

@test "the recorder notices plaintext" {
	start_server tlsserver localhost echo
	run -0 nc.openbsd -N 127.0.0.1 "$PORT" <<<"$MARKER"
	assert_output "$MARKER"
	run -1 wire check
	assert_output --partial "no record type"
	run -1 wire check --marker "$MARKER"
	assert_output --partial "in the clear"
	run assert_wire_silent
	assert_failure
}

@test "the recorder notices plaintext behind TLS records" {
	start_server tlsserver localhost handshake echo
	run -0 native "$MARKER"
	wait_for has_line "$WIRE/1.log" 's2c fin'
	run -0 wire check
	printf '%s' "hello" >>"$WIRE/1.c2s"
	run -1 wire check
	assert_output --partial "no record type"
}

@test "the recorder passes half-closes on, in both directions" {
	start_server tlsserver localhost read digest
	run -0 nc.openbsd -N 127.0.0.1 "$PORT" <<<"$MARKER"
	assert_output "$(sha256sum <<<"$MARKER" | cut -d ' ' -f 1)"
	start_server tlsserver localhost "send=first\\n" fin read mark=read
	run -0 nc.openbsd -N 127.0.0.1 "$PORT" <<<"$MARKER"
	assert_output first
	wait_for test -e "$SERVER_DIR/read"
	assert_report bytes $((${#MARKER} + 1))
}

@test "the recorder passes resets on" {
	start_server tlsserver localhost line reset
	run "$PYTHON" -c '
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"x\n")
s.recv(1)' "$PORT"
	assert_output --partial ConnectionResetError
	wait_for has_line "$WIRE/1.log" 's2c rst'
}

@test "the recorder passes 100 MB on whole" {
	start_server tlsserver localhost handshake read digest
	run -0 native_sink 100000000
	assert_output "$(head -c 100000000 /dev/zero | sha256sum | cut -d ' ' -f 1)"
	assert_wire_is_tls
}

@test "the recorder waits for a client that reads late" {
	start_server tlsserver localhost http
	run -0 timeout 60 "$PYTHON" -c '
import os, socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.connect(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"GET /bytes/20000000 HTTP/1.0\r\n\r\n")
# Until the recorder has no room for more.
sizes = [0, 1]
while sizes[-1] < 1000000 or sizes[-1] != sizes[-2]:
    time.sleep(0.2)
    sizes.append(os.path.getsize(sys.argv[2]))
got = 0
while (data := s.recv(1000000)):
    got += len(data)
print(got >= 20000000)' "$PORT" "$WIRE/1.s2c"
	assert_output True
}

native_sink()
{
	head -c "$1" /dev/zero | timeout 60 openssl s_client -quiet -no_ign_eof \
		-connect "127.0.0.1:$PORT" 2>"$RUN_DIR/s_client.out" &
	local client=$!
	wait_for has_line "$SERVER_DIR/report" '"end"'
	wait "$client" || :
	report sha256
}

@test "shapes hold back, cut up and break off what the server says" {
	RECORDER="--shape chunk=1" start_server tlsserver localhost handshake echo
	run -0 native "$MARKER"
	assert_output "$MARKER"
	RECORDER="--shape reset=300" start_server tlsserver localhost handshake echo
	run native "$MARKER"
	assert_output --partial ConnectionResetError
	RECORDER="--shape close=300" start_server tlsserver localhost handshake echo
	run native "$MARKER"
	assert_output --partial EOF
	RECORDER="--shape stall-record=2" start_server tlsserver localhost handshake echo
	run -124 timeout 1 "$PYTHON" "$LIB/tlsclient.py" "$CA_DIR/ca.pem" localhost "$PORT" x
}

@test "openssl s_server" {
	start_server s_server localhost -rev
	run -0 native $'abc\n'
	assert_output cba
	assert_tls
}

@test "nginx" {
	start_server nginx
	echo "$MARKER" >"$RUN_DIR/www/page"
	run -0 curl -sS --cacert "$CA_DIR/ca.pem" "https://localhost:$PORT/page"
	assert_output "$MARKER"
	assert_tls
}

@test "redis" {
	start_server redis
	run -0 redis-cli --tls --cacert "$CA_DIR/ca.pem" -p "$PORT" echo "$MARKER"
	assert_output "$MARKER"
	assert_wire_is_tls
}

@test "mosquitto" {
	start_server mosquitto
	run -0 mosquitto_pub -h localhost -p "$PORT" --cafile "$CA_DIR/ca.pem" \
		-t topic -m "$MARKER"
	assert_tls
}

@test "slapd" {
	start_server slapd
	LDAPTLS_CACERT=$CA_DIR/ca.pem run -0 ldapsearch -x -LLL \
		-H "ldaps://127.0.0.1:$PORT" -b cn=marker,dc=test description
	assert_output --partial "$MARKER"
	assert_wire_is_tls
}

@test "a sanitizer's report fails the test, and one fails that is not there" {
	run assert_no_report
	assert_success
	echo "ERROR: AddressSanitizer: heap-use-after-free" >"$RUN_DIR/sanitizer.1"
	run assert_no_report
	assert_failure
	assert_output --partial heap-use-after-free
	rm "$RUN_DIR/sanitizer.1"
}

@test "sanitizers watch programs under the shim" {
	run shim "$BUILD_DIR/prog/overflow"
	run assert_no_report
	case $BUILD_DIR in
	*-address*) assert_output --partial heap-buffer-overflow ;;
	*) assert_success ;;
	esac
	rm -f "$RUN_DIR"/sanitizer.*
}

@test "ThreadSanitizer watches the shim" {
	start_server tlsserver localhost handshake read
	run shim "$BUILD_DIR/prog/racing" "$PORT"
	run assert_no_report
	case $BUILD_DIR in
	*-thread*)
		assert_output --partial "data race"
		assert_output --partial shim/event/pollset.c
		;;
	*) assert_success ;;
	esac
	rm -f "$RUN_DIR"/sanitizer.*
}

@test "nothing of the caller's environment reaches a test" {
	# As somebody may call it who has proxies, Python's settings and more.
	umask 077
	run -0 env -i PATH="${PATH#*bats*:}" HOME="$HOME" LD_BIND_NOW=1 MINE=1 \
		http_proxy=http://127.0.0.1:9 PYTHONSTARTUP=/nonexistent \
		TLSSHIM_LOG_LEVEL=debug LC_TIME=C TMPDIR="$RUN_DIR" \
		bats --tap -f "what there" "$LIB/environment.bats"
	assert_line "1..1"
	assert_line "# PATH"
	assert_line "# HOME"
	assert_line "# FROM_SETUP_FILE"
	assert_line "# 0022"
	for name in LD_BIND_NOW MINE http_proxy PYTHONSTARTUP TLSSHIM_LOG_LEVEL \
		LC_TIME TMPDIR; do
		refute_line "# $name"
	done
}

@test "background processes end with the test" {
	background sleeper sleep 1000
	local pid=$BG_PID
	is_running "$pid"
	stop_background
	run is_running "$pid"
	assert_failure
}
