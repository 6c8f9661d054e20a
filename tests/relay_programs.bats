#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Unmodified programs that share a connection with others, or use it where no
# hook sees them.

load lib/programs
export SHIM_TIMEOUT=60

# A server behind a TLS terminator; PLAIN is its port.
start_terminator()
{
	start_server tlsserver db.test handshake "proxy=$PLAIN"
}

# in_bash TEXT: on descriptor 3 there is the connection.
in_bash()
{
	run -0 shim bash -c "exec 3<>/dev/tcp/db.test/$PORT; $1"
}

@test "bash: printf and read" {
	start_echo
	in_bash "printf '$MARKER\n' >&3; read -r x <&3; echo got \$x; exec 3>&-"
	assert_output "got $MARKER"
	assert_tls db.test
	assert_report how close_notify
}

@test "bash: a here string through cat, head takes one line" {
	start_echo
	in_bash "cat <<<'$MARKER' >&3; head -n 1 <&3"
	assert_output "$MARKER"
	assert_tls db.test
}

@test "bash: a loop reads what a background writer says" {
	start_echo
	in_bash "for i in 1 2 3; do echo $MARKER \$i; sleep 0.1; done >&3 &
		for i in 1 2 3; do read -r x <&3; echo got \$x; done; wait"
	assert_output "got $MARKER 1
got $MARKER 2
got $MARKER 3"
	assert_tls db.test
}

@test "bash: a background reader, subshells and a pipe" {
	start_echo
	in_bash "head -n 2 <&3 & (echo $MARKER one >&3)
		echo two | tr a-z A-Z >&3; wait"
	assert_output "$MARKER one
TWO"
	assert_tls db.test
}

@test "bash: exec cat with the connection as standard input" {
	start_server tlsserver db.test handshake "send=$MARKER\\n"
	in_bash "exec cat <&3"
	assert_output "$MARKER"
	assert_tls db.test
}

@test "bash: a megabyte by cat, and its digest back" {
	start_server tlsserver db.test handshake recv=1000000 digest
	head -c 1000000 /dev/urandom >"$RUN_DIR/file"
	in_bash "cat '$RUN_DIR/file' >&3; cat <&3"
	assert_output "$(sha256sum <"$RUN_DIR/file" | cut -d ' ' -f 1)"
	assert_tls db.test
}

@test "bash: a server's end without close_notify is an error" {
	start_server tlsserver db.test handshake "send=$MARKER\\n" fin
	in_bash "cat <&3 2>&1; echo \${PIPESTATUS[0]}"
	assert_output "$MARKER
cat: -: Connection reset by peer
1"
}

@test "busybox wget reads with stdio" {
	start_server tlsserver db.test handshake http
	run -0 shim busybox wget -q -O - "http://db.test:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls db.test
}

@test "whois reads with stdio" {
	start_server tlsserver db.test handshake line "send=domain: $MARKER\\n"
	run -0 shim whois -h db.test -p "$PORT" example
	assert_output "domain: $MARKER"
	assert_tls db.test
}

@test "nc.traditional -e gives the connection to a program" {
	start_server tlsserver db.test handshake "send=$MARKER\\n" read
	# shellcheck disable=SC2016
	printf '#!/bin/sh\nread x; echo got $x; echo heard $x >&2\n' >"$RUN_DIR/script"
	chmod +x "$RUN_DIR/script"
	run -0 shim nc.traditional -e "$RUN_DIR/script" db.test "$PORT"
	assert_output "heard $MARKER"
	assert_report bytes "$((5 + ${#MARKER}))"
	assert_report how close_notify
	assert_tls db.test
}

@test "perl: parent and child after fork" {
	start_echo
	# shellcheck disable=SC2016
	run -0 shim perl -MIO::Socket::INET -e '
		my $s = IO::Socket::INET->new(PeerAddr => "db.test", PeerPort => shift) or die;
		my $pid = fork;
		if (!$pid) { print $s shift, "\n"; $s->flush; exit }
		waitpid $pid, 0;
		print "got ", scalar <$s>' "$PORT" "$MARKER"
	assert_output "got $MARKER"
	assert_tls db.test
}

@test "perl: a child opened with \"-|\" reads the connection" {
	start_echo
	# shellcheck disable=SC2016
	run -0 shim perl -MIO::Socket::INET -e '
		my $s = IO::Socket::INET->new(PeerAddr => "db.test", PeerPort => shift) or die;
		my $pid = open my $child, "-|";
		if (!$pid) { print "child got ", scalar <$s>; exit }
		print $s shift, "\n"; $s->flush;
		print <$child>' "$PORT" "$MARKER"
	assert_output "child got $MARKER"
	assert_tls db.test
}

# python TEXT: s is the connection.
python()
{
	run -0 shim "$PYTHON" -c "
import os, socket, subprocess, sys, multiprocessing
s = socket.create_connection(('db.test', $PORT))
m = b'$MARKER'
$1"
}

@test "python: os.fork" {
	start_echo
	python "
if os.fork() == 0:
    s.sendall(m)
    os._exit(0)
os.wait()
print(s.recv(100).decode())
s.sendall(b'again'); print(s.recv(5).decode(), s.getpeername()[1] == $PORT)"
	assert_output "$MARKER
again True"
	assert_tls db.test
}

