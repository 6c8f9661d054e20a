#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Settings that are wrong: every TCP connection is refused with a line that
# names the variable, its value and what was expected, or the file and what is
# wrong with it; nothing reaches the wire; all else goes on as ever.

# shellcheck disable=SC2030,SC2031 # each test is a subshell, as meant

load lib/helpers

setup_file()
{
	start_server tlsserver localhost handshake echo
	export PORT WIRE
}

teardown_file()
{
	stop_background
}

setup()
{
	unset "${!TLSSHIM_@}"
	export TLSSHIM_PORTS=$PORT TLSSHIM_CA_FILE=$CA_DIR/ca.pem
	# Where the log goes is a setting like others here.
	export TLSSHIM_LOG=stderr TLSSHIM_LOG_LEVEL=error
}

# knock [COMMAND...]: in two ways of TCP, and by what is none of our business.
knock()
{
	run -0 --separate-stderr shim "$@" "$BUILD_DIR/prog/knock" \
		blocking 127.0.0.1 "$PORT" poll 127.0.0.1 "$PORT" udp - - \
		unix "$RUN_DIR/unix" -
}

# refused REASON [COMMAND...]: by the settings that are exported.
refused()
{
	local reason=$1 before
	shift

	before=$(find "$WIRE" -name '*.log' | wc -l)
	knock "$@"
	assert_line "blocking: EACCES, write EPIPE"
	assert_line "poll: EACCES, write EPIPE"
	assert_line "udp: open, $MARKER"
	assert_line "unix: open, $MARKER"
	assert_line "descriptors: +0"
	# shellcheck disable=SC2154 # run sets it
	assert_equal "$(grep -cE "^tlsshim\[[0-9]+\] [^ ]+:$PORT( [^ ]+)?: refused: $reason" <<<"$stderr")" 2
	assert_equal "$(wc -l <<<"$stderr")" 2
	assert_equal "$(find "$WIRE" -name '*.log' | wc -l)" "$before"
	run -0 --separate-stderr shim "$@" sh -c '/bin/true; echo $?'
	assert_output 0
	assert_equal "$stderr" ""
}

# accepted [COMMAND...]
accepted()
{
	knock "$@"
	assert_line "blocking: open, $MARKER"
	assert_line "poll: open, $MARKER"
	assert_line "descriptors: +0"
	assert_equal "$stderr" ""
	assert_wire_is_tls
}

# --- values

@test "good settings are good" {
	accepted
}

@test "ports that cannot be parsed refuse every connection" {
	for value in 0 65536 99999999999999999999 -1 443x x '443 x' 44-3 443: 443:0 443:x 1-2-3 \
		443::1 '*' all 443/ "$PORT $PORT" "1-65535 $PORT" http +443 0x1bb 443.0 ' ' ',' \
		"$(seq 10 2 200 | tr '\n' ' ')"; do
		export TLSSHIM_PORTS=$value
		refused "TLSSHIM_PORTS: \".*\" .*expected "
	done
}

@test "a protocol after the port is not supported yet, and refused" {
	TLSSHIM_PORTS="$PORT/smtp" refused 'TLSSHIM_PORTS: ".*/smtp" has a /protocol, which is not supported'
}

@test "an unknown variable refuses every connection" {
	TLSSHIM_ANYTHING_GOES=1 refused 'TLSSHIM_ANYTHING_GOES is not a setting'
	TLSSHIM_PORT=$PORT refused 'TLSSHIM_PORT is not a setting: did you mean TLSSHIM_PORTS\?'
	TLSSHIM_='' refused 'TLSSHIM_ is not a setting'
	unset TLSSHIM_PORTS
	TLSSHIM_PROTS=$PORT refused 'TLSSHIM_PROTS is not a setting: did you mean TLSSHIM_PORTS\?'
}

@test "each setting with a value that it does not take refuses every connection" {
	local name value

	while read -r name value; do
		(
			export "$name=$value"
			refused "$name: \"${value//[*]/[*]}\" .*expected "
		)
	done <<-BAD
	TLSSHIM_SERVER_NAME *.db.test
	TLSSHIM_SERVER_NAME db..test
	TLSSHIM_SERVER_NAME https://db.test
	TLSSHIM_SERVER_NAME db.test:443
	TLSSHIM_SERVER_NAME 1.2.3
	TLSSHIM_HANDSHAKE_TIMEOUT 0
	TLSSHIM_HANDSHAKE_TIMEOUT -1
	TLSSHIM_HANDSHAKE_TIMEOUT 1s
	TLSSHIM_HANDSHAKE_TIMEOUT 1e3
	TLSSHIM_HANDSHAKE_TIMEOUT 3601
	TLSSHIM_HANDSHAKE_TIMEOUT inf
	TLSSHIM_LINGER 0
	TLSSHIM_LINGER 1m
	TLSSHIM_LOG_LEVEL warn
	TLSSHIM_LOG_LEVEL INFO
	TLSSHIM_LOG standard
	BAD
}

