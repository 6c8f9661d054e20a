#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# More programs that share a connection with others, or use it where no hook
# sees them: relay_programs.bats with those of `scripts/deps wide`.

load ../lib/programs
export SHIM_TIMEOUT=20

@test "zsh's ztcp: print, read and redirection" {
	requires zsh
	start_echo
	run -0 shim zsh -fc "zmodload zsh/net/tcp; ztcp db.test $PORT; fd=\$REPLY
		print -u \$fd $MARKER; read -r -u \$fd x; print got \$x
		echo more >&\$fd; head -n 1 <&\$fd; ztcp -c"
	assert_output "got $MARKER
more"
	assert_tls db.test
}

@test "ksh93's /dev/tcp" {
	requires ksh93
	start_echo
	run -0 shim ksh93 -c "exec 3<>/dev/tcp/db.test/$PORT; echo $MARKER >&3
		read -r x <&3; echo got \$x; cat <<<bye >&3; head -n 1 <&3"
	assert_output "got $MARKER
bye"
	assert_tls db.test
}

@test "gawk's /inet" {
	requires gawk
	start_echo
	run -0 shim gawk -v port="$PORT" -v m="$MARKER" 'BEGIN {
		s = "/inet/tcp/0/db.test/" port
		print m |& s; s |& getline x; print "got", x
		print "last" |& s; close(s, "to"); s |& getline x; print x
		close(s) }'
	assert_output "got $MARKER
last"
	assert_tls db.test
}

@test "finger reads with stdio" {
	requires finger
	start_server tlsserver db.test handshake line "send=Login: $MARKER\\r\\n"
	# It takes no port: the service's number is asked for.
	TLSSHIM_PORTS="79:$PORT" run shim finger root@db.test
	assert_output --partial "Login: $MARKER"
	assert_tls db.test
}

# A session of FTP's control connection.
start_ftp()
{
	start_server tlsserver db.test handshake "send=220 $MARKER\\r\\n" \
		line "send=500 no\\r\\n" line "send=500 no\\r\\n" \
		line "send=500 no\\r\\n" line "send=500 no\\r\\n" read
}

@test "tnftp's control connection" {
	requires tnftp
	start_ftp
	run shim tnftp -v -n db.test "$PORT" <<<$'quote HELLO\nquit'
	assert_output --partial "220 $MARKER"
	assert_output --partial "500 no"
	assert_tls db.test
}

# ^C amid a transfer: IAC IP IAC DM ABOR, the DM as urgent data.
@test "inetutils-ftp's ABOR" {
	local SHIM data_port

	requires inetutils-ftp
	background data "$PYTHON" -c '
import socket, time
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
c = s.accept()[0]
c.send(b"some")
print("begun", flush=True)
c.recv(1)
c.close()'
	wait_for has_line "$RUN_DIR/data.out" "[0-9]"
	data_port=$(head -n 1 "$RUN_DIR/data.out")
	start_server tlsserver db.test handshake "send=220 hello\r\n" \
		line "send=500 no SYST\r\n" line "send=227 ok (127,0,0,1,$((data_port / 256)),$((data_port % 256)))\r\n" \
		line "send=150 here\r\n" line "send=426 ended\r\n226 done\r\n" \
		line "send=221 bye\r\n"
	shim_env
	run timeout -k 5 60 "$PYTHON" "$LIB/terminal.py" "wait=220 hello" "wait=>" \
		"say=passive\n" "wait=>" "say=get x $RUN_DIR/x\n" "wait=150 here" \
		"say=\x03" "wait=226 done" "wait=>" "say=quit\n" "wait=221" eof -- \
		env "${SHIM[@]}" inetutils-ftp -n -v db.test "$PORT"
	assert_report sha256 "$(printf 'SYST\r\nPASV\r\nRETR x\r\n\xff\xf4\xff\xf2ABOR\r\nQUIT\r\n' |
		sha256sum | cut -d' ' -f1)"
	assert_log "handed over to a relay"
}

@test "inetutils-ftp's control connection" {
	requires inetutils-ftp
	start_ftp
	run shim inetutils-ftp -n -v db.test "$PORT" <<<$'quote HELLO\nquit'
	assert_output --partial "220 $MARKER"
	assert_output --partial "500 no"
	assert_tls db.test
}