@test "python: subprocess with the connection as stdin and stdout" {
	start_echo
	python "
s.sendall(m + b'\n')
p = subprocess.Popen(['sh', '-c', 'read x; echo child got \$x'], stdin=s, stdout=s)
p.wait()
print(s.makefile().readline().strip())"
	assert_output "child got $MARKER"
	assert_tls db.test
}

@test "python: a plain subprocess leaves the connection in process" {
	start_echo
	python "
print(subprocess.run(['echo', 'helper'], capture_output=True).stdout)
s.sendall(m); print(s.recv(100).decode())"
	assert_output "b'helper\n'
$MARKER"
	# ThreadSanitizer makes a fork of Python's vfork.
	[[ $BUILD_DIR == *-thread* ]] || refute_log relay
	assert_tls db.test
}

@test "python: multiprocessing, by fork and by spawn" {
	start_echo
	cat >"$RUN_DIR/mp.py" <<-PY
	import multiprocessing, socket, sys
	def work(s, m):
	    s.sendall(m)
	    print("child", s.recv(100).decode(), flush=True)
	if __name__ == "__main__":
	    for how in "fork", "spawn":
	        multiprocessing.set_start_method(how, force=True)
	        s = socket.create_connection(("db.test", int(sys.argv[1])))
	        p = multiprocessing.Process(target=work, args=(s, b"$MARKER"))
	        p.start(); p.join()
	        s.sendall(b"parent"); print(how, s.recv(100).decode(), flush=True)
	PY
	run -0 shim "$PYTHON" "$RUN_DIR/mp.py" "$PORT"
	assert_output "child $MARKER
fork parent
child $MARKER
spawn parent"
	assert_tls db.test
}

@test "a pipeline in the background, stopped and continued" {
	start_echo
	cat >"$RUN_DIR/script" <<-'SH'
	exec 3<>/dev/tcp/db.test/$1
	echo one >&3; read -r x <&3; echo got $x
	while [[ ! -e $2 ]]; do sleep 0.02; done
	echo two >&3; read -r x <&3; echo got $x
	SH
	shim_exec bash "$RUN_DIR/script" "$PORT" "$RUN_DIR/go" >"$RUN_DIR/said" 2>&1 3>&- &
	pid=$!
	wait_for has_line "$RUN_DIR/said" 'got one'
	kill -STOP $pid
	touch "$RUN_DIR/go"
	sleep 0.3
	kill -CONT $pid
	wait $pid
	assert_equal "$(<"$RUN_DIR/said")" $'got one\ngot two'
	assert_tls db.test
}

@test "git clones and pushes over git://" {
	local git=(git -c user.name=x -c user.email=x@test)

	git init -q "$RUN_DIR/work"
	head -c 300000 /dev/urandom >"$RUN_DIR/work/file"
	git -C "$RUN_DIR/work" add file
	"${git[@]}" -C "$RUN_DIR/work" commit -qm one
	git clone -q --bare "$RUN_DIR/work" "$RUN_DIR/r.git"
	try_ports start_git_daemon
	PLAIN=$SERVER_PORT start_terminator
	shim git clone -q "git://db.test:$PORT/r.git" "$RUN_DIR/clone"
	cmp "$RUN_DIR/work/file" "$RUN_DIR/clone/file"
	head -c 300000 /dev/urandom >"$RUN_DIR/clone/more"
	git -C "$RUN_DIR/clone" add more
	"${git[@]}" -C "$RUN_DIR/clone" commit -qm two
	shim git -C "$RUN_DIR/clone" push -q origin HEAD
	assert_equal "$(git -C "$RUN_DIR/r.git" rev-parse HEAD)" \
		"$(git -C "$RUN_DIR/clone" rev-parse HEAD)"
	assert_tls db.test
}

start_git_daemon()
{
	background git_daemon git daemon --listen=127.0.0.1 \
		--port="$SERVER_PORT" --base-path="$RUN_DIR" --export-all \
		--enable=receive-pack --reuseaddr
}

# A relay drops what the dynamic linker needs to find a function.
@test "when a relay is made, all that the library calls of others is bound" {
	start_echo
	readelf -rW "$BUILD_DIR/libtlsshim.so" |
		awk '/JUMP_SLO/ { print $1, $5 }' >"$RUN_DIR/slots"
	nm -D --defined-only "$BUILD_DIR/libtlsshim.so" |
		awk '{ print $3 }' >"$RUN_DIR/hooks"
	run -0 shim "$PYTHON" -c '
import os, socket, struct, sys

hooks = open(sys.argv[3]).read().split()
c = socket.create_connection(("db.test", int(sys.argv[1])))
p = os.fork() or os._exit(0)
os.waitpid(p, 0)
maps = [l.split() for l in open("/proc/self/maps") if "libtlsshim.so" in l]
maps = [[int(n, 16) for n in m[0].split("-")] for m in maps]
memory = open("/proc/self/mem", "rb")
for line in open(sys.argv[2]):
    at, name = line.split()
    memory.seek(maps[0][0] + int(at, 16))
    to, = struct.unpack("Q", memory.read(8))
    # The names that are hooks are found here.
    if maps[0][0] <= to < maps[-1][1] and name not in hooks:
        print(name)
print("looked at", name)
' "$PORT" "$RUN_DIR/slots" "$RUN_DIR/hooks"
	assert_equal "${#lines[@]}" 1
	assert_output --partial "looked at"
}
