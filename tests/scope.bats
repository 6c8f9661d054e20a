#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Who else stands in the way to the C library's connect(): other preloaded
# libraries before and behind the shim, and programs that look it up themselves.

load lib/helpers

libs=/usr/lib/$(uname -m)-linux-gnu

# before LIBRARY COMMAND...: with the library in front of the shim.
before()
{
	local SHIM first=$1
	shift

	shim_env
	timeout --foreground -k 5 "$SHIM_TIMEOUT" \
		env "${SHIM[@]}" "LD_PRELOAD=$first $(preloads)" "$@"
}

# A SOCKS server.  Sets SOCKS_DIR, where it writes what it is asked for, and
# makes the proxies' configurations.
start_socks()
{
	local number

	SOCKS_DIR=$RUN_DIR/socks
	mkdir "$SOCKS_DIR"
	background socks "$PYTHON" "$LIB/socks.py" "$SOCKS_DIR"
	wait_for_file "$SOCKS_DIR/port"
	number=$(<"$SOCKS_DIR/port")
	printf '%s\n' strict_chain "tcp_read_time_out 60000" \
		"tcp_connect_time_out 60000" "[ProxyList]" \
		"socks5 127.0.0.1 $number" >"$SOCKS_DIR/proxychains.conf"
	printf '%s\n' "TorAddress 127.0.0.1" "TorPort $number" \
		>"$SOCKS_DIR/torsocks.conf"
	export PROXYCHAINS_CONF_FILE=$SOCKS_DIR/proxychains.conf
	export PROXYCHAINS_QUIET_MODE=1
	export TORSOCKS_CONF_FILE=$SOCKS_DIR/torsocks.conf
}

# Each of the wrappers that send a program's connections to a proxy.
proxies=("$libs/libproxychains.so.4" "$libs/torsocks/libtorsocks.so")

# --- behind the shim

@test "TLS inside SOCKS: proxychains and torsocks behind the shim" {
	skip_if_sanitized "the proxies' libraries have no part in it"
	# Not of this host: torsocks refuses such.
	add_host db.test 192.0.2.1
	start_socks
	for MORE_PRELOADS in "${proxies[@]}"; do
		export MORE_PRELOADS
		start_server tlsserver db.test handshake http
		# Without waiting, and with.
		run -0 shim curl -sS "http://db.test:$PORT/say/$MARKER"
		assert_output "$MARKER"
		run -0 shim "$PYTHON" -c '
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1]).read().decode().strip())
' "http://db.test:$PORT/say/$MARKER"
		assert_output "$MARKER"
		assert_tls db.test
		assert_equal "$(grep -cx "192.0.2.1 $PORT" "$SOCKS_DIR/asked")" 2
	done
}

@test "proxychains4 and torsocks start a program that has the shim in front" {
	skip_if_sanitized "the proxies' libraries have no part in it"
	local SHIM
	add_host db.test 192.0.2.1
	start_socks
	start_server tlsserver db.test handshake http
	shim_env
	run -0 proxychains4 -q -f "$PROXYCHAINS_CONF_FILE" env "${SHIM[@]}" \
		"LD_PRELOAD=$(preloads) ${proxies[0]}" \
		curl -sS "http://db.test:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
	assert_equal "$(<"$SOCKS_DIR/asked")" "192.0.2.1 $PORT"
	# The wrappers put their libraries first, and the shim puts itself there
	# again.  By number: torsocks asks Tor for names.
	export TLSSHIM_SERVER_NAME=db.test
	for wrapper in "proxychains4 -q -f $PROXYCHAINS_CONF_FILE" torsocks; do
		start_server tlsserver db.test handshake http
		# shellcheck disable=SC2086
		run -0 shim $wrapper curl -sS "http://192.0.2.1:$PORT/say/$MARKER"
		assert_output "$MARKER"
		assert_tls db.test
		assert_equal "$(tail -n 1 "$SOCKS_DIR/asked")" "192.0.2.1 $PORT"
	done
}

@test "a socket that a proxy puts in the place of the shim's is not inherited" {
	skip_if_sanitized "the proxies' libraries have no part in it"
	start_socks
	start_server tlsserver localhost handshake echo
	export MORE_PRELOADS=${proxies[0]}
	run -0 shim "$PYTHON" -c '
import os, socket, subprocess, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print(subprocess.run(["sh", "-c", "ls -l /proc/self/fd"], close_fds=False,
                     capture_output=True, text=True).stdout.count("socket:"))' "$PORT"
	assert_output 0
}

# --- before the shim

