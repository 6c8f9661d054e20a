#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Programs with event loops, unmodified, against real TLS servers: many
# connections at once, happy eyeballs, thousands of connections in one process.

load lib/programs

# --- redis-benchmark

# benchmark ARGUMENT...
benchmark()
{
	# A thousand handshakes at once take what a busy machine lets them.
	TLSSHIM_HANDSHAKE_TIMEOUT=$SHIM_TIMEOUT \
		run -0 shim redis-benchmark -h db.test -p "$PORT" -t set,get --csv "$@"
	assert_line --regexp '^"SET","[0-9]'
	assert_line --regexp '^"GET","[0-9]'
	refute_output --partial error
}

@test "redis-benchmark with 1 and with 50 clients, pipelines of 1, 16 and 100" {
	start_server redis db.test
	benchmark -n 500 -c 1
	benchmark -n 2000 -c 50
	benchmark -n 5000 -c 50 -P 16
	benchmark -n 10000 -c 5 -P 100
	assert_tls db.test
}

@test "redis-benchmark with several threads, and with big values" {
	start_server redis db.test
	benchmark -n 2000 -c 20 --threads 4
	benchmark -n 400 -c 8 -d 100000
	assert_tls db.test
}

@test "redis-benchmark with 1000 clients" {
	ulimit -n 4096 || skip "the limit of descriptors is too low"
	NO_RECORDER=1 start_server redis db.test
	benchmark -n 3000 -c 1000
}

# --- curl

@test "curl -Z fetches 40 files at once" {
	start_server nginx db.test
	for ((i = 0; i < 40; i++)); do
		head -c $((i * 10000 + 1)) /dev/urandom >"$RUN_DIR/www/$i"
	done
	shim curl -sS -Z --parallel-max 40 --parallel-immediate \
		-o "$RUN_DIR/got#1" "http://db.test:$PORT/[0-39]"
	for ((i = 0; i < 40; i++)); do
		cmp "$RUN_DIR/www/$i" "$RUN_DIR/got$i"
	done
	assert_tls db.test
}

# --- happy eyeballs

@test "happy eyeballs: the first address refuses" {
	RECORDER=" " start_server tlsserver db.test handshake http
	: >"$RUN_DIR/hosts"
	add_host db.test ::1 127.0.0.1
	run -0 shim curl -sS "http://db.test:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
}

# A listener whose queue is full: nothing answers there.
@test "happy eyeballs: the first address is a black hole" {
	RECORDER=" " start_server tlsserver db.test handshake http
	: >"$RUN_DIR/hosts"
	add_host db.test ::1 127.0.0.1
	background hole "$PYTHON" -c '
import socket, sys, time
hole = socket.socket(socket.AF_INET6)
hole.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
hole.bind(("::1", int(sys.argv[1])))
hole.listen(0)
full = [socket.socket(socket.AF_INET6) for i in range(4)]
for s in full:
    s.setblocking(False)
    s.connect_ex(("::1", int(sys.argv[1])))
open(sys.argv[2], "w")
time.sleep(600)' "$PORT" "$RUN_DIR/hole"
	wait_for_file "$RUN_DIR/hole"
	run -0 shim curl -sS -m 20 "http://db.test:$PORT/say/$MARKER"
	assert_output "$MARKER"
	run -0 shim "$PYTHON" -c '
import asyncio, sys
async def main():
    r, w = await asyncio.open_connection("db.test", int(sys.argv[1]),
                                         happy_eyeballs_delay=0.1)
    w.write(f"GET /say/{sys.argv[2]} HTTP/1.0\r\n\r\n".encode())
    print((await r.read()).decode().split("\r\n\r\n")[1])
asyncio.run(main())' "$PORT" "$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
}

# --- Python

@test "asyncio: 50 connections at once, echoed" {
	start_server tlsserver db.test handshake echo
	run -0 shim "$PYTHON" -c '
import asyncio, os, sys
async def one(i):
    r, w = await asyncio.open_connection("db.test", int(sys.argv[1]))
    data = os.urandom(i * 3000) + sys.argv[2].encode()
    w.write(data)
    await w.drain()
    same = await r.readexactly(len(data)) == data
    w.write_eof()
    same = same and await r.read() == b""
    w.close()
    await w.wait_closed()
    return same
async def main():
    print(all(await asyncio.gather(*(one(i) for i in range(50)))))
asyncio.run(main())' "$PORT" "$MARKER"
	assert_output True
	assert_tls db.test
}

@test "selectors: epoll, poll and select, non-blocking connects" {
	start_server tlsserver localhost handshake echo
	run -0 shim "$PYTHON" -c '
import selectors, socket, sys
for kind in selectors.EpollSelector, selectors.PollSelector, selectors.SelectSelector:
    loop, text, got = kind(), sys.argv[2].encode(), {}
    for i in range(10):
        s = socket.socket()
        s.setblocking(False)
        assert s.connect_ex(("127.0.0.1", int(sys.argv[1]))) == 115
        loop.register(s, selectors.EVENT_WRITE)
        got[s] = b""
    while loop.get_map():
        for key, events in loop.select(10):
            s = key.fileobj
            if events & selectors.EVENT_WRITE:
                assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
                s.send(text)
                loop.modify(s, selectors.EVENT_READ)
            else:
                got[s] += s.recv(5)
                if got[s] == text:
                    loop.unregister(s)
                    s.close()
    print(kind.__name__, set(got.values()) == {text})' "$PORT" "$MARKER"
	assert_output "EpollSelector True
PollSelector True
SelectSelector True"
	assert_tls ""
}

