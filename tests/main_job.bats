#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The main job: unmodified plaintext clients talk verified TLS.  Each test
# proves three things: the client's own output is right, the peer saw TLS 1.3
# for the right name, and the wire carried nothing but TLS.

load lib/programs

sha_of_pattern()
{
	"$PYTHON" -c '
import sys; sys.path.insert(0, sys.argv[1])
import hashlib, tlsserver
print(hashlib.sha256(tlsserver.pattern(0, int(sys.argv[2]))).hexdigest())' \
		"$LIB" "$1"
}

# --- HTTP

@test "curl fetches a page" {
	start_http
	run -0 shim curl -sS "http://db.test:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
	assert_report sni db.test
	assert_log "db.test:$PORT \([^ ]*\): connected: TLSv1.3"
}

@test "curl fetches 20 MB whole" {
	start_http
	shim curl -sS -o "$RUN_DIR/got" "http://db.test:$PORT/bytes/20000000"
	assert_equal "$(sha256sum <"$RUN_DIR/got" | cut -d ' ' -f 1)" \
		"$(sha_of_pattern 20000000)"
	assert_tls db.test
}

@test "curl uploads 20 MB whole" {
	start_http
	head -c 20000000 /dev/urandom >"$RUN_DIR/file"
	run -0 shim curl -sS -T "$RUN_DIR/file" "http://db.test:$PORT/"
	assert_output "$(sha256sum <"$RUN_DIR/file" | cut -d ' ' -f 1)"
	assert_tls db.test
}

@test "curl sends two requests over one connection" {
	start_http
	run -0 shim curl -sS "http://db.test:$PORT/say/one" "http://db.test:$PORT/say/two"
	assert_output $'one\ntwo'
	assert_wire_is_tls --connections 1
}

@test "curl knows localhost without asking: the address is checked" {
	start_server tlsserver localhost handshake http
	run -0 shim curl -sS "http://localhost:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls ""
}

