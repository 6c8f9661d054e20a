#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Connections that are closed towards a server that does not read: one process
# of the program's sends what they have left.

load lib/helpers

# serve STEP...: without the recorder, which reads what the server does not.
serve()
{
	NO_RECORDER=1 start_server tlsserver localhost handshake "$@"
}

# closing STEP...: in the background; sets PROGRAM.
closing()
{
	shim_exec "$BUILD_DIR/prog/closing" localhost "$PORT" "$@" \
		>"$RUN_DIR/said" 2>&1 3>&- &
	PROGRAM=$!
}

# senders_of PID
senders_of()
{
	pgrep -f "^tlsshim-relay rests of $1\$"
}

senders()
{
	senders_of "$PROGRAM"
}

# Relays of their own.
relays()
{
	pgrep -f "^tlsshim-relay localhost:$PORT\$"
}

count()
{
	"$@" | wc -l
}

# Those that the program, and CHILD, have made go by their names.
settled()
{
	! pgrep -f "^$BUILD_DIR/prog/closing localhost $PORT " |
		grep -vxq -e "$PROGRAM" -e "${CHILD:-$PROGRAM}"
}

# has_processes SENDERS RELAYS
has_processes()
{
	# shellcheck disable=SC2009 # states are wanted
	wait_for settled || fail "$(ps -e -o pid,ppid,stat,wchan:20,args |
		grep -F "$BUILD_DIR/prog/closing")" || return
	assert_equal "$(count senders)" "$1"
	assert_equal "$(count relays)" "$2"
}

gone()
{
	settled && ! "$@" >/dev/null
}