@test "socat SYSTEM by a socket pair, EXEC with nofork" {
	requires socat
	start_server tlsserver db.test handshake "send=220 $MARKER\\r\\n" read
	run -0 shim socat "TCP:db.test:$PORT" "SYSTEM:'read x; echo heard \$x >&2; echo bye'"
	assert_output --partial "heard 220 $MARKER"
	assert_report bytes 4
	run -0 shim socat "TCP:db.test:$PORT" "EXEC:head -n 1,nofork"
	assert_report bytes "$((6 + ${#MARKER}))"
	assert_tls db.test
}

@test "ncat --exec" {
	requires ncat
	start_greeter
	# shellcheck disable=SC2016
	printf '#!/bin/sh\nread -r x\necho "heard $x" >%s/heard\necho bye\n' \
		"$RUN_DIR" >"$RUN_DIR/script"
	chmod +x "$RUN_DIR/script"
	run -0 shim ncat --exec "$RUN_DIR/script" db.test "$PORT"
	assert_equal "$(tr -d '\r' <"$RUN_DIR/heard")" "heard 220 $MARKER"
	assert_tls db.test
}

@test "tcpclient gives the connection to a program as 6 and 7" {
	requires tcpclient
	start_server tlsserver localhost handshake "send=220 $MARKER\\n" echo
	# shellcheck disable=SC2016
	run -0 shim tcpclient -RH 127.0.0.1 "$PORT" sh -c \
		'read x <&6; echo got $x; echo yes >&7; head -n 1 <&6'
	assert_output "got 220 $MARKER
yes"
	assert_tls ""
}

@test "ruby spawns a program on the connection" {
	requires ruby
	start_echo
	run -0 shim ruby -rsocket -e '
		s = TCPSocket.new("db.test", ARGV[0].to_i)
		s.puts ARGV[1]
		Process.wait spawn("head -n 1; echo more", in: s, out: :err)
		s.puts "last"; puts s.gets
		pid = fork { s.puts "child" }; Process.wait pid; puts s.gets' \
		"$PORT" "$MARKER"
	assert_output "$MARKER
more
last
child"
	assert_tls db.test
}

@test "node sends the connection to a child" {
	requires node
	start_echo
	cat >"$RUN_DIR/main.js" <<-JS
	const net = require('net'), cp = require('child_process');
	if (process.argv[2] === 'child') {
	    process.on('message', (m, s) => {
	        s.on('data', d => { console.log('child got ' + d); process.exit(); });
	        s.write(m);
	    });
	} else {
	    const c = cp.fork(__filename, ['child']);
	    const s = net.connect(+process.argv[2], 'db.test', () => c.send('$MARKER', s));
	}
	JS
	run -0 shim node "$RUN_DIR/main.js" "$PORT"
	assert_output "child got $MARKER"
	assert_tls db.test
}

@test "rsync gets and puts files with its reader and writer processes" {
	requires rsync
	mkdir "$RUN_DIR/module" "$RUN_DIR/got"
	head -c 3000000 /dev/urandom >"$RUN_DIR/module/file"
	seq 1 20 | while read -r i; do echo "$MARKER $i" >"$RUN_DIR/module/$i"; done
	cat >"$RUN_DIR/rsyncd.conf" <<-CONF
	use chroot = no
	uid = $(id -u)
	gid = $(id -g)
	[m]
	path = $RUN_DIR/module
	read only = no
	CONF
	try_ports start_rsyncd
	start_server tlsserver db.test handshake "proxy=$SERVER_PORT"
	shim rsync -a "rsync://db.test:$PORT/m/" "$RUN_DIR/got/"
	diff -r "$RUN_DIR/module" "$RUN_DIR/got"
	head -c 3000000 /dev/urandom >"$RUN_DIR/new"
	shim rsync -a "$RUN_DIR/new" "rsync://db.test:$PORT/m/"
	cmp "$RUN_DIR/new" "$RUN_DIR/module/new"
	assert_tls db.test
}

start_rsyncd()
{
	background rsyncd rsync --daemon --no-detach --address=127.0.0.1 \
		--port="$SERVER_PORT" --config="$RUN_DIR/rsyncd.conf"
}

@test "weechat connects in a child that passes the connection on" {
	requires weechat-headless
	start_server tlsserver db.test handshake line line \
		"send=:srv 001 me :$MARKER\\r\\n" read
	run -0 shim weechat-headless -d "$RUN_DIR/wc" \
		-r "/server add l db.test/$PORT -notls -ssl=off" \
		-r '/connect l' -r '/wait 3 /quit'
	grep -rq "$MARKER" "$RUN_DIR/wc/logs" "$RUN_DIR/wc" ||
		assert_report how close_notify
	assert_tls db.test
}
