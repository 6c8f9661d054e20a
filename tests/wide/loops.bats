#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Event loops of the wide set: load generators, languages, libraries.

load ../lib/programs

start_page()
{
	start_server nginx db.test
	echo "$MARKER" >"$RUN_DIR/www/page"
}

# --- load generators

@test "wrk, 50 connections" {
	requires wrk
	start_page
	run -0 shim wrk -t 2 -c 50 -d 1 "http://db.test:$PORT/page"
	assert_output --partial "Requests/sec"
	refute_output --partial "Socket errors"
	refute_output --partial "Non-2xx"
	assert_tls db.test
}

@test "ab, with and without keep-alive" {
	requires ab
	start_page
	for keep in -k -q; do
		run -0 shim ab -q -n 200 -c 20 $keep "http://db.test:$PORT/page"
		assert_output --partial "Complete requests:      200"
		assert_output --partial "Failed requests:        0"
	done
	assert_tls db.test
}

@test "aria2 fetches a file in parts" {
	requires aria2c
	start_server nginx localhost
	head -c 3000000 /dev/urandom >"$RUN_DIR/www/file"
	shim aria2c -q -x 4 -s 4 -k 1M --async-dns=false -d "$RUN_DIR" -o got \
		"http://127.0.0.1:$PORT/file"
	cmp "$RUN_DIR/www/file" "$RUN_DIR/got"
	assert_tls ""
}

# --- libraries

# build PROGRAM COMPILER LIBRARY...
build()
{
	local source
	source=$(echo "$REPO"/tests/wide/prog/"$1".c*)
	"$2" -O1 -pthread -o "$RUN_DIR/$1" "$source" "${@:3}" ||
		skip "$1 is not there (scripts/deps wide)"
}

@test "asio: registered in epoll, edge-triggered, before connect()" {
	requires g++
	[[ -e /usr/include/asio.hpp ]] || skip "libasio-dev is not installed"
	build asio g++
	start_echo
	run -0 shim "$RUN_DIR/asio" db.test "$PORT" "$MARKER"
	assert_output "$(yes echoed | head -n 10)"
	assert_tls db.test
}

@test "libevent" {
	[[ -d /usr/include/event2 ]] || skip "libevent-dev is not installed"
	build libevent gcc -levent
	start_echo
	run -0 shim "$RUN_DIR/libevent" db.test "$PORT" "$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
}

@test "libuv" {
	[[ -e /usr/include/uv.h ]] || skip "libuv1-dev is not installed"
	build libuv gcc -luv
	start_echo
	run -0 shim "$RUN_DIR/libuv" db.test "$PORT" "$MARKER"
	assert_output "$MARKER"$'\n'"$MARKER"
	assert_tls db.test
}

# --- node, Java, erlang, ruby

@test "node: http with keep-alive, 20 requests at once, and net" {
	requires node
	skip_if_sanitized "node does not start"
	start_http
	run -0 shim node -e '
		const http = require("http"), port = process.argv[1], text = process.argv[2];
		const agent = new http.Agent({ keepAlive: true, maxSockets: 5 });
		let right = 0;
		for (let i = 0; i < 20; i++)
			http.get({ host: "db.test", port, path: "/say/" + text, agent }, (r) => {
				let got = "";
				r.on("data", (d) => got += d);
				r.on("end", () => {
					right += got.trim() == text;
					if (i == 19) setTimeout(() => { console.log(right); agent.destroy(); }, 500);
				});
			});' "$PORT" "$MARKER"
	assert_output 20
	run -0 shim node -e '
		const s = require("net").connect(process.argv[1], "db.test");
		s.write("GET /say/" + process.argv[2] + " HTTP/1.0\r\n\r\n");
		let got = "";
		s.on("data", (d) => got += d);
		s.on("close", () => console.log(got.split("\r\n\r\n")[1].trim()));' \
		"$PORT" "$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
}

# java_loop WAY
java_loop()
{
	run -0 shim java -cp "$REPO/tests/wide/prog" "$REPO/tests/wide/prog/Loop.java" \
		"$1" db.test "$PORT" "$MARKER"
}

@test "Java: HttpURLConnection and HttpClient" {
	requires java
	skip_if_sanitized "java does not start"
	start_http
	java_loop http
	assert_output "$MARKER"$'\n'"$MARKER"
	java_loop client
	assert_output "$MARKER"
	assert_tls db.test
}

@test "Java: a Selector with five channels, and asynchronous channels" {
	requires java
	skip_if_sanitized "java does not start"
	start_echo
	java_loop nio
	assert_output "$(yes "$MARKER" | head -n 5)"
	java_loop aio
	assert_output "$MARKER"
	assert_tls db.test
}

