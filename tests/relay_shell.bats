#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Relayed connections in a shell's life: jobs on a terminal, wrappers before
# the program; and what else only unmodified programs show.

load lib/helpers

setup()
{
	unset "${!TLSSHIM_@}"
	export HOME=$RUN_DIR SHIM_TIMEOUT=40
	add_host db.test 127.0.0.1
}

start_echo()
{
	start_server tlsserver db.test handshake echo
}

# The key of either direction changes while a relay has the connection; the
# server demands the client's change, too (RFC 8446, 4.6.3).
@test "TLS 1.3 key updates, ours and the peer's" {
	local out=$RUN_DIR/s_server.out round

	mkfifo "$RUN_DIR/type"
	exec 7<>"$RUN_DIR/type"
	start_server typed db.test
	# shellcheck disable=SC2016
	shim_exec bash -c 'exec 3<>/dev/tcp/db.test/$0
		while read -r x <&3; do echo "got $x"; echo "reply $x" >&3; done' \
		"$PORT" >"$RUN_DIR/said" 3>&- 7>&- &
	for round in 1 2 3; do
		echo "$MARKER $round" >&7
		wait_for has_line "$out" "reply $MARKER $round"
		echo K >&7
		wait_for has_times "$round" "$out" '^>>> .*KeyUpdate'
		echo "$MARKER after $round" >&7
		wait_for has_line "$out" "reply $MARKER after $round"
		wait_for has_times "$round" "$out" '^<<< .*KeyUpdate'
	done
	echo Q >&7
	wait $!
	exec 7>&-
	assert_equal "$(wc -l <"$RUN_DIR/said")" 6
	assert_log "handed over to a relay"
	assert_tls db.test
}

# What is written to descriptor 7 is what the server says; K and Q are commands.
start_typed()
{
	background s_server bash -c 'exec openssl s_server -accept 127.0.0.1:0 \
		-cert "$0.pem" -cert_chain "$0.pem" -key "$0.key" -msg <"$1"' \
		"$1" "$RUN_DIR/type"
	wait_for has_line "$RUN_DIR/s_server.out" '^ACCEPT .*:[0-9]+$'
	# shellcheck disable=SC2034 # start_server takes it
	SERVER_PORT=$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' \
		"$RUN_DIR/s_server.out")
}

has_times()
{
	(($(grep -Ec -- "$3" "$2") >= $1))
}

@test "C++: iostreams on a descriptor (stdio_filebuf)" {
	start_echo
	run -0 shim "$BUILD_DIR/prog/filebuf" db.test "$PORT" "$MARKER"
	assert_output "got $MARKER 0
got $MARKER 1
got $MARKER 2
long 100000
end 1"
	assert_tls db.test
	assert_report how close_notify
}

@test "a job on a terminal: stopped by ^Z, continued by bg, taken back by fg, ended by ^C" {
	local go=$RUN_DIR/go SHIM

	start_echo
	cat >"$RUN_DIR/script" <<-'SH'
	exec 3<>/dev/tcp/db.test/$1
	ask() { echo "$1" >&3; read -r x <&3; echo "got $x"; }
	until_there() { while [[ ! -e $1 ]]; do sleep 0.02; done; }
	ask one; until_there "$2.1"; ask two; until_there "$2.2"; ask three
	read -r x; ask "$x"
	cat <&3
	SH
	shim_env
	run -0 timeout -k 5 60 "$PYTHON" "$LIB/terminal.py" \
		"say=bash '$RUN_DIR/script' $PORT '$go'\\n" "wait=got one" \
		'say=\x1a' wait=Stopped "touch=$go.1" \
		'say=bg\n' "wait=got two" \
		'say=jobs\n' wait=Running "touch=$go.2" "wait=got three" \
		'say=fg\n' wait=script "say=$MARKER\\n" "wait=got $MARKER" \
		'say=\x03' 'say=echo over $?\n' "wait=over 130" eof \
		-- env "${SHIM[@]}" PS1='$ ' bash --norc --noediting -i
	assert_tls db.test
	assert_report how close_notify
}

# in_bash TEXT: on descriptor 3 there is the connection.
in_bash()
{
	run -0 shim bash -c "exec 3<>/dev/tcp/db.test/$PORT; $1"
}

@test "env -i, nohup, setsid and timeout before a program that uses the connection" {
	start_echo
	in_bash "for by in 'env -i' nohup 'setsid -w' 'timeout 10' 'nice' 'env -u LD_PRELOAD'; do
		echo \"$MARKER \$by\" >&3; \$by head -n 1 <&3 2>/dev/null; done"
	assert_output "$MARKER env -i
$MARKER nohup
$MARKER setsid -w
$MARKER timeout 10
$MARKER nice
$MARKER env -u LD_PRELOAD"
	assert_tls db.test
	assert_report how close_notify
}

@test "nohup, setsid, timeout and script before the program that connects" {
	local by talk

	start_echo
	talk="exec 3<>/dev/tcp/db.test/$PORT; echo $MARKER >&3; head -n 1 <&3"
	for by in nohup 'setsid -w' 'timeout 10'; do
		# shellcheck disable=SC2086
		run -0 shim $by bash -c "$talk"
		assert_line "$MARKER"
	done
	run -0 shim script -qec "bash -c '$talk'" /dev/null
	assert_line --partial "$MARKER"
	assert_tls db.test
}