# The program ends well, and all that was accepted arrives, with close_notify.
all_arrives()
{
	local accepted

	touch "$SERVER_DIR/go"
	wait "$PROGRAM" || fail "$(cat "$RUN_DIR/said")" || return
	accepted=$(awk '/^accepted/ { n += $2; bytes += $3 }
		END { print n, bytes }' "$RUN_DIR/said")
	assert_equal "$(grep -c "close() took" "$RUN_DIR/said")" 0
	wait_for has_arrived "$accepted"
}

has_arrived()
{
	[[ $(sed -n 's/.*"how": "close_notify", "bytes": \([0-9]*\),.*/\1/p' \
		"$SERVER_DIR/report" | awk '{ n++; bytes += $1 }
		END { print n + 0, bytes + 0 }') == "$1" ]]
}

started()
{
	grep -c "the rest is sent by a relay: started" "$RUN_DIR/shim.log"
}

@test "40 connections that are closed unread: one process, and all arrives" {
	serve wait=go recv=1000 sleep=0.2 recv=30000 sleep=0.2 read
	closing small say=40x1000000 "mark=$RUN_DIR/closed" "wait=$RUN_DIR/on"
	wait_for test -e "$RUN_DIR/closed"
	has_processes 1 0
	assert_equal "$(started)" 40
	touch "$RUN_DIR/on"
	all_arrives
	wait_for gone senders
}

@test "the same of connections that the kernel has all of: tickets still come" {
	serve wait=go read
	closing say=40x200000 "mark=$RUN_DIR/closed" "wait=$RUN_DIR/on"
	wait_for test -e "$RUN_DIR/closed"
	has_processes 1 0
	touch "$RUN_DIR/on"
	all_arrives
}

@test "500 of them" {
	skip_if_sanitized "so many connections take minutes"
	serve wait=go read
	closing say=500x20000 "mark=$RUN_DIR/closed" "wait=$RUN_DIR/on"
	wait_for test -e "$RUN_DIR/closed"
	has_processes 1 0
	touch "$RUN_DIR/on"
	all_arrives
}

@test "past its bound each has a relay of its own" {
	serve wait=go read
	# 40 of them, and 32 for other files.
	closing files=72 say=45x200000 "mark=$RUN_DIR/closed" \
		"wait=$RUN_DIR/on"
	wait_for test -e "$RUN_DIR/closed"
	has_processes 1 5
	assert_equal "$(started)" 45
	touch "$RUN_DIR/on"
	all_arrives
}

@test "its place is free again when the peer has all" {
	serve read
	closing files=36 say=20x100000
	all_arrives
}

@test "one that is killed: the next close() starts another" {
	local first

	serve wait=go read
	closing small say=3x1000000 "mark=$RUN_DIR/closed" "wait=$RUN_DIR/on" \
		say=3x20000 "mark=$RUN_DIR/again" "wait=$RUN_DIR/end"
	wait_for test -e "$RUN_DIR/closed"
	has_processes 1 0
	first=$(senders)
	kill -KILL "$first"
	wait_for gone senders
	touch "$RUN_DIR/on"
	wait_for test -e "$RUN_DIR/again"
	has_processes 1 0
	touch "$SERVER_DIR/go" "$RUN_DIR/end"
	wait "$PROGRAM"
	wait_for has_arrived "3 60003"
	refute [ "$(senders)" = "$first" ]
}

@test "one that is stopped: nobody waits for it, and all arrives" {
	serve wait=go read
	# More than the server's buffer holds: it is not idle.
	closing say=1x300000 "mark=$RUN_DIR/closed" "wait=$RUN_DIR/on" \
		say=400x10 "mark=$RUN_DIR/again" "wait=$RUN_DIR/end"
	wait_for test -e "$RUN_DIR/closed"
	has_processes 1 0
	kill -STOP "$(senders)"
	touch "$RUN_DIR/on"
	wait_for test -e "$RUN_DIR/again"
	kill -CONT "$(senders)"
	touch "$RUN_DIR/end"
	all_arrives
}

@test "one that was idle has gone: the next close() starts another" {
	serve read
	closing say=2x20000 "mark=$RUN_DIR/closed" "wait=$RUN_DIR/on" say=2x20000
	wait_for test -e "$RUN_DIR/closed"
	wait_for gone senders
	touch "$RUN_DIR/on"
	all_arrives
}

# forks HOW: two programs, of which each closes its own.
forks()
{
	local CHILD

	serve wait=go read
	closing say=5x200000 "$1" say=5x200000 "mark=$RUN_DIR/closed" \
		"wait=$RUN_DIR/on"
	wait_for has_line "$RUN_DIR/said" "^pid"
	CHILD=$(awk '/^pid/ { print $2 }' "$RUN_DIR/said")
	wait_for has_started 15
	wait_for settled
	assert_equal "$(count senders)" 1
	assert_equal "$(count senders_of "$CHILD")" 1
	assert_equal "$(count relays)" 0
	touch "$RUN_DIR/on"
	all_arrives
}

has_started()
{
	[[ $(started) == "$1" ]]
}

@test "fork(), and both close: each has its own" {
	forks fork
}

@test "a fork that libc does not see, and both close: each has its own" {
	forks raw-fork
}

@test "a program that closes all numbers by the kernel gets another" {
	serve wait=go read
	closing say=5x200000 close-all say=5x200000 "mark=$RUN_DIR/closed" \
		"wait=$RUN_DIR/on"
	wait_for test -e "$RUN_DIR/closed"
	has_processes 2 0
	touch "$RUN_DIR/on"
	all_arrives
}

@test "a program that is killed after close(): all arrives" {
	serve wait=go read
	closing small say=5x1000000 "mark=$RUN_DIR/closed" kill
	wait_for test -e "$RUN_DIR/closed"
	wait "$PROGRAM" || :
	touch "$SERVER_DIR/go"
	wait_for grep -q close_notify "$SERVER_DIR/report"
	wait_for gone senders
	assert_equal "$(grep -c close_notify "$SERVER_DIR/report")" 5
}

@test "what asks processes to end does not end it" {
	serve wait=go read
	closing small say=5x1000000 "mark=$RUN_DIR/closed" "wait=$RUN_DIR/on"
	wait_for test -e "$RUN_DIR/closed"
	has_processes 1 0
	for sig in TERM HUP INT USR1 RTMIN; do
		kill -s $sig "$(senders)"
	done
	touch "$RUN_DIR/on"
	all_arrives
}

@test "a server that talks before it reads is heard" {
	serve wait=go pattern=20000000 read
	closing small say=5x1000000
	all_arrives
}

@test "a server that has said its last word needs nobody to wait for it" {
	serve fin wait=go read
	closing say=5x200000
	wait "$PROGRAM"
	WAIT=20 wait_for gone senders
	all_arrives
}

@test "TLSSHIM_LINGER bounds how long a server that takes nothing is waited for" {
	export TLSSHIM_LINGER=0.5
	serve wait=go read
	closing small say=3x1000000
	wait "$PROGRAM"
	wait_for gone senders
	assert_equal "$(grep -c "the peer takes nothing, what it has not got is lost (TLSSHIM_LINGER)" \
		"$RUN_DIR/shim.log")" 3
}

@test "TLSSHIM_LINGER bounds a relay of its own as well" {
	export TLSSHIM_LINGER=0.5
	serve wait=go read
	closing files=30 small say=1x1000000
	wait "$PROGRAM"
	WAIT=20 wait_for gone relays
	assert_log "the peer takes nothing, what it has not got is lost"
	assert_log "the rest is sent by a relay: started"
}

# It has told the program nothing yet: a refusal, more likely than not.
@test "a server that breaks off before it has said anything is an error in the log" {
	export TLSSHIM_LOG_LEVEL=error
	serve wait=go reset
	closing small say=1x1000000
	wait "$PROGRAM"
	touch "$SERVER_DIR/go"
	wait_for gone senders
	assert_log "connection broken: Connection reset by peer"
}

# Why, only the session can read.
@test "where a refusal of our certificate may come a relay keeps the session" {
	export TLSSHIM_LOG_LEVEL=error
	NO_RECORDER=1 start_server tlsserver localhost \
		--client-ca "$CA_DIR/ca.pem" late=go read
	closing small say=1x1000000
	wait "$PROGRAM"
	has_processes 0 1
	touch "$SERVER_DIR/go"
	wait_for gone relays
	assert_log "connection broken: .*certificate"
}
