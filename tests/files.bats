#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The files that settings name: in every bad state the connection is refused
# and the file named; when they change, new connections go by what is in them.

load lib/helpers

setup_file()
{
	mkdir -p "$CA_DIR"
	make_ca
}

setup()
{
	unset "${!TLSSHIM_@}"
	GOOD=$RUN_DIR/good
	mkdir -p "$GOOD"
	cp "$CA_DIR/ca.pem" "$GOOD/CA_FILE"
	cp "$CA_DIR/client-only.pem" "$GOOD/CERT"
	openssl pkey -in "$CA_DIR/client-only.key" -aes256 -passout pass:secret -out "$GOOD/KEY"
	echo secret >"$GOOD/KEY_PASSWORD_FILE"
	make_crl "$GOOD/CRL_FILE"
	pin_of localhost >"$GOOD/PIN_FILE"
	cp -r "$CA_DIR/ca.d" "$GOOD/CA_DIR"
	mkdir "$GOOD/CRL_DIR"
	cp "$GOOD/CRL_FILE" "$GOOD/CRL_DIR/$(openssl x509 -noout -subject_hash -in "$CA_DIR/ca.pem").r0"
}

# pin_of NAME: of its key.
pin_of()
{
	echo "sha256//$(openssl x509 -in "$CA_DIR/$1.pem" -noout -pubkey |
		openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64)"
}

# make_crl FILE [NAME...]: a CRL of the test CA that revokes these.
make_crl()
{
	local file=$1 db=$RUN_DIR/crl name
	shift

	rm -rf "$db"
	mkdir -p "$db"
	: >"$db/index.txt"
	cat >"$db/cnf" <<-CONF
	[ca]
	default_ca = here
	[here]
	database = $db/index.txt
	default_md = sha256
	default_crl_days = 7
	CONF
	for name; do
		openssl ca -config "$db/cnf" -cert "$CA_DIR/ca.pem" -keyfile "$CA_DIR/ca.key" \
			-revoke "$CA_DIR/$name.pem" 2>/dev/null
	done
	openssl ca -config "$db/cnf" -cert "$CA_DIR/ca.pem" -keyfile "$CA_DIR/ca.key" \
		-gencrl -out "$file.new" 2>/dev/null
	mv "$file.new" "$file"
}

# settings [SETTING VALUE]: the environment of a connection in which every
# file setting is good but this one.
settings()
{
	local setting

	SETTINGS=()
	for setting in CA_FILE CERT KEY KEY_PASSWORD_FILE CRL_FILE PIN_FILE CA_DIR CRL_DIR; do
		SETTINGS+=("TLSSHIM_$setting=$GOOD/$setting")
	done
	(($# == 0)) || SETTINGS+=("TLSSHIM_$1=$2")
}

# Root reads everything, unless it has not this capability.
unprivileged()
{
	setpriv --bounding-set -dac_override,-dac_read_search \
		--inh-caps -dac_override,-dac_read_search "$@"
}

# knocks: with SETTINGS; `run` would keep no array.
knocks()
{
	rm -f "$RUN_DIR/shim.log"
	run -0 shim env "${SETTINGS[@]}" "$BUILD_DIR/prog/knock" blocking localhost "$PORT"
}

demanding()
{
	start_server tlsserver localhost --client-ca "$CA_DIR/ca.pem" handshake echo
	unset TLSSHIM_CA_FILE
}

@test "with every file good the connection works" {
	demanding
	settings
	knocks
	assert_line "blocking: open, $MARKER"
	assert_report client "((('commonName', 'client-only'),),)"
}

@test "each file missing, empty, a directory, garbage, truncated, a FIFO or a device is refused and named" {
	demanding
	local bad=$RUN_DIR/bad setting state
	for setting in CA_FILE CERT KEY KEY_PASSWORD_FILE CRL_FILE PIN_FILE; do
		for state in missing empty directory garbage truncated fifo device; do
			rm -rf "$bad"
			case $state in
			empty) : >"$bad" ;;
			directory) mkdir "$bad" ;;
			garbage) head -c 2000 /dev/urandom >"$bad" ;;
			truncated) head -c $(($(stat -c %s "$GOOD/$setting") / 2)) "$GOOD/$setting" >"$bad" ;;
			fifo) mkfifo "$bad" ;;
			device) ln -s /dev/zero "$bad" ;;
			esac
			settings "$setting" "$bad"
			knocks
			assert_line "blocking: EACCES, write EPIPE"
			# A wrong password shows at the key.
			assert_log "localhost:$PORT \([^ ]*\): refused: .*($bad|KEY_PASSWORD_FILE|TLSSHIM_PIN_FILE)"
		done
	done
	assert_wire_silent
}