@test "an empty value refuses every connection" {
	local name

	for name in PORTS CA_FILE CA_DIR SERVER_NAME HANDSHAKE_TIMEOUT LINGER LOG LOG_LEVEL; do
		(
			export "TLSSHIM_$name="
			refused "TLSSHIM_$name is empty: expected "
		)
	done
}

@test "a value of a megabyte and control characters are quoted safely" {
	TLSSHIM_SERVER_NAME=$(head -c 100000 /dev/zero | tr '\0' a) \
		refused 'TLSSHIM_SERVER_NAME: "a{64}\.\.\."'
	TLSSHIM_SERVER_NAME=$'x\ntlsshim[1] forged\e[0m' \
		refused 'TLSSHIM_SERVER_NAME: "x\\x0atlsshim\[1\] forged\\x1b'
}

@test "the first of two bad settings is named, once a connection" {
	TLSSHIM_LOG_LEVEL=x TLSSHIM_HANDSHAKE_TIMEOUT=x refused 'TLSSHIM_'
}

@test "without a port nothing is refused and nothing is said" {
	unset TLSSHIM_PORTS
	run -0 --separate-stderr shim "$BUILD_DIR/prog/knock" udp - -
	assert_line "udp: open, $MARKER"
	assert_equal "$stderr" ""
}

# --- trust anchors

@test "a CA file that cannot be used refuses every connection" {
	export TLSSHIM_CA_FILE=$RUN_DIR/ca.pem
	refused "TLSSHIM_CA_FILE: cannot read $TLSSHIM_CA_FILE: No such file or directory"
	: >"$TLSSHIM_CA_FILE"
	refused "TLSSHIM_CA_FILE: no certificate in $TLSSHIM_CA_FILE"
	head -c 5000 /dev/urandom >"$TLSSHIM_CA_FILE"
	refused "TLSSHIM_CA_FILE: no certificate in $TLSSHIM_CA_FILE"
	cp "$CA_DIR/ca.key" "$TLSSHIM_CA_FILE"
	refused "TLSSHIM_CA_FILE: no certificate in $TLSSHIM_CA_FILE"
	sed '3s/..../AAAA/' "$CA_DIR/ca.pem" >"$TLSSHIM_CA_FILE"
	refused "TLSSHIM_CA_FILE: cannot read $TLSSHIM_CA_FILE: (a certificate|something) in it is damaged"
	{ cat "$CA_DIR/ca.pem"; sed '5,$d' "$CA_DIR/other-ca.pem"; } >"$TLSSHIM_CA_FILE"
	refused "TLSSHIM_CA_FILE: cannot read $TLSSHIM_CA_FILE: (a certificate|something) in it is damaged"
}

@test "a CA file that is none refuses every connection, and nothing waits for it" {
	export TLSSHIM_CA_FILE=$RUN_DIR
	refused "TLSSHIM_CA_FILE: cannot read $RUN_DIR: Is a directory \(TLSSHIM_CA_DIR is for directories\)"
	mkfifo "$RUN_DIR/fifo"
	export TLSSHIM_CA_FILE=$RUN_DIR/fifo
	SHIM_TIMEOUT=10 refused "TLSSHIM_CA_FILE: cannot read $RUN_DIR/fifo: not a regular file"
	export TLSSHIM_CA_FILE=/dev/zero
	refused "TLSSHIM_CA_FILE: cannot read /dev/zero: not a regular file"
	ln -s loop "$RUN_DIR/loop"
	export TLSSHIM_CA_FILE=$RUN_DIR/loop
	refused "TLSSHIM_CA_FILE: cannot read $RUN_DIR/loop: Too many levels of symbolic links"
}

@test "a CA directory that cannot be used refuses every connection" {
	unset TLSSHIM_CA_FILE
	export TLSSHIM_CA_DIR=$RUN_DIR/ca.d
	refused "TLSSHIM_CA_DIR: cannot read the directory $TLSSHIM_CA_DIR: No such file or directory"
	mkdir "$TLSSHIM_CA_DIR"
	refused "TLSSHIM_CA_DIR: no certificate under a hashed name in $TLSSHIM_CA_DIR"
	cp "$CA_DIR/ca.pem" "$TLSSHIM_CA_DIR"
	refused "TLSSHIM_CA_DIR: no certificate under a hashed name in $TLSSHIM_CA_DIR"
	TLSSHIM_CA_DIR=$CA_DIR/ca.pem refused "TLSSHIM_CA_DIR: cannot read the directory $CA_DIR/ca.pem: Not a directory"
	export TLSSHIM_CA_FILE=$CA_DIR/ca.pem
	refused "TLSSHIM_CA_DIR: no certificate under a hashed name in $TLSSHIM_CA_DIR"
}

