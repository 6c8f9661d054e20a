#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The engine is the shim's own: programs that have an OpenSSL themselves, that
# confine themselves before they connect, or that bring another malloc, neither
# disturb it nor are disturbed.

load lib/helpers

setup()
{
	unset "${!TLSSHIM_@}"
	export HOME=$RUN_DIR
}

# Two connections that confined.c made.
assert_conversed()
{
	assert_output "$MARKER
$MARKER"
	assert_wire_is_tls --connections 2
	assert_equal "$(grep -c "connected: TLSv1.3" "$RUN_DIR/shim.log")" 2
}

# A root that has another engine and another CA where ours are.
make_jail()
{
	mkdir -p "$1$BUILD_DIR/tlsshim" "$1$CA_DIR"
	cp "$BUILD_DIR/lib/old_engine.so" "$1$BUILD_DIR/tlsshim/engine.so"
	cp "$CA_DIR/other-ca.pem" "$1$CA_DIR/ca.pem"
}

# --- programs with an OpenSSL

@test "node, which exports an OpenSSL of its own" {
	requires node
	skip_if_sanitized "node's own allocator"
	start_server tlsserver localhost handshake http
	run -0 shim node -e '
require("http").get("http://localhost:" + process.argv[1] + "/say/'"$MARKER"'", res => {
	res.on("data", data => process.stdout.write(data))
}).on("error", error => { console.log(error.code); process.exit(1) })' "$PORT"
	assert_output "$MARKER"
	assert_tls localhost
}

@test "node refuses what is not trusted, and its own TLS goes on" {
	requires node
	skip_if_sanitized "node's own allocator"
	NO_RECORDER=1 start_server tlsserver localhost handshake http
	local own=$PORT
	start_server tlsserver unknown handshake http
	run -0 shim node -e '
const [bad, own, ca] = process.argv.slice(1)
require("http").get("http://localhost:" + bad + "/").on("error", error => {
	console.log(error.code)
	require("https").get({ host: "localhost", port: own, path: "/say/own",
		ca: require("fs").readFileSync(ca) },
		res => res.on("data", data => process.stdout.write(data)))
})' "$PORT" "$own" "$CA_DIR/ca.pem"
	assert_output "EACCES
own"
	assert_wire_is_tls
}

@test "a program that uses OpenSSL in other threads, and cleans it up before its last connection" {
	start_server tlsserver localhost handshake echo
	run -0 shim "$BUILD_DIR/prog/tls_beside" "$PORT" "$CA_DIR/localhost.pem" \
		"$CA_DIR/localhost.key"
	assert_output "$MARKER
$MARKER
$MARKER
own handshakes: good"
	assert_wire_is_tls --connections 3
}

@test "curl, which links OpenSSL, speaks its own TLS on ports that are not selected" {
	start_server tlsserver localhost handshake http
	TLSSHIM_PORTS=1 run -0 shim curl -sS --cacert "$CA_DIR/ca.pem" \
		"https://localhost:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls localhost
	refute_log .
}

@test "curl https:// to a selected port is TLS within TLS, and fails" {
	start_server tlsserver localhost handshake recv=5 "send=no TLS in here\\n" read
	run -35 shim curl -sS --cacert "$CA_DIR/ca.pem" "https://localhost:$PORT/"
	assert_wire_is_tls
}

@test "two copies of the library are told apart from a server without TLS" {
	start_server tlsserver localhost handshake echo
	mkdir -p "$RUN_DIR/copy/tlsshim"
	cp "$BUILD_DIR/libtlsshim.so" "$RUN_DIR/copy"
	cp "$BUILD_DIR/tlsshim/engine.so" "$RUN_DIR/copy/tlsshim"
	MORE_PRELOADS=$RUN_DIR/copy/libtlsshim.so run -0 shim "$BUILD_DIR/prog/knock" blocking localhost "$PORT"
	assert_line "blocking: EACCES, write EPIPE"
	assert_log "refused: two copies of libtlsshim.so are loaded, $BUILD_DIR/libtlsshim.so and $RUN_DIR/copy/libtlsshim.so: name one of them in LD_PRELOAD"
	assert_wire_silent
}

# --- programs that confine themselves

@test "an environment that is cleared or overwritten before the first connection" {
	start_server tlsserver localhost handshake echo
	run -0 shim "$BUILD_DIR/prog/confined" "$PORT" clearenv
	assert_conversed
	start_server tlsserver localhost handshake echo
	rm "$RUN_DIR/shim.log"
	run -0 shim "$BUILD_DIR/prog/confined" "$PORT" wipe
	assert_conversed
}

