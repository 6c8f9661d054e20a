#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The end of a relayed connection: how long it may take, and what the log says.

load lib/oracle

@test "TLSSHIM_LINGER bounds how long a peer that takes nothing is waited for" {
	TLSSHIM_LINGER=0.5 shows lingering gives-up <<-END
	close = 0
	the relay ends = 1
	peer: cut off
	status 0
	peer: some bytes cut off
	END
	assert_log "the peer takes nothing, what it has not got is lost \(TLSSHIM_LINGER\)"
}

@test "a truncation that the program waits through is an error in the log" {
	TLSSHIM_LOG_LEVEL=error run run_shim lingering cut-while-it-waits
	assert_line "read = -1 ECONNRESET"
	assert_line "the relay ends = 1"
	assert_log "connection broken: .*close_notify"
}

@test "how a peer ends after the program has closed is no news" {
	run run_shim lingering cut-after-close
	assert_line "peer: end"
	assert_line "the relay ends = 1"
	refute_log broken
	# Not for IPv4 alone: the same by an IPv6 socket is the same table's.
	assert_log "handed over to a relay"
}

@test "JSON: the relay tells of the end, with all bytes counted" {
	local closed

	TLSSHIM_LOG_FORMAT=json run run_shim lingering counts
	assert_line "the relay ends = 1"
	closed=$(grep '"event":"closed"' "$RUN_DIR/shim.log")
	assert_equal "$(wc -l <<<"$closed")" 1
	assert_regex "$closed" '"bytes_in":6,"bytes_out":15'
	assert_regex "$closed" '"destination":"127.0.0.1:[0-9]+"'
}

# in_terminal STEP... -- COMMAND...
in_terminal()
{
	local SHIM steps=()

	while [[ $1 != -- ]]; do
		steps+=("$1")
		shift
	done
	TLSSHIM_LOG=stderr TLSSHIM_LOG_LEVEL=error shim_env
	run timeout -k 5 30 "$PYTHON" "$LIB/terminal.py" "${steps[@]}" -- \
		env "${SHIM[@]}" "${@:2}"
}

@test "a log on a terminal is the relay's" {
	start_server tlsserver localhost handshake wait=go "send=x" fin
	in_terminal "wait=open" "touch=$SERVER_DIR/go" "wait=over" eof -- \
		bash -c "exec 3<>/dev/tcp/127.0.0.1/$PORT; echo open
			cat <&3; echo over"
	assert_success
	assert_output --partial "127.0.0.1:$PORT: connection broken"
}

# Who waits for it would wait for the peer, which says nothing.  Not a
# controlling terminal: of that the kernel takes everyone's away in time.
@test "a relay does not withhold a terminal's end" {
	local SHIM

	start_server tlsserver localhost handshake wait=never
	cat >"$RUN_DIR/driver.py" <<-'PY'
	import os, pty, subprocess, sys
	master, slave = pty.openpty()
	subprocess.Popen(sys.argv[1:], stdin=slave, stdout=slave, stderr=slave)
	os.close(slave)
	try:
	    while os.read(master, 1000):
	        pass
	except OSError:
	    print("the end")
	PY
	TLSSHIM_LOG=stderr TLSSHIM_LOG_LEVEL=error shim_env
	run timeout -k 5 15 "$PYTHON" "$RUN_DIR/driver.py" env "${SHIM[@]}" \
		bash -c "exec 3<>/dev/tcp/127.0.0.1/$PORT; echo over >&3"
	assert_output "the end"
}

@test "a log on standard error is the relay's where that is a file" {
	export STDERR_FILE=$RUN_DIR/stderr
	TLSSHIM_LOG=stderr TLSSHIM_LOG_LEVEL=error run run_shim lingering in-a-file
	assert_line "the relay ends = 1"
	run -0 grep -c "connection broken" "$RUN_DIR/stderr"
	assert_output 1
}