@test "the README's first sixty seconds, as they are written" {
	skip_if_sanitized "the sanitizer must come first"
	local free block
	free=$("$PYTHON" -c 'import socket
s = socket.create_server(("localhost", 0)); print(s.getsockname()[1])')
	block=$(awk '/main_job.bats runs this block/ { getline; on = 1; next }
		/^```/ { on = 0 } on' "$BATS_TEST_DIRNAME/../README.md" |
		sed "/^make$/d; s/8443/$free/g
			s,\$PWD/build/,$BUILD_DIR/,
			s,^sleep 1,until (: </dev/tcp/localhost/$free) 2>/dev/null; do sleep 0.1; done,")
	cd "$RUN_DIR"
	run -0 timeout 60 bash -c "$block"
	assert_output --regexp 'connected: TLSv1.3 .*CN=localhost'
	assert_line --regexp 'Cipher.*TLS_AES_256_GCM_SHA384'
	assert_output --partial 'refused: self-signed certificate (CN=localhost'
	assert_output --partial 'curl: (7) Failed to connect'
}

@test "curl over IPv6, by address" {
	start_server tlsserver localhost handshake http
	run -0 shim curl -sS "http://[::1]:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls ""
}

@test "wget fetches a page" {
	start_http
	run -0 shim wget -q -O - "http://db.test:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
}

@test "wget tries the second address where the first refuses" {
	RECORDER=" " start_http
	: >"$RUN_DIR/hosts"
	add_host db.test ::1 127.0.0.1
	run -0 shim wget -q -O - "http://db.test:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
}

@test "wget2 fetches a page (it connects by sendto with MSG_FASTOPEN)" {
	start_http
	run -0 shim wget2 -q --tcp-fastopen -O - "http://db.test:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
}

@test "axel fetches a file in parts (it sets TCP_FASTOPEN_CONNECT)" {
	start_server nginx db.test
	head -c 3000000 /dev/urandom >"$RUN_DIR/www/file"
	shim axel -q -n 3 -o "$RUN_DIR/got" "http://db.test:$PORT/file"
	cmp "$RUN_DIR/www/file" "$RUN_DIR/got"
	assert_tls db.test
}

@test "lynx shows a page (it looks the name up in a child)" {
	start_http
	run -0 shim lynx -dump "http://db.test:$PORT/say/$MARKER"
	assert_output --partial "$MARKER"
	assert_tls db.test
}

@test "lftp fetches a file (it looks the name up in a child)" {
	start_server nginx db.test
	echo "$MARKER" >"$RUN_DIR/www/page"
	run -0 shim lftp -c "cat http://db.test:$PORT/page"
	assert_output "$MARKER"
	assert_tls db.test
}

@test "git clones over http" {
	start_server nginx db.test
	git init -q "$RUN_DIR/work"
	echo "$MARKER" >"$RUN_DIR/work/file"
	git -C "$RUN_DIR/work" add file
	git -C "$RUN_DIR/work" -c user.name=x -c user.email=x@test commit -qm x
	git clone -q --bare "$RUN_DIR/work" "$RUN_DIR/www/r.git"
	git -C "$RUN_DIR/www/r.git" update-server-info
	shim git clone -q "http://db.test:$PORT/r.git" "$RUN_DIR/clone"
	assert_equal "$(<"$RUN_DIR/clone/file")" "$MARKER"
	assert_tls db.test
}

# --- bytes

@test "nc of OpenBSD says something and hears the answer" {
	start_server tlsserver db.test handshake echo
	run -0 shim nc.openbsd -N db.test "$PORT" <<<"$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
	assert_report how close_notify
}

@test "nc of OpenBSD hears a server that speaks first" {
	start_greeter
	run -0 shim nc.openbsd -N db.test "$PORT" <<<"$MARKER two"
	assert_output "220 $MARKER"$'\r\n'"$MARKER two"
	assert_tls db.test
}

@test "traditional nc" {
	start_server tlsserver db.test handshake line "send=$MARKER\\n"
	run -0 shim nc.traditional db.test "$PORT" <<<"$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
}

@test "busybox nc" {
	start_server tlsserver db.test handshake line "send=$MARKER\\n"
	run -0 shim busybox nc db.test "$PORT" <<<"$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
}

@test "telnet" {
	start_server tlsserver db.test handshake "send=$MARKER one\\r\\n" line \
		"send=$MARKER two\\r\\n"
	# It ends with its input: that stays open until the server is done.
	run shim telnet db.test "$PORT" < <(
		echo "$MARKER"
		wait_for has_line "$SERVER_DIR/report" end)
	assert_output --partial "$MARKER two"
	assert_output --partial "Connection closed by foreign host"
	assert_tls db.test
}

@test "telnet's synch, which it sends as urgent data" {
	start_server tlsserver db.test handshake recv=2 mark=synch line \
		"send=two\r\n"
	run shim telnet db.test "$PORT" < <(
		printf '\x1dsend synch\n'
		wait_for test -e "$SERVER_DIR/synch"
		echo "$MARKER"
		wait_for has_line "$SERVER_DIR/report" end)
	assert_output --partial "two"
	assert_report sha256 "$(printf '\xff\xf2%s\r\n' "$MARKER" | sha256sum | cut -d' ' -f1)"
	assert_tls db.test
}

@test "Python's socket" {
	start_greeter
	run -0 shim "$PYTHON" -c '
import socket, sys
s = socket.create_connection(("db.test", int(sys.argv[1])))
f = s.makefile("rwb")
print(f.readline().decode().strip())
f.write(sys.argv[2].encode() + b"\n"); f.flush()
print(f.readline().decode().strip())
s.shutdown(socket.SHUT_WR)
print(s.recv(100))' "$PORT" "$MARKER"
	assert_output "220 $MARKER"$'\n'"$MARKER"$'\n'"b''"
	assert_tls db.test
}

@test "Python's socket with a timeout (non-blocking underneath)" {
	start_greeter
	run -0 shim "$PYTHON" -c '
import socket, sys
s = socket.create_connection(("db.test", int(sys.argv[1])), timeout=10)
print(s.recv(100).decode().strip())
s.settimeout(0.2)
try:
    s.recv(100)
except TimeoutError:
    print("nothing yet")
s.sendall(sys.argv[2].encode())
print(s.recv(100).decode())' "$PORT" "$MARKER"
	assert_output "220 $MARKER"$'\n'"nothing yet"$'\n'"$MARKER"
	assert_tls db.test
}

@test "Python's http.client and urllib, with and without a timeout" {
	start_http
	run -0 shim "$PYTHON" -c '
import http.client, sys, urllib.request
port, text = sys.argv[1:]
for timeout in (None, 10):
    c = http.client.HTTPConnection("db.test", int(port), timeout=timeout)
    c.request("GET", "/say/" + text)
    print(c.getresponse().read().decode().strip())
    c.request("POST", "/", body=b"x" * 100000)
    print(len(c.getresponse().read()))
    url = f"http://db.test:{port}/say/{text}"
    print(urllib.request.urlopen(url, timeout=timeout).read().decode().strip())
' "$PORT" "$MARKER"
	assert_output "$(printf '%s\n65\n%s\n' "$MARKER" "$MARKER" "$MARKER" "$MARKER")"
	assert_tls db.test
}

@test "Perl's IO::Socket::INET, with and without a timeout" {
	start_greeter
	for timeout in "" ", Timeout => 10"; do
		run -0 shim perl -MIO::Socket::INET -e "
			my \$s = IO::Socket::INET->new(PeerAddr => 'db.test',
				PeerPort => $PORT, Proto => 'tcp'$timeout)
				or die \"connect: \$@\";
			print scalar <\$s>;
			print \$s '$MARKER', \"\\n\";
			print scalar <\$s>;"
		assert_output "220 $MARKER"$'\r\n'"$MARKER"
	done
	assert_tls db.test
}

@test "Perl's HTTP::Tiny" {
	start_http
	run -0 shim perl -MHTTP::Tiny -e '
		my $r = HTTP::Tiny->new->get($ARGV[0]);
		print $r->{content};' "http://db.test:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
}

# --- protocols with servers of their own

@test "redis-cli and redis" {
	start_server redis db.test
	run -0 shim redis-cli -h db.test -p "$PORT" set key "$MARKER"
	assert_output OK
	run -0 shim redis-cli -h db.test -p "$PORT" get key
	assert_output "$MARKER"
	assert_tls db.test
}

@test "redis-cli reads a pipeline of commands" {
	start_server redis db.test
	for i in {1..1000}; do echo "set key$i $MARKER$i"; done |
		shim redis-cli -h db.test -p "$PORT" --pipe
	run -0 shim redis-cli -h db.test -p "$PORT" dbsize
	assert_output 1000
	assert_tls db.test
}

@test "mosquitto_pub and mosquitto_sub" {
	start_server mosquitto db.test
	shim mosquitto_pub -h db.test -p "$PORT" -t topic -m "$MARKER" -r
	run -0 shim mosquitto_sub -h db.test -p "$PORT" -t topic -C 1
	assert_output "$MARKER"
	assert_tls db.test
}

@test "ldapsearch and slapd" {
	start_server slapd db.test
	run -0 shim ldapsearch -x -LLL -H "ldap://db.test:$PORT" \
		-b cn=marker,dc=test description
	assert_output --partial "$MARKER"
	assert_tls db.test
}

@test "nc and openssl s_server" {
	start_server s_server db.test -rev
	run -0 shim nc.openbsd -N db.test "$PORT" <<<"abc"
	assert_output cba
	assert_tls db.test
}

# --- TLS 1.2, and what is not selected

@test "a server that knows TLS 1.2 only" {
	start_server tlsserver db.test --max TLSv1.2 handshake http
	run -0 shim curl -sS "http://db.test:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls db.test TLSv1.2
}

@test "records that arrive byte by byte" {
	RECORDER="--shape chunk=1" start_http
	run -0 shim curl -sS "http://db.test:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
}

@test "another port is left alone" {
	start_server tlsserver db.test http
	export TLSSHIM_PORTS=1
	run -0 shim curl -sS "http://db.test:$PORT/say/$MARKER"
	assert_output "$MARKER"
	run -1 wire check
}

@test "a program's own TLS on another port is left alone" {
	start_server tlsserver db.test handshake http
	export TLSSHIM_PORTS=1
	run -0 shim curl -sS --cacert "$CA_DIR/ca.pem" "https://db.test:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
}

@test "a port is dialled as another one" {
	start_http
	export TLSSHIM_PORTS=80:$PORT
	run -0 shim curl -sS "http://db.test/say/$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
}

@test "TLSSHIM_SERVER_NAME is the name that is checked" {
	start_http
	export TLSSHIM_SERVER_NAME=db.test
	run -0 shim curl -sS "http://127.0.0.1:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
}
