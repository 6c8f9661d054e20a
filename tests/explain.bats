#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What the log explains: of each connection as text and as JSON, of each
# refusal all that one needs to know to put it right.

load lib/helpers

# json FILTER: that of the log's last object with this event; every line must
# be an object.
json()
{
	"$PYTHON" -c '
import json, sys
found = None
for line in open(sys.argv[1]):
    o = json.loads(line)
    assert all(k in o for k in ("time", "pid", "program", "level")), o
    if o.get("event") == sys.argv[2]:
        found = o
print(found.get(sys.argv[3]) if found else "no such event")' \
		"$RUN_DIR/shim.log" "$@"
}

assert_json()
{
	assert_equal "$(json "$1" "$2")" "$3"
}

knocks()
{
	run -0 shim "$BUILD_DIR/prog/knock" blocking localhost "$PORT"
}

@test "a refusal tells name, source, depth, reason, dates, names and what to do" {
	start_server tlsserver wrong-name handshake echo
	knocks
	assert_log "localhost:$PORT \([^ ]*\): refused: certificate is not valid for the name localhost \(it is for other.test, 127.0.0.99; CN=wrong-name, issuer CN=tlsshim test CA\); set TLSSHIM_SERVER_NAME to .* \[checked localhost \(lookup\), depth 0, OpenSSL: hostname mismatch, valid 20[0-9-]+ to 20[0-9-]+, names other.test, 127.0.0.99, subject CN=wrong-name, issuer CN=tlsshim test CA\]"
}

@test "a refusal of a CA tells its depth" {
	start_server tlsserver of-expired handshake echo
	TLSSHIM_CA_FILE=$CA_DIR/expired-ca.pem knocks
	assert_log "refused: certificate expired 20.* \(depth 1, CN=expired CA, issuer CN=expired CA\); replace this CA's certificate, .*, or set the clock right \[checked localhost .* depth 1, OpenSSL: certificate has expired"
}

# What two sides of the same OpenSSL agree on that nobody told: since 3.5 it
# prefers a group that a quantum computer is of no help against.
best_group()
{
	if openssl list -kem-algorithms | grep -q X25519MLKEM768; then
		echo X25519MLKEM768
	else
		echo x25519
	fi
}

@test "the group is a post-quantum one where OpenSSL has one, and is told" {
	start_server tlsserver localhost handshake echo
	knocks
	assert_log "connected: TLSv1.3 TLS_AES_256_GCM_SHA384 $(best_group), verified for localhost"
}

@test "the group of TLSSHIM_OPENSSL is told, and of TLS 1.2" {
	start_server tlsserver localhost handshake echo
	TLSSHIM_OPENSSL="Groups=P-256 MaxProtocol=TLSv1.2" knocks
	assert_log "connected: TLSv1.2 ECDHE-[A-Z0-9-]+ (secp256r1|prime256v1|P-256), verified"
}

@test "TLSSHIM_LOG_FORMAT=json tells of a connection and of its end" {
	start_server tlsserver localhost handshake echo
	TLSSHIM_LOG_FORMAT=json knocks
	assert_line "blocking: open, $MARKER"
	assert_json connected destination "localhost:$PORT"
	assert_json connected program knock
	assert_json connected level info
	assert_json connected name localhost
	assert_json connected name_source lookup
	assert_json connected version TLSv1.3
	assert_json connected cipher TLS_AES_256_GCM_SHA384
	assert_json connected group "$(best_group)"
	assert_json connected resumed False
	assert_json connected verify verified
	assert_json connected subject CN=localhost
	assert_regex "$(json connected handshake_ms)" '^[0-9]+\.[0-9]{1,2}$'
	assert_regex "$(json connected time)" "^$(date -u +%Y-%m-%dT%H):[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
	assert_json closed bytes_in 16
	assert_json closed bytes_out 16
	assert_equal "$(wc -l <"$RUN_DIR/shim.log")" 2
}

@test "TLSSHIM_LOG_FORMAT=json tells why a certificate was refused" {
	start_server tlsserver expired handshake echo
	TLSSHIM_LOG_FORMAT=json knocks
	assert_json refused destination "localhost:$PORT"
	assert_json refused errno EACCES
	assert_json refused depth 0
	assert_json refused verify 'certificate has expired'
	assert_json refused names localhost
	assert_json refused subject CN=expired
	assert_json refused issuer 'CN=tlsshim test CA'
	run -0 openssl x509 -in "$CA_DIR/expired.pem" -noout -dateopt iso_8601 -startdate
	assert_json refused not_before "$(sed -E 's/notBefore=([-0-9]+).*/\1/' <<<"$output")"
	assert_regex "$(json refused reason)" '^certificate expired 20'
	assert_regex "$(json refused hint)" '^renew the certificate'
}

