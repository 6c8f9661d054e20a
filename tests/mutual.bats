#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Mutual TLS: our own certificate and key, in every form in which they come,
# and what is said where the server does not want them.

load lib/helpers

setup_file()
{
	mkdir -p "$CA_DIR"
	make_ca
}

setup()
{
	unset "${!TLSSHIM_@}"
	CERT=$CA_DIR/client-only.pem
	KEY=$CA_DIR/client-only.key
}

demanding()
{
	start_server tlsserver localhost --client-ca "$CA_DIR/ca.pem" "$@" handshake echo
}

knocks()
{
	run -0 shim "$BUILD_DIR/prog/knock" blocking localhost "$PORT"
}

presents()
{
	knocks
	assert_line "blocking: open, $MARKER"
	assert_report client "((('commonName', 'client-only'),),)"
	assert_wire_is_tls
}

refuses()
{
	knocks
	assert_line "blocking: $1, write EPIPE"
	assert_log "localhost:$PORT \([^ ]*\): refused: $2"
}

@test "a server that demands a certificate gets ours, with TLS 1.3 and 1.2" {
	export TLSSHIM_CERT=$CERT TLSSHIM_KEY=$KEY
	for version in TLSv1.3 TLSv1.2; do
		demanding --max "$version"
		presents
		assert_wire_info "version=$version"
	done
}

@test "a server that does not ask does not get it" {
	export TLSSHIM_CERT=$CERT TLSSHIM_KEY=$KEY
	start_server tlsserver localhost handshake echo
	knocks
	assert_line "blocking: open, $MARKER"
	assert_report client ""
}

@test "certificate and key may be one file, and a file: URI will do" {
	demanding
	cat "$CERT" "$KEY" >"$RUN_DIR/both.pem"
	TLSSHIM_CERT=$RUN_DIR/both.pem presents
	cat "$KEY" "$CERT" >"$RUN_DIR/both.pem"
	TLSSHIM_CERT=file:$RUN_DIR/both.pem presents
	TLSSHIM_CERT=file://$RUN_DIR/both.pem TLSSHIM_KEY=file:$KEY presents
}

@test "a key in DER and an old-style PEM key will do" {
	demanding
	openssl pkey -in "$KEY" -outform DER -out "$RUN_DIR/key.der"
	TLSSHIM_CERT=$CERT TLSSHIM_KEY=$RUN_DIR/key.der presents
	{
		openssl ecparam -name prime256v1
		openssl ec -in "$KEY"
	} >"$RUN_DIR/key.pem" 2>/dev/null
	grep -q 'EC PARAMETERS' "$RUN_DIR/key.pem"
	TLSSHIM_CERT=$CERT TLSSHIM_KEY=$RUN_DIR/key.pem presents
}

@test "an encrypted key needs TLSSHIM_KEY_PASSWORD_FILE, and the right one" {
	demanding
	openssl pkey -in "$KEY" -aes256 -passout pass:secret -out "$RUN_DIR/key.pem"
	export TLSSHIM_CERT=$CERT TLSSHIM_KEY=$RUN_DIR/key.pem
	refuses EACCES "TLSSHIM_KEY: cannot use $RUN_DIR/key.pem: it is encrypted: set TLSSHIM_KEY_PASSWORD_FILE"
	export TLSSHIM_KEY_PASSWORD_FILE=$RUN_DIR/password
	printf 'wrong\n' >"$RUN_DIR/password"
	refuses EACCES ".* the password of TLSSHIM_KEY_PASSWORD_FILE does not open it"
	printf 'secret\nsecond line\n' >"$RUN_DIR/password"
	presents
	printf 'secret' >"$RUN_DIR/password"
	presents
}

@test "PKCS#12 will do, with its password" {
	demanding
	openssl pkcs12 -export -in "$CERT" -inkey "$KEY" -passout pass:secret -out "$RUN_DIR/both.p12"
	printf 'secret\n' >"$RUN_DIR/password"
	chmod 600 "$RUN_DIR/password"
	TLSSHIM_CERT=$RUN_DIR/both.p12 TLSSHIM_KEY_PASSWORD_FILE=$RUN_DIR/password presents
	export TLSSHIM_CERT=$RUN_DIR/both.p12
	refuses EACCES '.*it is encrypted: set TLSSHIM_KEY_PASSWORD_FILE'
}

