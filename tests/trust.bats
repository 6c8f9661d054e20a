#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What the settings of trust and protocol do to connections: levels of
# verification, versions, ciphers, credentials, pins, revocation.  Which
# certificates are accepted by the rules alone is refusals.bats' affair and
# certificates.bats'.

load lib/helpers

# knocks HOST [WAY...]: at the server.
knocks()
{
	local host=$1 args=() way
	shift

	for way in "${@:-blocking}"; do
		args+=("$way" "$host" "$PORT")
	done
	run -0 shim "$BUILD_DIR/prog/knock" "${args[@]}"
}

# opens: a connection to localhost works.
opens()
{
	knocks localhost
	assert_line "blocking: open, $MARKER"
	assert_wire_is_tls
}

# refuses ERRNO REASON: it does not, and one line of the log says why.
refuses()
{
	knocks localhost
	assert_line "blocking: $1, write EPIPE"
	assert_log "tlsshim\[[0-9]+\] localhost:$PORT \([^ ]*\): refused: $2"
	assert_equal "$(grep -c refused: "$RUN_DIR/shim.log")" 1
	! grep -q '"event": "end".*"bytes": [1-9]' "$SERVER_DIR/report" ||
		fail "the server heard something: $(cat "$SERVER_DIR/report")"
}

# --- TLSSHIM_VERIFY

@test "insecure-no-name accepts another's certificate, and warns" {
	start_server tlsserver wrong-name handshake echo
	TLSSHIM_VERIFY=insecure-no-name opens
	assert_log "localhost:$PORT \([^ ]*\): warning: .*TLSSHIM_VERIFY=insecure-no-name"
	assert_wire_info sni=localhost
}

@test "insecure-no-name still refuses an unknown CA" {
	start_server tlsserver unknown handshake echo
	export TLSSHIM_VERIFY=insecure-no-name
	refuses EACCES 'certificate of an unknown issuer'
}

@test "insecure-none accepts any certificate, and warns each time at error level" {
	start_server tlsserver unknown handshake echo
	export TLSSHIM_VERIFY=insecure-none TLSSHIM_LOG_LEVEL=error
	knocks localhost blocking poll
	assert_line "blocking: open, $MARKER"
	assert_line "poll: open, $MARKER"
	assert_equal "$(grep -c 'warning: .*TLSSHIM_VERIFY=insecure-none' "$RUN_DIR/shim.log")" 2
	assert_wire_is_tls
}

@test "full is the default and can be said" {
	start_server tlsserver unknown handshake echo
	export TLSSHIM_VERIFY=full
	refuses EACCES 'certificate of an unknown issuer'
}

# --- versions

@test "TLSSHIM_MAX_VERSION=TLSv1.2 is obeyed" {
	start_server tlsserver localhost handshake echo
	TLSSHIM_MAX_VERSION=TLSv1.2 opens
	assert_wire_info version=TLSv1.2
}

@test "TLSSHIM_MIN_VERSION=TLSv1.3 refuses a server of TLS 1.2" {
	start_server tlsserver localhost --max TLSv1.2 handshake echo
	export TLSSHIM_MIN_VERSION=TLSv1.3
	refuses EPROTO '.*protocol_version'
}

# --- ALPN

@test "TLSSHIM_ALPN is offered, and what the server chose is logged" {
	start_server s_server localhost -rev -alpn h2,http/1.1
	export TLSSHIM_ALPN=http/1.1,h2
	knocks localhost
	assert_line --partial "blocking: open,"
	assert_log "localhost:$PORT \([^ ]*\): connected: .* alpn h2,"
}

# --- TLSSHIM_OPENSSL

@test "TLSSHIM_OPENSSL chooses ciphers and groups" {
	start_server tlsserver localhost handshake echo
	TLSSHIM_OPENSSL="Ciphersuites=TLS_CHACHA20_POLY1305_SHA256 Groups=P-256" opens
	assert_report cipher TLS_CHACHA20_POLY1305_SHA256
}

@test "a wrong command in TLSSHIM_OPENSSL refuses and is named" {
	start_server tlsserver localhost handshake echo
	local command
	for command in CipherStrang=HIGH Groups=P-999 MinProtocol=TLSv1 \
		MinProtocol=None CipherString=eNULL:@SECLEVEL=0 CipherString=aNULL:@SECLEVEL=0 \
		VerifyMode=None Certificate=/etc/passwd Protocol=x; do
		rm -f "$RUN_DIR/shim.log"
		export TLSSHIM_OPENSSL="Options=-SessionTicket $command"
		knocks localhost
		assert_line "blocking: EACCES, write EPIPE"
		assert_log "localhost:$PORT \([^ ]*\): refused: .*(\"$command\"|the cipher [A-Z0-9-]* does not (encrypt|auth)).*"
	done
	assert_wire_silent
}

