#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Which name the peer must prove to be, when the program says an address to
# connect() and a name to a look-up before.

load lib/helpers

setup()
{
	unset "${!TLSSHIM_@}"
	add_host db.test 127.0.0.1
	add_host www.test 127.0.0.1
	add_host a.db.test 127.0.0.1
}

# lookups STEP...: of tests/prog/lookups.c, at the server started last.
lookups()
{
	run -0 shim "$BUILD_DIR/prog/lookups" "$PORT" "$@"
}

# One connection, verified for a name that came from SOURCE, with this SNI.
assert_verified()
{
	assert_log "connected: .*, verified for $1 \($2\): "
	assert_tls "${3-$1}"
}

@test "a result of getaddrinfo is known by itself, whatever other names its address has" {
	start_server tlsserver db.test handshake read
	lookups look=db.test look=a.db.test look=www.test use=0
	assert_output "use=0: 0"
	assert_verified db.test lookup
	lookups look=db.test look=a.db.test look=www.test use=1 use=2
	assert_output "use=1: EACCES
use=2: EACCES"
	assert_log "a.db.test:$PORT \([^ ]*\): refused: certificate is not valid for the name a.db.test"
	start_server tlsserver wildcard handshake read
	lookups look=db.test look=a.db.test use=0 use=1
	assert_output "use=0: EACCES
use=1: 0"
}

@test "the only name of an address is its name" {
	start_server tlsserver db.test handshake read
	lookups look=db.test copy=0
	assert_output "copy=0: 0"
	assert_verified db.test "only name"
}

@test "of several names the certificate must have all, and SNI is the latest" {
	start_server tlsserver two-names handshake read
	lookups look=www.test look=db.test copy=0
	assert_output "copy=0: 0"
	assert_verified db.test "2 names"
}

@test "of several names one is not enough, whichever is the latest" {
	start_server tlsserver db.test handshake read
	lookups look=www.test look=db.test copy=0 look=www.test copy=0
	assert_output "copy=0: EACCES
copy=0: EACCES"
	assert_log "refused: certificate is not valid for the name www.test .*; several names were looked up for this address and must all be in it: TLSSHIM_SERVER_NAME can settle it, or server-name in a section of TLSSHIM_CONFIG for this address"
	assert_equal "$(grep -c refused "$RUN_DIR/shim.log")" 2
	assert_wire_is_tls
}

@test "a setting settles it" {
	start_server tlsserver db.test handshake read
	TLSSHIM_SERVER_NAME=db.test lookups look=db.test look=www.test copy=0 use=1
	assert_output "copy=0: 0
use=1: 0"
	assert_verified db.test setting
}

@test "of two servers, each with several names, a section for each address settles it" {
	add_host db.test 127.0.0.2
	add_host www.test 127.0.0.2
	RECORDER=' ' start_server tlsserver db.test handshake read
	printf '[127.0.0.1:%s]\nserver-name = db.test\n[127.0.0.2:%s]\nserver-name = www.test\n' \
		"$PORT" "$PORT" >"$RUN_DIR/rules.ini"
	TLSSHIM_CONFIG=$RUN_DIR/rules.ini lookups look=db.test look=www.test to=127.0.0.1
	assert_output "to=127.0.0.1: 0"
	assert_verified db.test setting
}

@test "on a loopback address this machine's own name does not count beside another" {
	local own

	own=$(uname -n)
	add_host "$own" 127.0.0.1 # that is how /etc/hosts may have it
	start_server tlsserver db.test handshake read
	lookups look=db.test look="$own" copy=0 look=db.test copy=0
	assert_output "copy=0: 0
copy=0: 0"
	assert_verified db.test "2 names"
	lookups look="$own" use=0
	assert_output "use=0: EACCES"
}

@test "on a loopback address this machine's own name may have been no more than asked for" {
	local own

	own=$(uname -n)
	add_host "$own" 127.0.0.1
	start_server tlsserver localhost handshake read
	lookups look="$own" copy=0
	assert_output "copy=0: 0"
	assert_tls "$own"
	start_server tlsserver db.test handshake read
	lookups look="$own" copy=0
	assert_output "copy=0: EACCES"
}

@test "more names than are remembered: refused before anything is sent" {
	local steps=() i

	start_server tlsserver db.test handshake read
	for i in 1 2 3 4 5 6 7 8; do
		add_host "n$i.test" 127.0.0.1
		steps+=("look=n$i.test")
	done
	lookups look=db.test "${steps[@]}" copy=0 use=0
	assert_output "copy=0: EACCES
use=0: 0"
	assert_log "refused: not all names that were looked up for this address are known: TLSSHIM_SERVER_NAME can settle it, or server-name in a section of TLSSHIM_CONFIG for this address"
	assert_wire_is_tls --connections 1
}

