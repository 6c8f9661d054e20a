#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A server that sends what is no data, without end: key updates, tickets,
# requests.  The connection ends with the reason, soon and whatever the server
# does, and the program's other connections go on meanwhile.

load lib/helpers

setup_file()
{
	mkdir -p "$CA_DIR"
	make_ca
	NO_RECORDER=1 start_server tlsserver localhost handshake echo
	export GOOD=$PORT
}

teardown_file()
{
	stop_background
}

# flood KIND [COUNT]: sets PORT.
flood()
{
	background flood "$BUILD_DIR/prog/tls_flood" "$CA_DIR/localhost.pem" \
		"$CA_DIR/localhost.key" "$1" "${2:-200000}"
	wait_for has_line "$RUN_DIR/flood.out" '^[0-9]+$'
	PORT=$(<"$RUN_DIR/flood.out")
	export TLSSHIM_PORTS="$PORT $GOOD" TLSSHIM_CA_FILE=$CA_DIR/ca.pem
}

# endures ERRNO REASON [relay]: a program that reads from the flood, and in
# another thread talks to a good server.  "relay": it has a child that could
# read from it as well, so that a relay has the session.
endures()
{
	run -0 shim "$PYTHON" -c '
import errno, os, socket, sys, threading, time
bad, good = int(sys.argv[1]), int(sys.argv[2])
longest = {"call": 0.0, "pause": 0.0}
ended = threading.Event()
turns = 0

def timed(what, clock, function, *args):
    start = clock()
    try:
        return function(*args)
    finally:
        longest[what] = max(longest[what], clock() - start)

def talk(s):
    global turns
    while not ended.is_set() or turns < 10:
        timed("pause", time.monotonic, lambda: (s.sendall(b"ping"), s.recv(4)))
        turns += 1

g = socket.create_connection(("localhost", good))
talker = threading.Thread(target=talk, args=(g,))
talker.start()
try:
    s = socket.create_connection(("localhost", bad))
    # What the server does not take soon stays with us, not with the kernel.
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    if len(sys.argv) > 3:
        go_on, child = os.pipe()
        if os.fork() == 0:
            os.close(child)
            os.read(go_on, 1)
            os._exit(0)
    s.setblocking(False)
    deadline = time.monotonic() + 50
    got = b"x"
    while got and time.monotonic() < deadline:
        try:
            got = timed("call", time.thread_time, s.recv, 1 << 20)
        except BlockingIOError:
            time.sleep(0.001)
    print("end" if not got else "never")
except OSError as error:
    print(errno.errorcode[error.errno])
finally:
    ended.set()
    talker.join()
print("longest call: %.1f ms of processor time; longest pause of the other"
      " connection: %.1f ms" % (longest["call"] * 1000,
                                longest["pause"] * 1000))
print("calls are short" if longest["call"] < 0.5 else "a call was long")
' "$PORT" "$GOOD" "${@:3}"
	assert_line --index 0 "$1"
	sanitized || assert_line "calls are short"
	assert_log "localhost:$PORT \([^ ]*\): $2"
	assert_equal "$(grep -c "localhost:$PORT ([^ ]*): [cr]" "$RUN_DIR/shim.log")" "${LINES_OF_IT:-2}"
	echo "# $BATS_TEST_DESCRIPTION: ${lines[1]}" >&3
}

endless='connection broken: the server sends % without end and no data between them'
untaken='connection broken: the server demands answers without end and takes none of them'

@test "key updates without end end the connection with a reason" {
	flood updates
	endures ECONNRESET "${endless/\%/key updates}"
}

@test "key updates that want answers end it as well" {
	flood asks
	endures ECONNRESET "${endless/\%/key updates}"
}

@test "session tickets without end end the connection with a reason" {
	flood tickets
	endures ECONNRESET "${endless/\%/session tickets}"
}

@test "requests to renegotiate without end end the connection with a reason" {
	flood hellos
	endures ECONNRESET "${endless/\%/requests to renegotiate}"
}

@test "a handshake without end is refused with a reason" {
	flood before 20000000
	LINES_OF_IT=1 endures EPROTO "refused: the server's part of the TLS handshake has no end"
}

@test "answers that a server demands and does not take end the connection" {
	flood mixed 2000000
	endures ECONNRESET "$untaken"
}

@test "requests for our certificate without end end the connection with a reason" {
	export TLSSHIM_CERT=$CA_DIR/client-only.pem TLSSHIM_KEY=$CA_DIR/client-only.key
	flood requests
	endures ECONNRESET "${endless/\%/requests for our certificate}"
}

@test "a relay says the same of each" {
	for kind in updates asks tickets mixed hellos; do
		flood "$kind" 2000000
		case $kind in
		updates | asks) reason=${endless/\%/key updates} ;;
		tickets) reason=${endless/\%/session tickets} ;;
		mixed) reason=$untaken ;;
		hellos) reason=${endless/\%/requests to renegotiate} ;;
		esac
		endures ECONNRESET "$reason" relay
		stop_background
	done
}
