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
	assert_log "localhost:$PORT: refused: $2"
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
	assert_log "localhost:$PORT: connection broken: the server demands a client certificate \(alert certificate_required\): set TLSSHIM_CERT and TLSSHIM_KEY"
	assert_wire_is_tls
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