@test "behind a library that has a connect() of its own, connections are refused" {
	skip_if_sanitized "the sanitizer must come first"
	add_host db.test 192.0.2.1
	start_socks
	start_server tlsserver db.test handshake http
	for library in "${proxies[@]}" "$libs/libsocket_wrapper.so"; do
		rm -f "$RUN_DIR/shim.log"
		run before "$library" curl -sS "http://db.test:$PORT/say/$MARKER"
		assert_failure
		assert_log "refused: $library is loaded before libtlsshim.so and has a connect\(\) of its own.*put libtlsshim.so in front of it in LD_PRELOAD"
	done
	assert_wire_silent
	assert_equal "$(<"$SOCKS_DIR/asked")" ""
}

@test "two copies of the library: one too many, and the line says so" {
	skip_if_sanitized "the sanitizer must come first"
	mkdir "$RUN_DIR/copy"
	cp -r "$BUILD_DIR/libtlsshim.so" "$BUILD_DIR/tlsshim" "$RUN_DIR/copy"
	start_server tlsserver localhost handshake echo
	run -1 before "$RUN_DIR/copy/libtlsshim.so" \
		"$BUILD_DIR/prog/own_connect" "$PORT"
	assert_output "connect: Permission denied"
	assert_log "refused: two copies of libtlsshim.so are loaded, $RUN_DIR/copy/libtlsshim.so and $BUILD_DIR/libtlsshim.so: name one of them in LD_PRELOAD"
	assert_wire_silent
}

@test "without settings nobody minds who is in front" {
	skip_if_sanitized "the sanitizer must come first"
	start_socks
	start_server tlsserver localhost http
	unset TLSSHIM_PORTS TLSSHIM_CA_FILE
	run -0 env LD_PRELOAD="${proxies[0]} $BUILD_DIR/libtlsshim.so" \
		curl -sS "http://127.0.0.1:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_equal "$(<"$SOCKS_DIR/asked")" "127.0.0.1 $PORT"
}

@test "a program that has a function called connect" {
	start_server tlsserver localhost handshake echo
	run -0 shim "$BUILD_DIR/prog/own_connect" "$PORT"
	assert_output "$MARKER"
	assert_tls ""
}

# --- both ways

@test "a program under AddressSanitizer, whose library comes before and behind the shim" {
	skip_if_sanitized "it is one already"
	local asan
	asan=$(gcc -print-file-name=libasan.so)
	gcc -fsanitize=address -D_GNU_SOURCE -o "$RUN_DIR/program" \
		"$REPO/tests/prog/scopes.c"
	start_server tlsserver localhost handshake echo
	export ASAN_OPTIONS=verify_asan_link_order=0
	run -0 shim "$RUN_DIR/program" "$PORT" open "$BUILD_DIR/lib/converse.so"
	assert_output "$MARKER"
	run -0 before "$asan" "$RUN_DIR/program" "$PORT" handle
	assert_output "$MARKER"
	assert_tls ""
	assert_wire_is_tls --connections 2
}

@test "ThreadSanitizer's library, which has a connect() of its own, before the shim" {
	skip_if_sanitized "it is one already"
	start_server tlsserver localhost handshake echo
	run -0 before "$(gcc -print-file-name=libtsan.so)" setarch -R \
		"$BUILD_DIR/prog/scopes" "$PORT" handle
	assert_output "$MARKER"
	assert_tls ""
}

@test "socket_wrapper, which looks up what it wraps in the C library's handle, behind the shim" {
	skip_if_sanitized "it asks for RTLD_DEEPBIND"
	export MORE_PRELOADS=$libs/libsocket_wrapper.so
	start_server tlsserver localhost handshake http
	run -0 shim curl -sS "http://127.0.0.1:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls ""
	start_server tlsserver localhost handshake echo
	run -0 shim "$BUILD_DIR/prog/scopes" "$PORT" handle
	assert_output "$MARKER"
	assert_tls ""
	# Where it wraps, there is no network.
	mkdir "$RUN_DIR/sockets"
	SOCKET_WRAPPER_DIR=$RUN_DIR/sockets run shim curl -sS \
		"http://127.0.0.1:$PORT/say/$MARKER"
	assert_failure
}

# Its fstat() and stat() ask a server of its own, whose port nothing selects.
@test "fakeroot-tcp, which connects inside the C library's calls, with a log, a configuration, plaintext denied" {
	skip_if_sanitized "its calls come before the sanitizer's"
	local setting way
	printf '%s\n' "[db.test:5432]" >"$RUN_DIR/rules"
	export TLSSHIM_PORTS=1
	for setting in "TLSSHIM_LOG=$RUN_DIR/fakeroot.log" \
		"TLSSHIM_CONFIG=$RUN_DIR/rules" TLSSHIM_PLAINTEXT=loopback; do
		for way in before behind; do
			rm -f "$RUN_DIR/file"
			touch "$RUN_DIR/file"
			under_fakeroot "$way" "$setting" sh -c \
				'chown 5:6 "$1" && stat -c %u:%g "$1"' sh "$RUN_DIR/file"
			assert_success
			assert_output 5:6
		done
	done
	# What is refused has its line, and nobody waits for himself.
	for way in before behind; do
		rm -f "$RUN_DIR/fakeroot.log"
		under_fakeroot "$way" TLSSHIM_PLAINTEXT=deny \
			"TLSSHIM_LOG=$RUN_DIR/fakeroot.log" stat "$RUN_DIR/file"
		assert_failure 1
		assert_file_contains "$RUN_DIR/fakeroot.log" "refused: plaintext is denied"
	done
}