@test "a name that no certificate can have: refused before anything is sent" {
	add_host 'bücher.test' 127.0.0.1
	start_server tlsserver db.test handshake read
	lookups look=db.test look=bücher.test copy=0
	assert_output "copy=0: EACCES"
	assert_wire_is_tls --connections 0
}

@test "without a look-up it is the address that counts" {
	start_server tlsserver ip-only handshake read
	lookups to=127.0.0.1
	assert_output "to=127.0.0.1: 0"
	assert_verified "the address" address ""
	start_server tlsserver db.test handshake read
	lookups to=127.0.0.1
	assert_output "to=127.0.0.1: EACCES"
	assert_log "127.0.0.1:$PORT: refused: certificate is not valid for the address 127.0.0.1 \(it is for db.test"
}

@test "digits are no name" {
	start_server tlsserver ip-only handshake read
	lookups look=127.0.0.1 use=0 copy=0 look=127.1 use=1 look=0x7f000001 use=2 look=2130706433 use=3
	refute_output --partial EACCES
	assert_verified "the address" address ""
}

@test "a name that was looked up is not forgotten for digits" {
	start_server tlsserver ip-only handshake read
	lookups look=db.test look=127.0.0.1 copy=1
	assert_output "copy=1: EACCES"
}

@test "a trailing dot and capitals do not make another name" {
	add_host db.test. 127.0.0.1
	start_server tlsserver db.test handshake read
	lookups look=db.test look=DB.TEST look=db.test. look=Db.Test. copy=0 use=1 use=2
	refute_output --partial EACCES
	assert_verified db.test "only name"
	assert_log "\(lookup\)"
}

@test "gethostbyname and its kin are remembered" {
	start_server tlsserver db.test handshake read
	for call in host host2 host_r host2_r; do
		lookups "$call=db.test" copy=0
		assert_output "copy=0: 0"
	done
	assert_equal "$(grep -c "(only name)" "$RUN_DIR/shim.log")" 4
	assert_tls db.test
}

@test "getaddrinfo_a is remembered, waited for or not" {
	skip_if_sanitized "ThreadSanitizer does not survive getaddrinfo_a, with or without us"
	# libc resolves by itself here, so the name is one that it knows.
	start_server tlsserver localhost-only handshake read
	lookups wait=localhost use=0 copy=0
	assert_output "use=0: 0
copy=0: 0"
	lookups nowait=localhost use=0 copy=0
	assert_output "use=0: 0
copy=0: 0"
	assert_equal "$(grep -c "(lookup)" "$RUN_DIR/shim.log")" 2
	assert_equal "$(grep -c "(only name)" "$RUN_DIR/shim.log")" 2
	assert_tls localhost
}

@test "a result that was freed is no identity any more" {
	start_server tlsserver wildcard handshake read
	lookups look=db.test look=a.db.test free=0 copy=0
	assert_output "copy=0: EACCES"
	# The same memory, another name.
	lookups look=db.test free=0 look=a.db.test use=1
	assert_output "use=1: 0"
	assert_log "verified for a.db.test \(lookup\)"
}

@test "what a child looked up its parent knows, and the other way round" {
	start_server tlsserver db.test handshake read
	lookups child look=db.test to=127.0.0.1
	assert_output "to=127.0.0.1: 0"
	lookups look=db.test child to=127.0.0.1
	assert_output "to=127.0.0.1: 0"
	lookups look=db.test child use=0 use=0
	assert_output "use=0: 0
use=0: 0"
	assert_equal "$(grep -c "(only name)" "$RUN_DIR/shim.log")" 2
	lookups child look=www.test look=db.test to=127.0.0.1
	assert_output "to=127.0.0.1: EACCES"
	assert_log "several names"
}