@test "erlang's gen_tcp" {
	local erl=erl root=$REPO/build-servers/usr/lib/erlang
	if [[ -d $root ]]; then
		# Its start script knows /usr/lib/erlang only.
		export ROOTDIR=$root EMU=beam PROGNAME=erl
		BINDIR=$(echo "$root"/erts-*/bin)
		export BINDIR
		erl=$BINDIR/erlexec
	fi
	requires "$erl"
	skip_if_sanitized "erlang does not start"
	start_server tlsserver localhost handshake echo
	run -0 shim "$erl" -noshell -eval "
		{ok, S} = gen_tcp:connect({127,0,0,1}, $PORT, [binary, {active, false}]),
		ok = gen_tcp:send(S, <<\"$MARKER\">>),
		{ok, D} = gen_tcp:recv(S, ${#MARKER}, 10000),
		io:format(\"~s~n\", [D]),
		inet:setopts(S, [{active, true}]),
		ok = gen_tcp:send(S, <<\"two\">>),
		receive {tcp, S, T} -> io:format(\"~s~n\", [T]) end,
		halt()."
	assert_output "$MARKER"$'\ntwo'
	assert_tls ""
}

@test "ruby's eventmachine" {
	requires ruby
	ruby -e 'require "eventmachine"' || skip "ruby-eventmachine is not installed"
	start_echo
	for kind in epoll select; do
		run -0 shim ruby -e '
			require "eventmachine"
			EM.epoll if ARGV[2] == "epoll"
			class C < EM::Connection
				def post_init; send_data ARGV[1]; end
				def receive_data(d); puts d; EM.stop; end
			end
			EM.run { EM.connect "db.test", ARGV[0].to_i, C }' "$PORT" "$MARKER" "$kind"
		assert_output "$MARKER"
	done
	assert_tls db.test
}

# --- Python

# python_loop MODULE CODE
python_loop()
{
	"$PYTHON" -c "import $1" 2>/dev/null || skip "python3's $1 is not installed"
	run -0 shim "$PYTHON" -W ignore -c "$2" "$PORT" "$MARKER"
}

@test "twisted" {
	start_echo
	python_loop twisted '
import sys
from twisted.internet import reactor, protocol
class Echo(protocol.Protocol):
    def connectionMade(self):
        self.transport.write(sys.argv[2].encode())
    def dataReceived(self, data):
        print(data.decode())
        reactor.stop()
f = protocol.ClientFactory()
f.protocol = Echo
reactor.connectTCP("db.test", int(sys.argv[1]), f)
reactor.run()'
	assert_output "$MARKER"
	assert_tls db.test
}

@test "tornado" {
	start_http
	python_loop tornado '
import asyncio, sys
from tornado.httpclient import AsyncHTTPClient
async def main():
    c = AsyncHTTPClient()
    url = f"http://db.test:{sys.argv[1]}/say/{sys.argv[2]}"
    for r in await asyncio.gather(*(c.fetch(url) for i in range(5))):
        print(r.body.decode().strip())
asyncio.run(main())'
	assert_output "$(yes "$MARKER" | head -n 5)"
	assert_tls db.test
}

@test "trio" {
	start_echo
	python_loop trio '
import sys, trio
async def main():
    s = await trio.open_tcp_stream("db.test", int(sys.argv[1]))
    await s.send_all(sys.argv[2].encode())
    print((await s.receive_some(1000)).decode())
    await s.send_eof()
    print(await s.receive_some(1000))
trio.run(main)'
	assert_output "$MARKER"$'\n'"b''"
	assert_tls db.test
}

@test "gevent" {
	start_http
	python_loop gevent '
from gevent import monkey; monkey.patch_all()
import gevent, sys, urllib.request
url = f"http://db.test:{sys.argv[1]}/say/{sys.argv[2]}"
jobs = [gevent.spawn(lambda: urllib.request.urlopen(url).read()) for i in range(5)]
gevent.joinall(jobs)
for j in jobs: print(j.value.decode().strip())'
	assert_output "$(yes "$MARKER" | head -n 5)"
	assert_tls db.test
}

@test "uvloop" {
	start_echo
	python_loop uvloop '
import asyncio, sys, uvloop
async def main():
    r, w = await asyncio.open_connection("db.test", int(sys.argv[1]))
    w.write(sys.argv[2].encode())
    w.write_eof()
    print((await r.read()).decode())
    w.close()
uvloop.install()
asyncio.run(main())'
	assert_output "$MARKER"
	assert_tls db.test
}

@test "aiohttp" {
	start_http
	python_loop aiohttp '
import aiohttp, asyncio, sys
async def main():
    async with aiohttp.ClientSession() as s:
        async def one():
            async with s.get(f"http://db.test:{sys.argv[1]}/say/{sys.argv[2]}") as r:
                return (await r.text()).strip()
        print(*await asyncio.gather(*(one() for i in range(5))), sep="\n")
asyncio.run(main())'
	assert_output "$(yes "$MARKER" | head -n 5)"
	assert_tls db.test
}

@test "Qt's QTcpSocket" {
	start_echo
	python_loop PyQt5.QtNetwork '
import sys
from PyQt5.QtCore import QCoreApplication
from PyQt5.QtNetwork import QTcpSocket
app, s = QCoreApplication([]), QTcpSocket()
s.connected.connect(lambda: s.write(sys.argv[2].encode()))
s.readyRead.connect(lambda: (print(s.readAll().data().decode()), app.quit()))
s.errorOccurred.connect(lambda e: (print(s.errorString()), app.exit(1)))
s.connectToHost("db.test", int(sys.argv[1]))
sys.exit(app.exec())'
	assert_output "$MARKER"
	assert_tls db.test
}

# --- memcached

try_memcached()
{
	background memcached "$memcached" -l "127.0.0.1:$SERVER_PORT" \
		-U 0 -u "$(id -un)" -Z -o "ssl_chain_cert=$CA_DIR/localhost.pem" \
		-o "ssl_key=$CA_DIR/localhost.key"
}

@test "memcached's clients and memcached" {
	local memcached=$REPO/build-servers/usr/bin/memcached
	[[ -x $memcached ]] || memcached=memcached
	requires memccp memccat "$memcached"
	make_ca
	try_ports try_memcached
	start_recorder "127.0.0.1:$SERVER_PORT"
	export TLSSHIM_PORTS=$PORT TLSSHIM_CA_FILE=$CA_DIR/ca.pem
	echo "$MARKER" >"$RUN_DIR/key"
	shim memccp --servers="127.0.0.1:$PORT" "$RUN_DIR/key"
	run -0 shim memccat --servers="127.0.0.1:$PORT" key
	assert_output --partial "$MARKER"
	assert_tls ""
}
