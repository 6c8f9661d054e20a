#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Who is trusted and who is not.  Each refusal: the program gets EACCES in
# whichever way it connects, one line says why, the wire has TLS alone, nothing
# is leaked, and the program goes on to its next connection.

load lib/helpers

setup_file()
{
	NO_RECORDER=1 start_server tlsserver localhost handshake echo
	export GOOD=$PORT
}

teardown_file()
{
	stop_background
}

setup()
{
	unset "${!TLSSHIM_@}"
	add_host db.test 127.0.0.1
	add_host foo.test 127.0.0.1
	add_host a.db.test 127.0.0.1
	add_host a.b.db.test 127.0.0.1
	add_host www.a.test 127.0.0.1
}

# What openssl makes of it: "ok" or "refused".
openssl_says()
{
	local name=$1 check=-verify_hostname

	if [[ $name =~ ^[0-9.]+$|: ]]; then
		check=-verify_ip
	fi
	# 0x20: CN never counts; 4: no partial wildcards.  s_client has neither,
	# so those rows are not compared.
	if timeout 20 openssl s_client -connect "127.0.0.1:$SERVER_PORT" \
		-CAfile "$TLSSHIM_CA_FILE" -verify_return_error -purpose sslserver \
		"$check" "$name" </dev/null &>/dev/null; then
		echo ok
	else
		echo refused
	fi
}

# knocks NAME: at the server in all ways, then at a good one.
knocks()
{
	local host=$1 ways=()
	shift

	export TLSSHIM_PORTS="$PORT $GOOD"
	export TLSSHIM_CA_FILE=${TRUST:-$CA_DIR/ca.pem}
	for way in "${@:-blocking}"; do
		ways+=("$way" "$host" "$PORT")
	done
	run -0 shim "$BUILD_DIR/prog/knock" "${ways[@]}" blocking localhost "$GOOD"
}

# refuses CERTIFICATE NAME REASON [differs]: REASON is an extended regular
# expression; "differs": openssl s_client is of another opinion.
refuses()
{
	local way

	start_server tlsserver "$1" --tickets 0 handshake echo
	knocks "$2" blocking poll again select
	for way in blocking poll again select; do
		assert_line "$way: EACCES, write EPIPE"
	done
	assert_line "blocking: open, $MARKER"
	assert_line "descriptors: +0"
	assert_equal "$(grep -cE "tlsshim\[[0-9]+\] $2:$PORT( \([^ ]*\))?: refused: $3" "$RUN_DIR/shim.log")" 4
	assert_equal "$(grep -c refused "$RUN_DIR/shim.log")" 4
	assert_wire_is_tls
	assert_no_plaintext_server
	if [[ ${4:-} != differs ]]; then
		assert_equal "$(openssl_says "$2")" refused
	fi
}

# The server never finished a handshake and so never heard a word.
assert_no_plaintext_server()
{
	! grep -q '"event": "end".*"bytes": [1-9]' "$SERVER_DIR/report" ||
		fail "the server heard something: $(cat "$SERVER_DIR/report")"
}

# accepts CERTIFICATE NAME [VERSION...]
accepts()
{
	local sni=$2

	start_server tlsserver "$1" "${@:3}" handshake echo
	knocks "$2" blocking poll
	assert_line "blocking: open, $MARKER"
	assert_line "poll: open, $MARKER"
	assert_line "descriptors: +0"
	refute_log refused
	if [[ $sni =~ ^[0-9.]+$|: ]]; then
		sni=
	fi
	assert_wire_is_tls
	assert_wire_info "sni=$sni"
	assert_equal "$(openssl_says "$2")" ok
}

# --- accepted

@test "a certificate with the name is accepted, and the name is sent as SNI" {
	accepts db.test db.test
}
@test "a certificate with two names is accepted for the second" {
	accepts two-names db.test
}
@test "a wildcard stands for one whole label" {
	accepts wildcard a.db.test
}
@test "case does not matter in a certificate's name" {
	accepts upper-case db.test
}
@test "a certificate without a common name is accepted" {
	accepts no-cn db.test
}
@test "a certificate without extended key usage is accepted" {
	accepts no-eku localhost
}
@test "a certificate for any extended key usage and servers is accepted" {
	accepts any-eku localhost
}
@test "an RSA certificate is accepted" {
	accepts rsa localhost
}
@test "an Ed25519 certificate is accepted" {
	accepts ed25519 localhost
}
@test "a chain with an intermediate is accepted" {
	accepts chained localhost
}
@test "an address in the certificate is accepted, and no SNI is sent for it" {
	accepts ip-only 127.0.0.1
}
@test "TLS 1.2 is accepted" {
	accepts localhost localhost --max TLSv1.2
	assert_wire_info version=TLSv1.2
}
@test "TLS 1.3 is preferred, and nothing below 1.2 is offered" {
	accepts localhost localhost --min TLSv1
	assert_wire_info version=TLSv1.3 offered=TLSv1.3,TLSv1.2
}