# --- session resumption

@test "connections to one destination resume its sessions, others do not" {
	start_server nginx db.test
	echo "$MARKER" >"$RUN_DIR/www/page"
	run -0 shim "$PYTHON" -c '
import sys, urllib.request
for host in "db.test", "db.test", "db.test", "localhost":
    try:
        print(urllib.request.urlopen(f"http://{host}:{sys.argv[1]}/page").read())
    except OSError as e:
        print(type(e).__name__)' "$PORT"
	assert_output "b'$MARKER\\n'
b'$MARKER\\n'
b'$MARKER\\n'
URLError"
	assert_equal "$(grep -c "db.test:.* connected: .* resumed" "$RUN_DIR/shim.log")" 2
	refute_log "localhost:.* connected"
	assert_wire_is_tls
}

# --- nginx

@test "nginx as a reverse proxy, its workers preloaded" {
	start_server tlsserver db.test handshake http
	mkdir -p "$RUN_DIR/proxy"
	proxy_nginx()
	{
		cat >"$RUN_DIR/proxy/conf" <<-CONF
		daemon off;
		pid $RUN_DIR/proxy/pid;
		worker_processes 2;
		error_log $RUN_DIR/proxy/error.log;
		events {}
		http {
			access_log off;
			client_body_temp_path $RUN_DIR/proxy;
			proxy_temp_path $RUN_DIR/proxy;
			fastcgi_temp_path $RUN_DIR/proxy;
			uwsgi_temp_path $RUN_DIR/proxy;
			scgi_temp_path $RUN_DIR/proxy;
			server {
				listen 127.0.0.1:$SERVER_PORT;
				location / {
					proxy_pass http://127.0.0.1:$PORT;
				}
			}
		}
		CONF
		local SHIM
		shim_env
		background proxy env "${SHIM[@]}" "$(server_program nginx)" \
			-p "$RUN_DIR/proxy" -c "$RUN_DIR/proxy/conf" \
			-e "$RUN_DIR/proxy/error.log"
	}
	export TLSSHIM_SERVER_NAME=db.test
	chmod 755 "$RUN_DIR" "$CA_DIR"
	try_ports proxy_nginx
	run -0 curl -sS "http://127.0.0.1:$SERVER_PORT/say/$MARKER"
	assert_output "$MARKER"
	run -0 curl -sS -Z -o "$RUN_DIR/got#1" \
		"http://127.0.0.1:$SERVER_PORT/bytes/3000000#[1-8]"
	for i in {2..8}; do
		cmp "$RUN_DIR/got1" "$RUN_DIR/got$i"
	done
	assert_equal "$(stat -c %s "$RUN_DIR/got1")" 3000000
	assert_tls db.test
}

# --- mosquitto

@test "mosquitto as a bridge to a TLS broker" {
	# It looks names up in a thread that pthread_create() does not see.
	[[ $BUILD_DIR != *-thread* ]] ||
		skip "sanitizer: the threads of getaddrinfo_a() are not its own"
	start_server mosquitto localhost
	far=$PORT
	bridge()
	{
		cat >"$RUN_DIR/bridge.conf" <<-CONF
		listener $SERVER_PORT 127.0.0.1
		allow_anonymous true
		user $(id -un)
		connection far
		address 127.0.0.1:$far
		topic # both 0
		try_private false
		notifications false
		CONF
		local SHIM
		shim_env
		background bridge env "${SHIM[@]}" "$(server_program mosquitto)" \
			-c "$RUN_DIR/bridge.conf" -v
	}
	try_ports bridge
	wait_for has_line "$RUN_DIR/bridge.out" "Received CONNACK"
	background sub mosquitto_sub -p "$SERVER_PORT" -t there -C 1
	wait_for has_line "$RUN_DIR/bridge.out" "SUBSCRIBE from"
	said()
	{
		shim mosquitto_pub -h 127.0.0.1 -p "$far" -t there -m "$MARKER"
		has_line "$RUN_DIR/sub.out" "$MARKER"
	}
	wait_for said
	assert_wire_is_tls --live
	assert_wire_info version=TLSv1.3
}

# --- scale

# The peer of tests/prog/crowd.c; its port is another one each time.
start_crowd_peer()
{
	make_ca
	start_tls_peer "$RUN_DIR/tls" localhost
}

crowd()
{
	TLSSHIM_PORTS=1-65535 TLSSHIM_CA_FILE=$CA_DIR/ca.pem TLSSHIM_LOG=none \
		SHIM_TIMEOUT=120 shim "$BUILD_DIR/prog/crowd" "$RUN_DIR/tls" "$@"
}

@test "5000 connections at once in one process, all exchanging data" {
	ulimit -n 16384 || skip "the limit of descriptors is too low"
	start_crowd_peer
	run -0 crowd 5000 2
	assert_line "5000 connections, 2 rounds, 2000000 bytes"
}

@test "an idle connection takes no more memory than a native client's" {
	skip_if_sanitized "it takes memory of its own"
	ulimit -n 4096 || skip "the limit of descriptors is too low"
	start_crowd_peer
	native=$("$BUILD_DIR/prog/tls_crowd" "$RUN_DIR/tls" 500 "$CA_DIR/ca.pem" 2>&1)
	ours=$(crowd 500 2 2>&1 | grep memory)
	echo "# native $native, shim $ours" >&3
	awk -v ours="${ours//[^0-9.]/}" -v native="${native//[^0-9.]/}" \
		'BEGIN { exit !(ours > 0 && ours <= native) }'
}