@test "a CA directory of hashed names is trusted, and a FIFO in it stops nobody" {
	unset TLSSHIM_CA_FILE
	TLSSHIM_CA_DIR=$CA_DIR/ca.d accepted
	cp -r "$CA_DIR/ca.d" "$RUN_DIR/ca.d"
	mv "$RUN_DIR"/ca.d/*.0 "$RUN_DIR/kept"
	mkfifo "$RUN_DIR/ca.d/$(openssl x509 -noout -subject_hash -in "$CA_DIR/ca.pem").0"
	mv "$RUN_DIR/kept" "$RUN_DIR/ca.d/12345678.0"
	TLSSHIM_CA_DIR=$RUN_DIR/ca.d SHIM_TIMEOUT=10 knock
	assert_line "blocking: EACCES, write EPIPE"
	# shellcheck disable=SC2154 # run sets it
	[[ $stderr == *"certificate of an unknown issuer"* ]]
}

@test "trust anchors that this user may not read refuse every connection" {
	local as=()

	if (($(id -u) == 0)); then
		as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
		chmod 755 "$RUN_DIR" "${BATS_RUN_TMPDIR:?}" "$BATS_RUN_TMPDIR"/test
	fi
	cp -r "$CA_DIR/ca.pem" "$CA_DIR/ca.d" "$RUN_DIR"
	chmod 777 "$RUN_DIR"
	"${as[@]}" test -r "$BUILD_DIR/libtlsshim.so" ||
		skip "another user cannot read the build folder"
	export TLSSHIM_CA_FILE=$RUN_DIR/ca.pem
	accepted "${as[@]}"
	chmod 000 "$RUN_DIR/ca.pem" "$RUN_DIR/ca.d"
	refused "TLSSHIM_CA_FILE: cannot read $RUN_DIR/ca.pem: Permission denied" "${as[@]}"
	unset TLSSHIM_CA_FILE
	TLSSHIM_CA_DIR=$RUN_DIR/ca.d refused \
		"TLSSHIM_CA_DIR: cannot read the directory $RUN_DIR/ca.d: Permission denied" "${as[@]}"
	chmod 700 "$RUN_DIR/ca.d"
}

@test "a system without trust anchors refuses every connection" {
	unset TLSSHIM_CA_FILE
	SSL_CERT_FILE=$RUN_DIR/none SSL_CERT_DIR=$RUN_DIR refused \
		"no trust anchors: neither the file $RUN_DIR/none nor the directory $RUN_DIR has any"
}

@test "OpenSSL's own variables choose the system's trust anchors" {
	unset TLSSHIM_CA_FILE
	SSL_CERT_DIR=$CA_DIR/ca.d accepted
	SSL_CERT_FILE=$CA_DIR/ca.pem SSL_CERT_DIR=$RUN_DIR accepted
}

# --- the engine

# In a build folder of its own, which has the library and not the engine.
without_engine()
{
	local dir=$RUN_DIR/${BUILD_DIR##*/}

	mkdir -p "$dir/lib" "$dir/prog" "$dir/tlsshim"
	cp "$BUILD_DIR/libtlsshim.so" "$dir"
	cp "$BUILD_DIR"/lib/{hosts,early,reports}.so "$dir/lib"
	cp "$BUILD_DIR/prog/knock" "$dir/prog"
	ENGINE_SO=$BUILD_DIR/tlsshim/engine.so
	OLD_ENGINE=$BUILD_DIR/lib/old_engine.so
	BUILD_DIR=$dir
}

@test "without its engine the library refuses every connection" {
	without_engine
	refused "cannot load the TLS engine: $BUILD_DIR/tlsshim/engine.so: cannot open shared object file"
}