@test "each directory missing, empty, a file, or of garbage is refused" {
	demanding
	local bad=$RUN_DIR/bad setting state
	for setting in CA_DIR CRL_DIR; do
		for state in missing empty file garbage; do
			rm -rf "$bad"
			case $state in
			empty) mkdir "$bad" ;;
			file) echo x >"$bad" ;;
			garbage)
				mkdir "$bad"
				for file in "$GOOD/$setting"/*; do
					echo x >"$bad/${file##*/}"
				done
				;;
			esac
			settings "$setting" "$bad"
			[[ $setting != CA_DIR ]] || SETTINGS+=("TLSSHIM_CA_FILE=$CA_DIR/other-ca.pem")
			knocks
			assert_line "blocking: EACCES, write EPIPE"
			assert_log "localhost:$PORT \([^ ]*\): refused: "
		done
	done
}

@test "each file that may not be read is refused and named" {
	demanding
	local setting
	for setting in CA_FILE CERT KEY KEY_PASSWORD_FILE CRL_FILE PIN_FILE CONFIG; do
		cp -f "$GOOD/CA_FILE" "$RUN_DIR/secret"
		chmod 0 "$RUN_DIR/secret"
		settings "$setting" "$RUN_DIR/secret"
		rm -f "$RUN_DIR/shim.log"
		run -0 unprivileged env LD_PRELOAD="$(preloads)" TLSSHIM_LOG="$RUN_DIR/shim.log" TESTHOSTS="$RUN_DIR/hosts" \
			"${SETTINGS[@]}" "$BUILD_DIR/prog/knock" blocking localhost "$PORT"
		assert_line "blocking: EACCES, write EPIPE"
		assert_log "refused: .*$RUN_DIR/secret.*Permission denied"
	done
	assert_wire_silent
}

# --- rotation

# A program that connects once for every line it reads, and says how it went.
visitor()
{
	rm -f "$RUN_DIR/orders"
	mkfifo "$RUN_DIR/orders"
	shim_exec "$PYTHON" -uc '
import socket, sys
for line in open(sys.argv[1]):
    try:
        s = socket.create_connection(("localhost", int(line)), 10)
        s.sendall(b"plaintext-marker")
        print("open" if s.recv(100) else "end")
        s.close()
    except OSError as e:
        print(e.strerror)' "$RUN_DIR/orders" >"$RUN_DIR/visits" 2>&1 3>&- &
	echo $! >>"$RUN_DIR/pids"
	exec {ORDERS}>"$RUN_DIR/orders"
	VISITS=0
}

# visits RESULT: one connection, beyond the second in which files are not
# looked at again.
visits()
{
	sleep 1.1
	VISITS=$((VISITS + 1))
	echo "$PORT" >&"$ORDERS"
	wait_for has_lines "$RUN_DIR/visits" "$VISITS"
	assert_equal "$(sed -n "${VISITS}p" "$RUN_DIR/visits")" "$1"
}

has_lines()
{
	(($(wc -l <"$1") >= $2))
}

@test "a changed CA file holds for new connections, a bad one does not, and a good one again" {
	start_server tlsserver localhost --tickets 0 handshake echo
	local ca=$RUN_DIR/ca.pem
	cp "$CA_DIR/ca.pem" "$ca"
	export TLSSHIM_CA_FILE=$ca
	visitor
	visits open
	cp "$CA_DIR/other-ca.pem" "$RUN_DIR/new" && mv "$RUN_DIR/new" "$ca"
	visits "Permission denied"
	cp "$CA_DIR/ca.pem" "$ca"
	visits open
	# Half a file keeps what was read before, and is told once.
	head -c 300 "$CA_DIR/other-ca.pem" >"$ca"
	visits open
	visits open
	assert_equal "$(grep -c "a changed file is not used, what was read before stays in force: TLSSHIM_CA_FILE: cannot read $ca" "$RUN_DIR/shim.log")" 1
	rm "$ca"
	visits open
	assert_log 'stays in force: TLSSHIM_CA_FILE: cannot read .*: No such file or directory'
	cp "$CA_DIR/other-ca.pem" "$ca"
	visits "Permission denied"
}