@test "localhost in the certificate will do for a loopback address" {
	start_server tlsserver localhost-only handshake echo
	knocks 127.0.0.1
	assert_line "blocking: open, $MARKER"
	assert_tls ""
	assert_log '127\.0\.0\.1:[0-9]+: connected: .* \(address\)'
}

@test "an IPv6 address in the certificate is accepted" {
	[[ -e /proc/net/if_inet6 ]] || skip "no IPv6 here"
	start_server tlsserver localhost handshake echo
	TLSSHIM_PORTS=$PORT run -0 shim "$BUILD_DIR/prog/knock" -6 blocking ::1 "$PORT"
	assert_line "blocking: open, $MARKER"
	assert_tls ""
}

# --- refused: the chain

@test "a certificate of an unknown CA is refused" {
	refuses unknown localhost 'certificate of an unknown issuer \(CN=unknown, issuer CN=unknown CA\)'
}
@test "a self-signed certificate is refused" {
	refuses self-signed localhost 'self-signed certificate \(CN=self-signed'
}
@test "a certificate whose intermediate is missing is refused" {
	refuses no-chain localhost 'certificate of an unknown issuer \(CN=no-chain, issuer CN=tlsshim test intermediate\)'
}
@test "a certificate of an expired CA is refused, though the CA is trusted" {
	cat "$CA_DIR/ca.pem" "$CA_DIR/expired-ca.pem" >"$RUN_DIR/both.pem"
	TRUST=$RUN_DIR/both.pem refuses of-expired localhost \
		'certificate expired [-0-9]+ \(depth 1, CN=expired CA'
}
@test "a server's own certificate may be what is trusted" {
	start_server tlsserver self-signed handshake echo
	local trusted=$CA_DIR/self-signed.pem
	TLSSHIM_CA_FILE=$trusted TLSSHIM_PORTS=$PORT run -0 shim "$BUILD_DIR/prog/knock" \
		blocking localhost "$PORT"
	assert_line "blocking: open, $MARKER"
	assert_tls
}
@test "an intermediate may be what is trusted" {
	start_server tlsserver no-chain handshake echo
	local trusted=$CA_DIR/intermediate.pem
	TLSSHIM_CA_FILE=$trusted TLSSHIM_PORTS=$PORT run -0 shim "$BUILD_DIR/prog/knock" \
		blocking localhost "$PORT"
	assert_line "blocking: open, $MARKER"
	assert_tls
}
@test "a certificate signed by one that is no CA's is refused" {
	refuses of-leaf localhost "issuer's certificate is not one of a CA"
}

# --- refused: the certificate

@test "an expired certificate is refused" {
	refuses expired localhost 'certificate expired [0-9]{4}-[0-9]{2}-[0-9]{2} \(CN=expired, issuer CN=tlsshim test CA\)'
}
@test "a certificate that is not valid yet is refused" {
	refuses not-yet localhost 'certificate is not valid before [0-9]{4}-'
}
@test "a certificate for TLS clients is refused" {
	refuses client-only localhost 'certificate is not for TLS servers'
}
@test "a certificate with an unknown critical extension is refused" {
	refuses critical-ext localhost 'certificate has an unknown critical extension, 1\.2\.3\.4 '
}
@test "a certificate with a short key is refused" {
	refuses weak-key localhost "certificate's key is too short"
}
@test "a certificate signed with SHA-1 is refused" {
	refuses weak-digest localhost '(certificate.s signature uses a weak hash|.*too weak)'
}

# --- refused: the name

@test "a certificate for another name is refused" {
	refuses wrong-name db.test 'certificate is not valid for the name db.test \(it is for .*other.test'
}
@test "a certificate for another address is refused" {
	refuses wrong-name 127.0.0.1 'certificate is not valid for the address 127.0.0.1'
}
@test "a name in the CN alone is refused" {
	refuses cn-only localhost 'certificate is not valid for the name localhost' differs
}
@test "a name in the CN is refused where the alternative names are mail addresses" {
	refuses cn-only-mail localhost 'certificate is not valid for the name localhost' differs
}
@test "a name in the CN is refused where the alternative names are others" {
	refuses cn-not-san localhost 'certificate is not valid for the name localhost'
}
@test "an address needs an address in the certificate, not a name of digits" {
	refuses ip-as-dns 127.0.0.1 'certificate is not valid for the address 127.0.0.1'
}
@test "an address in the CN alone is refused" {
	refuses ip-in-cn 127.0.0.1 'certificate is not valid for the address 127.0.0.1'
}
@test "a name of the certificate does not stand for its address" {
	refuses db.test 127.0.0.1 'certificate is not valid for the address 127.0.0.1'
}
@test "a wildcard within a label is refused" {
	refuses part-wildcard foo.test 'certificate is not valid for the name foo.test' differs
}
@test "a wildcard in the middle of a name is refused" {
	refuses inner-wildcard www.a.test 'certificate is not valid for the name www.a.test'
}
@test "a wildcard below a top-level domain is refused" {
	refuses top-wildcard db.test 'certificate is not valid for the name db.test'
}
@test "a bare wildcard is refused" {
	refuses bare-wildcard localhost 'certificate is not valid for the name localhost'
}
@test "a wildcard does not stand for two labels" {
	refuses wildcard a.b.db.test 'certificate is not valid for the name a.b.db.test'
}
@test "a wildcard does not stand for no label" {
	refuses wildcard db.test 'certificate is not valid for the name db.test'
}