@test "an intermediate behind our certificate is sent with it" {
	"$REPO/scripts/testca" leaf "$CA_DIR" client-chained --ca intermediate --eku clientAuth --cn client-only
	demanding
	TLSSHIM_CERT=$CA_DIR/client-chained.pem TLSSHIM_KEY=$CA_DIR/client-chained.key presents
}

@test "a key that does not belong to the certificate is refused before the network" {
	demanding
	export TLSSHIM_CERT=$CERT TLSSHIM_KEY=$CA_DIR/rsa.key
	refuses EACCES "the private key $CA_DIR/rsa.key does not belong to the certificate $CERT"
	TLSSHIM_KEY=$CA_DIR/localhost.key refuses EACCES 'the private key .*localhost.key does not belong'
	assert_wire_silent
}

@test "a demanded certificate that is not set has its own reason, at the first read of TLS 1.3" {
	demanding
	run -99 shim "$BUILD_DIR/prog/knock" blocking localhost "$PORT"
	assert_line "read: Protocol error"
	assert_log "localhost:$PORT \([^ ]*\): connection broken: the server demands a client certificate \(alert certificate_required\): set TLSSHIM_CERT and TLSSHIM_KEY"
	assert_wire_is_tls
}

# A program that writes until it fails, and reads nothing.
writes_first()
{
	run -0 shim "$PYTHON" -c '
import errno, socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
try:
    while True:
        s.send(sys.argv[2].encode())
        time.sleep(0.001)
except OSError as error:
    print(errno.errorcode[error.errno])
' "$PORT" "$MARKER"
}

@test "a demanded certificate that is not set has its reason where the program writes first" {
	# It closes the connection over what it has not read: a reset.
	NO_RECORDER=1 start_server redis localhost --tls-auth-clients yes
	for _ in 1 2 3 4 5 6 7 8; do
		writes_first
		assert_output EPROTO
		assert_equal "$(sed -E "s,^.* 127[.]0[.]0[.]1:[0-9]+:,," "$RUN_DIR/shim.log" | grep -v ' connected: ')" \
			" connection broken: the server demands a client certificate (alert certificate_required): set TLSSHIM_CERT and TLSSHIM_KEY"
		rm "$RUN_DIR/shim.log"
	done
}

@test "it has it where a relay has the connection" {
	NO_RECORDER=1 start_server redis localhost --tls-auth-clients yes
	for _ in 1 2 3 4; do
		run -0 shim "$PYTHON" -c '
import errno, os, socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
if os.fork() == 0:
    os._exit(0)
try:
    while True:
        s.send(sys.argv[2].encode())
        time.sleep(0.001)
except (ConnectionResetError, BrokenPipeError):
    print("broken")
' "$PORT" "$MARKER"
		assert_output broken
		wait_for has_line "$RUN_DIR/shim.log" "the server demands a client certificate"
		assert_equal "$(grep -c ': [cr][a-z ]*: ' "$RUN_DIR/shim.log")" 2
		rm "$RUN_DIR/shim.log"
	done
}

@test "it has it where a shell says its line and goes" {
	demanding
	for _ in 1 2 3 4; do
		# shellcheck disable=SC2016 # expanded by the inner shell
		run shim bash -c 'exec 5<>"/dev/tcp/127.0.0.1/$0" && printf "%s\n" "$1" >&5; read -r -t 20 <&5' \
			"$PORT" "$MARKER"
		wait_for has_line "$RUN_DIR/shim.log" "the server demands a client certificate"
		rm "$RUN_DIR/shim.log"
	done
}

@test "a reset that follows a request for our certificate tells of it" {
	export TLSSHIM_LOG_LEVEL=debug
	start_server tlsserver localhost --client-optional "$CA_DIR/ca.pem" handshake reset
	run -99 shim "$BUILD_DIR/prog/knock" blocking localhost "$PORT"
	assert_log "connection broken: Connection reset by peer after the TLS handshake, before any data; it asked for a client certificate: set TLSSHIM_CERT and TLSSHIM_KEY"
	assert_log "sent Certificate: empty, there is none to send"
}

@test "a demanded certificate that is not set has its own reason, in the handshake of TLS 1.2" {
	demanding --max TLSv1.2
	refuses EPROTO 'the server demands a client certificate \(alert handshake_failure\): set TLSSHIM_CERT and TLSSHIM_KEY'
}