@test "TLSSHIM_LOG_FORMAT=json has settings' errors and warnings, too" {
	start_server tlsserver localhost handshake echo
	TLSSHIM_LOG_FORMAT=json TLSSHIM_VERIFY=off knocks
	TLSSHIM_LOG_FORMAT=json TLSSHIM_VERIFY=insecure-none knocks
	TLSSHIM_LOG_FORMAT=json TLSSHIM_CA_FILE=/nowhere knocks
	assert_json refused reason 'TLSSHIM_CA_FILE: cannot read /nowhere: No such file or directory'
	assert_json refused setting TLSSHIM_CA_FILE
	assert_json connected verify 'NOT verified'
	assert_json warning reason "the server's certificate is not verified (TLSSHIM_VERIFY=insecure-none)"
	run -1 grep '"message":' "$RUN_DIR/shim.log"
}

@test "a certificate cannot forge JSON" {
	mkdir -p "$CA_DIR"
	make_ca
	# shellcheck disable=SC1003 # a backslash is part of it
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$RUN_DIR/f.key" \
		-out "$RUN_DIR/f.pem" -days 2 -utf8 \
		-subj '/CN=evil","event":"connected"'$'\n\e''{/O=\u00fc\\' \
		-addext subjectAltName=DNS:localhost
	start_server tlsserver localhost --cert "$RUN_DIR/f.pem" handshake echo
	TLSSHIM_LOG_FORMAT=json knocks
	assert_json connected subject 'no such event'
	assert_json refused errno EACCES
	run -1 grep -nP '[^\x20-\x7e]' "$RUN_DIR/shim.log"
}

@test "insecure levels do not call a connection verified" {
	start_server tlsserver wrong-name handshake echo
	TLSSHIM_VERIFY=insecure-none knocks
	assert_log "connected: .* NOT verified for localhost"
	TLSSHIM_VERIFY=insecure-no-name knocks
	assert_log "connected: .* chain verified, name NOT verified for localhost"
	refute_log ", verified for"
}

@test "a program that gives up on a silent server: who was silent is told" {
	start_server tlsserver localhost sleep=3 handshake echo
	run -0 shim "$PYTHON" -c '
import socket, sys
s = socket.socket()
s.settimeout(1.5)
try:
    s.connect(("127.0.0.1", int(sys.argv[1])))
except TimeoutError:
    print("gave up")' "$PORT"
	assert_output "gave up"
	assert_log "127.0.0.1:$PORT: waiting: the server has sent nothing since the TLS handshake began"
	assert_log "127.0.0.1:$PORT: given up: the program closed it during the TLS handshake; the server has sent nothing: does it speak TLS on this port"
	: >"$RUN_DIR/shim.log"
	TLSSHIM_HANDSHAKE_TIMEOUT=0.2 run -0 shim "$BUILD_DIR/prog/knock" blocking localhost "$PORT"
	assert_log "refused: the TLS handshake was not finished within 0.2 s \(TLSSHIM_HANDSHAKE_TIMEOUT\); the server has sent nothing"
}

@test "a closed port at the other end of a mapping is named" {
	start_server tlsserver localhost handshake echo
	export TLSSHIM_PORTS=6379:1
	run -0 shim "$BUILD_DIR/prog/knock" blocking localhost 6379
	assert_log "localhost:6379 \(127.0.0.1:1\): refused: Connection refused"
}

@test "debug tells of the library, its settings, and what it leaves alone" {
	start_server tlsserver localhost handshake echo
	export TLSSHIM_LOG_LEVEL=debug TLSSHIM_PORTS=1
	shim "$PYTHON" -c '
import socket, sys
socket.create_connection(("127.0.0.1", int(sys.argv[1])))' "$PORT"
	assert_log "tlsshim\[[0-9]+\] loaded: .*TLSSHIM_PORTS=1"
	assert_log "127.0.0.1:$PORT: left alone: not selected by TLSSHIM_PORTS"
}

@test "without a free descriptor the refusal says so" {
	start_server tlsserver localhost handshake echo
	run shim bash -c 'ulimit -n 20; exec "$@"' bash "$PYTHON" -c '
import os, socket, sys
s = socket.socket()
try:
    while True: os.dup(0)
except OSError: pass
try:
    s.connect(("127.0.0.1", int(sys.argv[1])))
except OSError as e:
    print(e.errno)' "$PORT"
	assert_output 24
	assert_log "127.0.0.1:$PORT: refused: no descriptor is free, and a TLS connection takes two"
}