@test "certificate and key change together: between the two the old pair is shown" {
	"$REPO/scripts/testca" leaf "$CA_DIR" client-two --eku clientAuth
	start_server tlsserver localhost --client-ca "$CA_DIR/ca.pem" handshake echo
	cp "$CA_DIR/client-only.pem" "$RUN_DIR/cert"
	cp "$CA_DIR/client-only.key" "$RUN_DIR/key"
	export TLSSHIM_CERT=$RUN_DIR/cert TLSSHIM_KEY=$RUN_DIR/key
	visitor
	visits open
	cp "$CA_DIR/client-two.pem" "$RUN_DIR/cert"
	visits open
	assert_log "stays in force: the private key $RUN_DIR/key does not belong to the certificate $RUN_DIR/cert"
	assert_report client "((('commonName', 'client-only'),),)"
	cp "$CA_DIR/client-two.key" "$RUN_DIR/key"
	visits open
	assert_report client "((('commonName', 'client-two'),),)"
	# The ticket of the old identity was not used for the new one.
	run grep -o '"resumed": [a-z]*' "$SERVER_DIR/report"
	assert_output '"resumed": false
"resumed": true
"resumed": false'
}

@test "a server revoked by a new CRL is refused from then on, its ticket with it" {
	start_server tlsserver localhost handshake echo
	make_crl "$RUN_DIR/crl.pem"
	export TLSSHIM_CRL_FILE=$RUN_DIR/crl.pem
	visitor
	visits open
	visits open
	run ! grep -q '"resumed": true' "$SERVER_DIR/report"
	make_crl "$RUN_DIR/crl.pem" localhost
	visits "Permission denied"
	assert_log 'refused: certificate is revoked \(CN=localhost'
}

# resumptions: of each connection that the server had, was it resumed?
resumptions()
{
	sed -n 's/.*"resumed": \([a-z]*\).*/\1/p' "$SERVER_DIR/report" | paste -sd " "
}

@test "a CA's certificate that is written to in its directory is noticed, the ticket with it" {
	start_server tlsserver localhost handshake echo
	local dir=$RUN_DIR/hashed file
	mkdir "$dir"
	file=$dir/$(openssl x509 -hash -noout -in "$CA_DIR/ca.pem").0
	cp "$CA_DIR/ca.pem" "$file"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
		-keyout "$RUN_DIR/namesake.key" -out "$RUN_DIR/namesake.pem" -subj "/CN=tlsshim test CA"
	unset TLSSHIM_CA_FILE
	export TLSSHIM_CA_DIR=$dir
	visitor
	visits open
	visits open
	cat "$RUN_DIR/namesake.pem" >"$file"
	visits "Permission denied"
	cat "$CA_DIR/ca.pem" >"$file"
	visits open
	assert_equal "$(resumptions)" "false true false"
}

@test "a session is resumed for TLSSHIM_RESUME seconds from the full handshake on, or not at all" {
	start_server tlsserver localhost handshake echo
	export TLSSHIM_RESUME=1
	visitor
	visits open
	visits open
	TLSSHIM_RESUME=off visitor
	visits open
	visits open
	TLSSHIM_RESUME=600 visitor
	visits open
	visits open
	assert_equal "$(resumptions)" "false false false false false true"
}

@test "a changed pin file holds for new connections" {
	start_server tlsserver localhost --tickets 0 handshake echo
	pin_of localhost >"$RUN_DIR/pins"
	export TLSSHIM_PIN_FILE=$RUN_DIR/pins
	visitor
	visits open
	pin_of other-ca >"$RUN_DIR/pins"
	visits "Permission denied"
	assert_log "refused: no pin matches the chain; the server's is "
	grep -qF "$(pin_of localhost)" "$RUN_DIR/shim.log"
	pin_of ca >>"$RUN_DIR/pins"
	visits open
}

@test "open connections are untouched by a change" {
	start_server tlsserver localhost handshake echo
	local ca=$RUN_DIR/ca.pem
	cp "$CA_DIR/ca.pem" "$ca"
	TLSSHIM_CA_FILE=$ca run -0 shim "$PYTHON" -c '
import os, shutil, socket, sys, time
def connect():
    return socket.create_connection(("localhost", int(sys.argv[1])))
s = connect()
shutil.copy(sys.argv[3], sys.argv[2])
time.sleep(1.1)
try:
    connect()
except OSError as e:
    print(e.strerror)
s.sendall(b"plaintext-marker")
print(s.recv(100).decode())' "$PORT" "$ca" "$CA_DIR/other-ca.pem"
	assert_output "Permission denied
$MARKER"
}