# --- refused: the protocol

@test "a server of TLS 1.0 and 1.1 is refused" {
	for version in TLSv1 TLSv1.1; do
		start_server tlsserver localhost --min TLSv1 --max "$version" handshake echo
		knocks localhost blocking poll again select
		for way in blocking poll again select; do
			assert_line "$way: EPROTO, write EPIPE"
		done
		assert_line "blocking: open, $MARKER"
		assert_log "localhost:$PORT \([^ ]*\): refused: the server speaks no version of TLS that is allowed here, TLS 1.2 or TLS 1.3 \(alert protocol_version\): have it speak one, older ones are not secure"
		assert_wire_is_tls
	done
}

@test "a server of TLS 1.3 alone is refused where that is not allowed" {
	start_server tlsserver localhost --min TLSv1.3 handshake echo
	TLSSHIM_MAX_VERSION=TLSv1.2 knocks localhost
	assert_line "blocking: EPROTO, write EPIPE"
	assert_log "refused: .* allowed here, TLS 1.2 \(alert protocol_version\): have it speak one, or see TLSSHIM_MIN_VERSION and TLSSHIM_MAX_VERSION"
}

@test "a server that shares no cipher with us is refused" {
	start_server tlsserver localhost --max TLSv1.2 --ciphers PSK handshake echo
	knocks localhost blocking poll
	assert_line "blocking: EPROTO, write EPIPE"
	assert_line "poll: EPROTO, write EPIPE"
	assert_line "blocking: open, $MARKER"
	assert_log "localhost:$PORT \([^ ]*\): refused: .*handshake_failure"
	assert_wire_is_tls
}

# --- what a refusal leaves behind

@test "200 refusals leave no descriptor and no memory behind" {
	start_server tlsserver unknown handshake echo
	local grown

	TLSSHIM_PORTS="$PORT $GOOD" run -0 shim "$BUILD_DIR/prog/knock" -n 200 \
		blocking localhost "$PORT" poll localhost "$PORT" blocking localhost "$GOOD"
	assert_line "blocking: EACCES, write EPIPE"
	assert_line "blocking: open, $MARKER"
	assert_line "descriptors: +0"
	grown=$(sed -n 's/^memory: +\(-*[0-9]*\) kB/\1/p' <<<"$output")
	sanitized || ((grown < 512)) || fail "memory grew by $grown kB"
	assert_equal "$(grep -c refused "$RUN_DIR/shim.log")" 400
	assert_wire_is_tls
}

@test "the program's socket is fresh again after a refusal" {
	start_server tlsserver unknown handshake echo
	TLSSHIM_PORTS="$PORT $GOOD" run -0 shim "$PYTHON" -c '
import socket, sys
bad, good, marker = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode()
s = socket.socket()
for _ in range(2):
    try:
        s.connect(("127.0.0.1", bad))
    except PermissionError:
        print("refused")
s.connect(("127.0.0.1", good))
s.sendall(marker)
s.shutdown(socket.SHUT_WR)
print(s.recv(100).decode())' "$PORT" "$GOOD" "$MARKER"
	assert_output "refused
refused
$MARKER"
	assert_wire_is_tls
}

@test "a certificate cannot forge lines of the log" {
	mkdir -p "$CA_DIR"
	make_ca
	local dir=$RUN_DIR/ca
	mkdir "$dir"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/forger.key" \
		-out "$dir/forger.pem" -days 2 -utf8 \
		-subj "/CN=evil"$'\n'"tlsshim[1] localhost:1: connected: all is well"$'\e'"[31m" \
		-addext subjectAltName=DNS:localhost
	start_server tlsserver localhost --cert "$dir/forger.pem" handshake echo
	knocks localhost
	assert_line "blocking: EACCES, write EPIPE"
	assert_equal "$(grep -c "localhost:$PORT \([^ ]*\): refused: self-signed certificate" "$RUN_DIR/shim.log")" 1
	run -1 grep -n "^tlsshim\[1\]" "$RUN_DIR/shim.log"
	run -1 grep -nP '[^\x20-\x7e]' "$RUN_DIR/shim.log"
}