@test "a chroot to an empty directory before the first connection" {
	requires_root "change the root"
	mkdir "$RUN_DIR/empty"
	start_server tlsserver localhost handshake echo
	run -0 shim "$BUILD_DIR/prog/confined" "$PORT" "chroot=$RUN_DIR/empty"
	assert_conversed
}

@test "a chroot that has an engine and trust anchors of its own" {
	requires_root "change the root"
	local jail=$RUN_DIR/jail
	make_jail "$jail"
	start_server tlsserver localhost handshake echo
	run -0 shim "$BUILD_DIR/prog/confined" "$PORT" "chroot=$jail"
	assert_conversed
}

@test "a chroot with the system's trust anchors in a hashed directory" {
	requires_root "change the root"
	mkdir "$RUN_DIR/empty"
	start_server tlsserver localhost handshake echo
	unset TLSSHIM_CA_FILE
	SSL_CERT_DIR=$CA_DIR/ca.d run -0 shim "$BUILD_DIR/prog/confined" "$PORT" \
		"chroot=$RUN_DIR/empty"
	assert_conversed
}

@test "a chroot whose own hashed directory has another CA" {
	requires_root "change the root"
	local jail=$RUN_DIR/jail
	mkdir -p "$jail$CA_DIR"
	cp -r "$CA_DIR/other-ca.d" "$jail$CA_DIR/ca.d"
	start_server tlsserver unknown handshake echo
	unset TLSSHIM_CA_FILE
	SSL_CERT_DIR=$CA_DIR/ca.d run -99 shim "$BUILD_DIR/prog/confined" "$PORT" "chroot=$jail"
	assert_log "refused: certificate of an unknown issuer"
	assert_wire_is_tls
}

@test "a root that is exchanged, as containers do, before the first connection" {
	requires_root "change the root"
	local jail=$RUN_DIR/jail
	make_jail "$jail"
	start_server tlsserver localhost handshake echo
	unshare -m true || skip "no mount namespaces here"
	run -0 shim unshare -m "$BUILD_DIR/prog/confined" "$PORT" "pivot=$jail"
	assert_conversed
	start_server tlsserver localhost handshake echo
	rm "$RUN_DIR/shim.log"
	run -0 shim unshare -m "$BUILD_DIR/prog/confined" "$PORT" "pivot-by-name=$jail"
	assert_conversed
}

@test "a root that is changed by a child, made by clone(), which shares it" {
	requires_root "change the root"
	local jail=$RUN_DIR/jail way
	make_jail "$jail"
	for way in clone clone-by-number; do
		start_server tlsserver localhost handshake echo
		rm -f "$RUN_DIR/shim.log"
		run -0 shim "$BUILD_DIR/prog/confined" "$PORT" "$way=$jail"
		assert_conversed
	done
}

@test "Landlock rules that forbid files before the first connection" {
	requires_root "restrict itself without no_new_privs"
	run "$BUILD_DIR/prog/confined" 1 landlock
	[[ $output != landlock:* ]] || skip "no Landlock here"
	start_server tlsserver localhost handshake echo
	run -0 shim "$BUILD_DIR/prog/confined" "$PORT" landlock
	assert_conversed
}

@test "privileges that are dropped before the first connection" {
	requires_root "become another user"
	cp "$CA_DIR/ca.pem" "$RUN_DIR/ca.pem"
	chmod 600 "$RUN_DIR/ca.pem"
	start_server tlsserver localhost handshake echo
	TLSSHIM_CA_FILE=$RUN_DIR/ca.pem run -0 shim "$BUILD_DIR/prog/confined" "$PORT" setuid=65534
	assert_conversed
}

@test "rights over files that are dropped, and not the user, before the first connection" {
	requires_root "own a file that is another user's"
	local way
	cp "$CA_DIR/ca.pem" "$RUN_DIR/ca.pem"
	chmod 600 "$RUN_DIR/ca.pem"
	for way in capset fsuid=65534; do
		[[ $way != capset ]] || chown 65534 "$RUN_DIR/ca.pem"
		[[ $way == capset ]] || chown 0 "$RUN_DIR/ca.pem"
		start_server tlsserver localhost handshake echo
		rm -f "$RUN_DIR/shim.log"
		TLSSHIM_CA_FILE=$RUN_DIR/ca.pem run -0 shim \
			"$BUILD_DIR/prog/confined" "$PORT" "$way"
		assert_conversed
	done
}