# poison FREED: looks db.test up, has a child overwrite that name by www.test in
# all memory that the two share, and connects to the address in digits.  FREED:
# the child gives up a right before.
poison()
{
	run -0 shim "$PYTHON" -c '
import ctypes, os, socket, sys
port, freed = int(sys.argv[1]), sys.argv[2]
socket.getaddrinfo("db.test", port)
PR_SET_NO_NEW_PRIVS = 38
child = os.fork()
if child == 0:
    if freed == "yes":
        ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    found = 0
    for line in open("/proc/self/maps"):
        where, rights = line.split()[:2]
        if rights != "rw-s":
            continue
        start, end = (int(x, 16) for x in where.split("-"))
        text = ctypes.string_at(start, end - start)
        at = text.find(b"db.test\0")
        while at >= 0:
            ctypes.memmove(start + at, b"www.test\0", 9)
            found += 1
            at = text.find(b"db.test\0", at + 1)
    os._exit(found != 0)
print("found", os.waitpid(child, 0)[1] != 0)
s = socket.socket()
try:
    s.connect(("127.0.0.1", port))
    print("connected")
except OSError as e:
    print(e.strerror)' "$PORT" "$1"
}

@test "what a child scribbles into shared memory replaces no name of its parent" {
	start_server tlsserver two-names handshake read
	poison no
	assert_output "found True
connected"
	assert_verified db.test "only name"
	"$REPO/scripts/testca" leaf "$CA_DIR" only-www --san DNS:www.test
	start_server tlsserver only-www handshake read
	poison no
	assert_output "found True
Permission denied"
	assert_log "refused: certificate is not valid for the name db.test"
}

@test "a child that gave up rights shares no names with its parent" {
	start_server tlsserver db.test handshake read
	poison yes
	assert_output "found False
connected"
	assert_verified db.test "only name"
}

@test "an international name that libc translates has its xn-- form" {
	"$PYTHON" -c 'import ctypes; ctypes.CDLL("libidn2.so.0")' ||
		skip "libidn2 is not installed"
	add_host 'bücher.test' 127.0.0.1
	"$REPO/scripts/testca" leaf "$CA_DIR" buecher --san DNS:xn--bcher-kva.test
	start_server tlsserver buecher handshake read
	run -0 shim "$PYTHON" -c '
import ctypes, socket, sys
ctypes.CDLL("libidn2.so.0") # as the C library does for its own look-up
AI_IDN = 0x40
name, port = "b\u00fccher.test".encode(), int(sys.argv[1])
address = socket.getaddrinfo(name, port, flags=AI_IDN)[0][4]
socket.create_connection(address).close()
print("connected")' "$PORT"
	assert_output connected
	assert_verified xn--bcher-kva.test "only name"
}

@test "an IPv4 address that is written as an IPv6 one is the same address" {
	RECORDER=' ' start_server tlsserver db.test handshake read
	lookups look=db.test to=::ffff:127.0.0.1
	assert_output "to=::ffff:127.0.0.1: 0"
	assert_verified db.test "only name"
	RECORDER=' ' start_server tlsserver ip-only handshake read
	lookups to=::ffff:127.0.0.1
	assert_output "to=::ffff:127.0.0.1: 0"
	assert_log "verified for the address \(address\)"
	assert_tls ""
}

@test "the server's name in the settings may be an address" {
	start_server tlsserver ip-only handshake read
	TLSSHIM_SERVER_NAME=127.0.0.1 lookups look=db.test use=0
	assert_output "use=0: 0"
	assert_verified "the address" setting ""
	TLSSHIM_SERVER_NAME=127.0.0.2 lookups look=db.test use=0 to=127.0.0.1
	assert_output "use=0: EACCES
to=127.0.0.1: EACCES"
	assert_log "certificate is not valid for the address 127.0.0.2"
}

@test "the server's name in the settings counts, and no other" {
	start_server tlsserver db.test handshake read
	TLSSHIM_SERVER_NAME=DB.test. lookups look=www.test use=0 to=127.0.0.1
	assert_output "use=0: 0
to=127.0.0.1: 0"
	assert_verified db.test setting
	TLSSHIM_SERVER_NAME=www.test lookups look=db.test use=0
	assert_output "use=0: EACCES"
	assert_log "certificate is not valid for the name www.test"
}

@test "look-ups by eight threads at once leave each its own name" {
	start_server tlsserver two-names handshake read
	run -0 shim "$PYTHON" -c '
import socket, sys, threading
def work(name):
    for _ in range(20):
        for _ in range(20):
            socket.getaddrinfo(name, int(sys.argv[1]))
        socket.create_connection((name, int(sys.argv[1]))).close()
names = ["db.test", "www.test"] * 4
threads = [threading.Thread(target=work, args=(name,)) for name in names]
for t in threads: t.start()
for t in threads: t.join()
' "$PORT"
	assert_equal "$(grep -c "connected" "$RUN_DIR/shim.log")" 160
	refute_log refused
}