@test "a certificate that the server refuses has its own reason" {
	"$REPO/scripts/testca" leaf "$CA_DIR" client-unknown --ca other-ca --eku clientAuth
	export TLSSHIM_CERT=$CA_DIR/client-unknown.pem TLSSHIM_KEY=$CA_DIR/client-unknown.key
	demanding
	run -99 shim "$BUILD_DIR/prog/knock" blocking localhost "$PORT"
	assert_line "read: Protocol error"
	assert_log "connection broken: the server refused our client certificate \(alert unknown_ca; CN=client-unknown, issuer CN=unknown CA\)"
	demanding --max TLSv1.2
	refuses EPROTO 'the server refused our client certificate \(alert unknown_ca'
}

@test "a key that every user may read draws a warning, and works" {
	demanding
	cp "$KEY" "$RUN_DIR/key.pem"
	chmod 644 "$RUN_DIR/key.pem"
	TLSSHIM_CERT=$CERT TLSSHIM_KEY=$RUN_DIR/key.pem presents
	assert_log "warning: every user may read $RUN_DIR/key.pem \(TLSSHIM_KEY\)"
	chmod 640 "$RUN_DIR/key.pem"
	rm "$RUN_DIR/shim.log"
	TLSSHIM_CERT=$CERT TLSSHIM_KEY=$RUN_DIR/key.pem presents
	refute_log 'every user may read'
}

@test "a key in hardware whose provider is missing is refused with its URI" {
	demanding
	export TLSSHIM_CERT=$CERT TLSSHIM_KEY='pkcs11:token=x;object=y'
	refuses EACCES 'TLSSHIM_KEY: cannot use pkcs11:token=x;object=y: '
	assert_wire_silent
}

# --- after the handshake

# Says a line, hears that the server has what it asked for, and only then ends
# its side: who has said close_notify can answer no more.
SAYS_A_LINE='
import os, socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
if len(sys.argv) == 3 or os.fork() == 0:
    f = s.makefile()
    s.sendall(b"x\n")
    print(f.readline(), end="")
    s.sendall(sys.argv[2].encode())
    s.shutdown(socket.SHUT_WR)
    print(f.read())
else:
    os.wait()
'

# presents_later [in a child]
presents_later()
{
	export TLSSHIM_CERT=$CERT TLSSHIM_KEY=$KEY
	start_server tlsserver localhost --client-ca "$CA_DIR/ca.pem" --later handshake line auth 'send=thanks\n' echo
	run -0 shim "$PYTHON" -c "$SAYS_A_LINE" "$PORT" "$MARKER" "$@"
	assert_output "thanks
$MARKER"
	assert_report client "((('commonName', 'client-only'),),)"
	assert_wire_is_tls
}

@test "a server that asks for our certificate after the handshake gets it" {
	presents_later
}

@test "it gets it from a relay as well" {
	presents_later "in a child"
}

@test "openssl s_server gets it by its command c" {
	mkfifo "$RUN_DIR/commands"
	exec 7<>"$RUN_DIR/commands"
	background s_server bash -c 'exec openssl s_server "$@" <"$0"' "$RUN_DIR/commands" \
		-accept 127.0.0.1:0 -cert "$CA_DIR/localhost.pem" -key "$CA_DIR/localhost.key" \
		-CAfile "$CA_DIR/ca.pem"
	wait_for has_line "$RUN_DIR/s_server.out" '^ACCEPT .*:[0-9]+$'
	PORT=$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' "$RUN_DIR/s_server.out")
	export TLSSHIM_PORTS=$PORT TLSSHIM_CA_FILE=$CA_DIR/ca.pem
	export TLSSHIM_CERT=$CERT TLSSHIM_KEY=$KEY
	shim "$PYTHON" -c '
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"I listen\n")
print(s.makefile().readline(), end="", flush=True)
s.sendall(b"I have heard\n")
s.recv(1)
' "$PORT" >"$RUN_DIR/client.out" 3>&- 7>&- &
	wait_for has_line "$RUN_DIR/s_server.out" 'I listen'
	echo c >&7
	wait_for has_line "$RUN_DIR/s_server.out" 'verify return:1'
	echo "all is well" >&7
	wait_for has_line "$RUN_DIR/s_server.out" 'I have heard'
	assert_equal "$(<"$RUN_DIR/client.out")" "all is well"
	assert_regex "$(<"$RUN_DIR/s_server.out")" 'CN *= *client-only'
	stop_background
	exec 7>&-
	wait
}

@test "without a certificate it is not offered" {
	start_server tlsserver localhost --client-ca "$CA_DIR/ca.pem" --later handshake auth echo
	run shim "$BUILD_DIR/prog/knock" blocking localhost "$PORT"
	wait_for has_line "$SERVER_DIR/report" EXTENSION_NOT_RECEIVED
}