# What it asks its server for it asks within its own calls, behind a lock: a
# TLS connection would close a descriptor by the same call.
@test "fakeroot-tcp whose own port is selected: a line, and nobody waits for himself" {
	skip_if_sanitized "its calls come before the sanitizer's"
	touch "$RUN_DIR/file"
	export TLSSHIM_PORTS=1-65535
	under_fakeroot behind "TLSSHIM_LOG=$RUN_DIR/fakeroot.log" stat "$RUN_DIR/file"
	assert_failure
	refute [ "$status" -eq 124 ]
	assert_file_contains "$RUN_DIR/fakeroot.log" "refused: .*libfakeroot-tcp.so connects from within its own"
}

# under_fakeroot before|behind [SETTING=VALUE]... COMMAND...: as `run`.  Its
# wrapper puts its library in front.
under_fakeroot()
{
	local SHIM way=$1 own
	shift

	own="LD_PRELOAD=libfakeroot-tcp.so $(preloads)"
	if [[ $way == behind ]]; then
		own="LD_PRELOAD=$(preloads) libfakeroot-tcp.so"
	fi
	shim_env
	run timeout -k 5 60 fakeroot-tcp env "${SHIM[@]}" "$own" "$@"
}

# --- looking functions up

@test "functions that are looked up in the C library itself, or by their version" {
	for way in handle version handle-version; do
		start_server tlsserver localhost handshake echo
		run -0 shim "$BUILD_DIR/prog/scopes" "$PORT" "$way"
		assert_output "$MARKER"
		assert_tls ""
	done
}

@test "ctypes calls the connect() of libc.so.6" {
	start_server tlsserver localhost handshake echo
	run -0 shim "$PYTHON" -c '
import ctypes, socket, sys
libc = ctypes.CDLL("libc.so.6")
s = socket.socket()
to = b"\2\0" + int(sys.argv[1]).to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
print(libc.connect(s.fileno(), to, 16))
line = sys.argv[2].encode()
print(libc.write(s.fileno(), line, len(line)) == len(line))
answer = ctypes.create_string_buffer(len(line))
print(libc.recv(s.fileno(), answer, len(line), socket.MSG_WAITALL) == len(line))
print(answer.raw.decode())' "$PORT" "$MARKER"
	assert_output "0
True
True
$MARKER"
	assert_tls ""
}

@test "libraries that are loaded with RTLD_DEEPBIND, or by dlmopen()" {
	skip_if_sanitized "it refuses RTLD_DEEPBIND"
	for way in open deep base; do
		start_server tlsserver localhost handshake echo
		run -0 shim "$BUILD_DIR/prog/scopes" "$PORT" "$way" "$BUILD_DIR/lib/converse.so"
		assert_output "$MARKER"
		assert_tls ""
	done
}

@test "a namespace with a C library of its own is refused, unless there are no settings" {
	skip_if_sanitized "it is no libc for another namespace"
	start_server tlsserver localhost handshake echo
	run -1 shim "$BUILD_DIR/prog/scopes" "$PORT" new "$BUILD_DIR/lib/converse.so"
	assert_output --partial "invalid target namespace in dlmopen()"
	assert_log "dlmopen: refused to load $BUILD_DIR/lib/converse.so into another namespace"
	assert_wire_silent
	start_server tlsserver localhost echo
	unset TLSSHIM_PORTS TLSSHIM_CA_FILE
	run -0 env LD_PRELOAD="$BUILD_DIR/libtlsshim.so" \
		"$BUILD_DIR/prog/scopes" "$PORT" new "$BUILD_DIR/lib/converse.so"
	assert_output "$MARKER"
}

@test "look-ups tell and leave the errors that they would without the shim" {
	run -0 "$BUILD_DIR/prog/scopes" look
	local expected=$output
	assert_line "none: not found, /lib/x86_64-linux-gnu/libc.so.6: undefined symbol: no_such_function"
	TLSSHIM_PORTS=1 run -0 shim "$BUILD_DIR/prog/scopes" look
	assert_output "$expected"
	TLSSHIM_PORTS=1 LD_BIND_NOW=1 run -0 shim "$BUILD_DIR/prog/scopes" look
	assert_output "$expected"
}
