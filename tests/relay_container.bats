#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The first process of a container takes all others with it when it ends: what
# was accepted is sent before.

load lib/oracle

setup()
{
	setup_oracle
	requires_root "make namespaces of processes"
}

# The program is the first process of a namespace.  Only /proc is made private,
# which is a mount point wherever this runs: the root may be none.
shim_first()
{
	local SHIM

	shim_env
	timeout --foreground -k 5 "$SHIM_TIMEOUT" unshare --pid --fork \
		--mount --propagation unchanged --kill-child sh -c '
		mount --make-private /proc && mount -t proc proc /proc &&
		exec "$@"' sh env "${SHIM[@]}" "$@"
}

# The program is run by the first process, a shell that ends right after it.
shim_second()
{
	shim_first bash -c '"$@"; exit' bash "$@"
}

all_arrived()
{
	local sent

	assert_line "status 0"
	sent=$(grep -o 'peer: [0-9]* bytes$' <<<"$output")
	assert_output --regexp "$sent [0-9a-f]+ end"
}

@test "a pid 1 waits at its exit for what its relay has to send" {
	TLSSHIM_PORTS=1-65535 TLSSHIM_CA_FILE=$CA_DIR/ca.pem \
		run run_oracle tls shim_first relaying first-process
	assert_line "pid = 1"
	all_arrived
}

@test "a pid 1 waits for the relays of programs that it has run" {
	TLSSHIM_PORTS=1-65535 TLSSHIM_CA_FILE=$CA_DIR/ca.pem \
		run run_oracle tls shim_second relaying first-process
	refute_line "pid = 1"
	all_arrived
}

@test "a pid 1 that got the connection by exec waits, too" {
	start_server tlsserver localhost handshake sleep=1 read
	run -0 shim_first bash -c "exec 3<>/dev/tcp/127.0.0.1/$PORT
		exec head -c 9000000 /dev/zero >&3"
	assert_report bytes 9000000
	assert_report how close_notify
}

@test "a pid 1 waits for what its closed connections have left, and no longer" {
	NO_RECORDER=1 start_server tlsserver localhost handshake sleep=0.5 read
	run -0 shim_first "$BUILD_DIR/prog/closing" localhost "$PORT" small \
		say=3x1000000
	assert_equal "$(grep -c close_notify "$SERVER_DIR/report")" 3
}

# Other programs are there, and may use their connections: no waiting.
@test "a pid 1 waits for no relay of a program that lives" {
	start_server tlsserver localhost handshake stall
	run -0 shim_first bash -c "exec 4< <(
		exec 3<>/dev/tcp/127.0.0.1/$PORT; echo open; exec sleep 100 <&3)
		read -r x <&4; echo \$x; echo over"
	assert_output "open
over"
}