@test "a seccomp filter that forbids files before the first connection" {
	start_server tlsserver localhost handshake echo
	run -0 shim "$BUILD_DIR/prog/confined" "$PORT" nofiles
	assert_conversed
	start_server tlsserver localhost handshake echo
	rm "$RUN_DIR/shim.log"
	run -0 shim "$BUILD_DIR/prog/confined" "$PORT" nofiles-by-number
	assert_conversed
	start_server tlsserver localhost handshake echo
	rm "$RUN_DIR/shim.log"
	unset TLSSHIM_CA_FILE
	SSL_CERT_DIR=$CA_DIR/ca.d run -0 shim "$BUILD_DIR/prog/confined" "$PORT" nofiles
	assert_conversed
}

@test "a seccomp filter that hides what kind of socket it is" {
	start_server tlsserver localhost handshake echo
	run -99 shim "$BUILD_DIR/prog/confined" "$PORT" nooptions
	assert_output "connect: Permission denied"
	assert_log "refused: what kind of socket this is cannot be found out"
	assert_wire_silent
}

@test "a packet filter on the socket, which was made for plaintext" {
	start_server tlsserver localhost handshake echo
	run -0 shim python3 -c '
import ctypes, errno, socket, struct, sys
accept = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0xffffffff))
for is_filtered in (True, False):
    s = socket.socket()
    if is_filtered:
        s.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HP", 1, ctypes.addressof(accept)))
    try:
        s.connect(("127.0.0.1", int(sys.argv[1])))
        print("connected")
    except OSError as e:
        print(errno.errorcode[e.errno])' "$PORT"
	assert_output "EACCES
connected"
	assert_log "refused: the program has a packet filter on the socket"
	assert_wire_is_tls --connections 1
}

@test "a socket from another network namespace" {
	requires_root "make a namespace"
	start_server tlsserver localhost handshake echo
	run -99 shim "$BUILD_DIR/prog/confined" "$PORT" network
	assert_output "connect: Permission denied"
	assert_log "refused: the socket is from another network namespace than the program is in"
	assert_wire_silent
}

@test "all of it at once, and threads" {
	requires_root "change the root"
	mkdir "$RUN_DIR/empty"
	start_server tlsserver localhost handshake echo
	run -0 shim "$BUILD_DIR/prog/confined" "$PORT" wipe "chroot=$RUN_DIR/empty" \
		setuid=65534 nofiles threads
	assert_equal "$(grep -c "$MARKER" <<<"$output")" 6
	assert_wire_is_tls --connections 6
}

@test "bad trust anchors stay bad behind a chroot" {
	requires_root "change the root"
	mkdir "$RUN_DIR/empty"
	start_server tlsserver localhost handshake echo
	TLSSHIM_CA_FILE=$RUN_DIR/none run -99 shim "$BUILD_DIR/prog/confined" "$PORT" \
		"chroot=$RUN_DIR/empty"
	assert_output "connect: Permission denied"
	assert_log "refused: TLSSHIM_CA_FILE: cannot read $RUN_DIR/none"
	assert_wire_is_tls --connections 0
}

# --- others in the preload list

@test "jemalloc, before and behind the shim" {
	local jemalloc

	jemalloc=/usr/lib/$(uname -m)-linux-gnu/libjemalloc.so.2
	skip_if_sanitized "two allocators"
	start_server tlsserver localhost handshake http
	for order in "$jemalloc $BUILD_DIR/libtlsshim.so" "$BUILD_DIR/libtlsshim.so $jemalloc"; do
		LD_PRELOAD=$order run -0 curl -sS "http://localhost:$PORT/say/$MARKER"
		assert_output "$MARKER"
		LD_PRELOAD=$order run -0 "$PYTHON" -c '
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1]).read().decode().strip())
' "http://localhost:$PORT/say/$MARKER"
		assert_output "$MARKER"
	done
	assert_wire_is_tls --connections 4
}

@test "a library whose constructor connects before the shim's constructors" {
	start_server tlsserver localhost handshake echo
	export MORE_PRELOADS=$BUILD_DIR/lib/dials_first.so
	EARLY_PORT=$PORT run -0 shim /bin/echo late
	assert_output "early: $MARKER
late"
	assert_tls ""
	EARLY_PORT=$PORT TLSSHIM_CA_FILE=$CA_DIR/other-ca.pem run -0 shim /bin/echo late
	assert_output "early: EACCES
late"
	EARLY_PORT=$PORT TLSSHIM_PORTS=x run -0 shim /bin/echo late
	assert_output "early: EACCES
late"
	assert_wire_is_tls --connections 2
}