# What openssl.cnf has for every program that speaks TLS; lines on stdin.
system_default()
{
	export OPENSSL_CONF=$RUN_DIR/openssl.cnf
	cat >"$OPENSSL_CONF" <<-CONF
	openssl_conf = init
	[init]
	ssl_conf = ssl
	[ssl]
	system_default = all
	[all]
	CONF
	cat >>"$OPENSSL_CONF"
}

@test "verification cannot be switched off by TLSSHIM_OPENSSL or openssl.cnf" {
	start_server tlsserver unknown handshake echo
	system_default <<-CONF
	VerifyMode = None
	MinProtocol = TLSv1
	Options = UnsafeLegacyRenegotiation
	CONF
	refuses EACCES 'certificate of an unknown issuer'
}

@test "a crypto policy in openssl.cnf is respected" {
	start_server tlsserver localhost --max TLSv1.2 handshake echo
	system_default <<-CONF
	MinProtocol = TLSv1.3
	CONF
	refuses EPROTO '.*protocol_version'
}

@test "a cipher that does not encrypt is refused, also in openssl.cnf" {
	start_server tlsserver localhost handshake echo
	system_default <<-CONF
	CipherString = ALL:eNULL:@SECLEVEL=0
	CONF
	refuses EACCES 'the cipher [A-Z0-9-]* does not'
	assert_wire_silent
}

# --- the log of secrets

@test "SSLKEYLOGFILE alone is ignored" {
	start_server tlsserver localhost handshake echo
	SSLKEYLOGFILE=$RUN_DIR/keys opens
	assert_not_exists "$RUN_DIR/keys"
}

@test "TLSSHIM_KEYLOG=insecure-yes writes the secrets, warns, and for the owner alone" {
	start_server tlsserver localhost handshake echo
	SSLKEYLOGFILE=$RUN_DIR/keys TLSSHIM_KEYLOG=insecure-yes opens
	run -0 cat "$RUN_DIR/keys"
	assert_line --regexp '^CLIENT_TRAFFIC_SECRET_0 [0-9a-f]{64} [0-9a-f]+$'
	assert_equal "$(stat -c %a "$RUN_DIR/keys")" 600
	assert_log "warning: the session's secrets are written to $RUN_DIR/keys"
}

# --- what a server can make us keep

@test "310 destinations with tickets of 45 KB and chains of 84 KB take less than 24 MB" {
	skip_if_sanitized "its memory is not ours"
	mkdir -p "$CA_DIR"
	make_ca
	local chain=$RUN_DIR/chain.pem names i
	names=$(for ((i = 0; i < 850; i++)); do printf 'DNS:n%03d.of.a.fat.test,' "$i"; done)
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
		-keyout "$RUN_DIR/fat.key" -out "$RUN_DIR/fat.pem" -subj /CN=fat -addext "subjectAltName=${names%,}"
	cat "$CA_DIR/localhost.pem" "$RUN_DIR"/fat.pem{,,,} >"$chain"
	background tls_fat "$BUILD_DIR/prog/tls_fat" "$chain" "$CA_DIR/localhost.key" "$RUN_DIR/port"
	wait_for_file "$RUN_DIR/port"
	TLSSHIM_PORTS=$(<"$RUN_DIR/port")
	export TLSSHIM_PORTS TLSSHIM_CA_FILE=$CA_DIR/ca.pem TLSSHIM_SERVER_NAME=localhost
	SHIM_TIMEOUT=600 run -0 shim "$PYTHON" -c '
import socket, sys
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4
for i in range(310):
    if i == 10:
        before = resident()
    s = socket.create_connection((f"127.0.{1 + i // 250}.{1 + i % 250}", int(sys.argv[1])), 60)
    s.sendall(b"plaintext-marker")
    assert s.recv(100) == b"plaintext-marker"
    s.close()
print(resident() - before)' "$TLSSHIM_PORTS"
	((output < 24 * 1024)) || fail "memory grew by $output kB"
	echo "# memory grew by $output kB"
}