@test "an engine of another version, or that is none, refuses every connection" {
	without_engine
	cp "$OLD_ENGINE" "$BUILD_DIR/tlsshim/engine.so"
	refused "the TLS engine $BUILD_DIR/tlsshim/engine.so is not of this version"
	cp "$BUILD_DIR/lib/hosts.so" "$BUILD_DIR/tlsshim/engine.so"
	refused "the TLS engine $BUILD_DIR/tlsshim/engine.so is not of this version"
	: >"$BUILD_DIR/tlsshim/engine.so"
	refused "cannot load the TLS engine: .*file too short"
	head -c 10000 /dev/urandom >"$BUILD_DIR/tlsshim/engine.so"
	refused "cannot load the TLS engine: .*invalid ELF header"
}

@test "a relative LD_PRELOAD finds its own engine after the program's chdir" {
	without_engine
	cp "$ENGINE_SO" "$BUILD_DIR/tlsshim/engine.so"
	# What lies there under the same relative path is somebody else's.
	mkdir -p "$RUN_DIR/elsewhere/tlsshim"
	cp "$OLD_ENGINE" "$RUN_DIR/elsewhere/tlsshim/engine.so"
	cd "$BUILD_DIR" || return
	preloads()
	{
		echo "./libtlsshim.so ./lib/hosts.so"
	}
	skip_if_sanitized "its library must come first"
	run -0 shim "$PYTHON" -c '
import os, socket, sys
os.chdir(sys.argv[2])
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"hello")
print(s.recv(5).decode())' "$PORT" "$RUN_DIR/elsewhere"
	assert_output hello
}

@test "relative paths in settings are those of the program's start" {
	cp "$CA_DIR/ca.pem" "$RUN_DIR/here.pem"
	cd "$RUN_DIR" || return
	TLSSHIM_CA_FILE=here.pem TLSSHIM_LOG=./here.log TLSSHIM_LOG_LEVEL=info \
		run -0 shim "$PYTHON" -c '
import os, socket, sys
os.chdir("/")
socket.create_connection(("127.0.0.1", int(sys.argv[1])))' "$PORT"
	grep -q connected "$RUN_DIR/here.log"
}

# --- the log

@test "the log goes to a file that is made for its owner alone, line after line" {
	export TLSSHIM_LOG=$RUN_DIR/log TLSSHIM_LOG_LEVEL=info
	knock
	assert_equal "$stderr" ""
	assert_equal "$(stat -c %a "$RUN_DIR/log")" 600
	knock
	assert_equal "$(grep -c connected "$RUN_DIR/log")" 4
}

@test "a log that cannot be opened refuses every connection, and says so on stderr" {
	TLSSHIM_LOG=$RUN_DIR refused "TLSSHIM_LOG: \"$RUN_DIR\" cannot be opened: Is a directory"
	TLSSHIM_LOG=$RUN_DIR/no/log refused "TLSSHIM_LOG: \".*/no/log\" cannot be opened: No such file"
	mkfifo "$RUN_DIR/fifo"
	TLSSHIM_LOG=$RUN_DIR/fifo SHIM_TIMEOUT=10 refused 'TLSSHIM_LOG: ".*fifo" cannot be opened'
}

@test "levels: errors alone, a line for each connection, every step" {
	TLSSHIM_LOG_LEVEL=error knock
	assert_equal "$stderr" ""
	TLSSHIM_LOG_LEVEL=info knock
	assert_equal "$(wc -l <<<"$stderr")" 2
	TLSSHIM_LOG_LEVEL=debug knock
	for step in ClientHello ServerHello Certificate CertificateVerify Finished; do
		grep -q "$step" <<<"$stderr" || fail "no $step in: $stderr"
	done
}

@test "with TLSSHIM_LOG=none nothing is said" {
	export TLSSHIM_LOG=none TLSSHIM_LOG_LEVEL=debug
	knock
	assert_equal "$stderr" ""
	TLSSHIM_CA_FILE=$CA_DIR/other-ca.pem knock
	assert_line "blocking: EACCES, write EPIPE"
	assert_equal "$stderr" ""
}

@test "with a log to syslog that nobody reads the line goes to stderr" {
	[[ ! -e /dev/log ]] || skip "somebody reads /dev/log here"
	TLSSHIM_LOG=syslog TLSSHIM_SERVER_NAME=. refused 'TLSSHIM_SERVER_NAME: "."'
}

@test "a log that is full or gone costs lines, not connections" {
	[[ ! -w /dev/full ]] || TLSSHIM_LOG=/dev/full TLSSHIM_LOG_LEVEL=debug knock
	assert_line "blocking: open, $MARKER"
	export TLSSHIM_LOG_LEVEL=debug
	run -0 bash -c '"$@" 2>&- && echo well' bash env LD_PRELOAD="$(preloads)" \
		"$BUILD_DIR/prog/knock" blocking 127.0.0.1 "$PORT"
	assert_line "blocking: open, $MARKER"
}
