# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# Event loops: a program of tests/prog/epoll_*.c runs a scenario over plain TCP
# to a plain peer, and under the shim to the same peer speaking TLS.  Both must
# print the same events, returns and data.

load lib/helpers

setup_file()
{
	make_ca
	start_tls_peer "$BATS_FILE_TMPDIR/plain"
	start_tls_peer "$BATS_FILE_TMPDIR/tls" localhost
}

teardown_file()
{
	stop_background
}

# The peer's port is another one for each run: all are selected.
under_shim()
{
	export TLSSHIM_PORTS=1-65535 TLSSHIM_CA_FILE=$CA_DIR/ca.pem
	run -0 shim "$BUILD_DIR/prog/$1" "$BATS_FILE_TMPDIR/tls" "$2"
}

# same PROGRAM SCENARIO
same()
{
	local plain

	plain=$(timeout 60 "$BUILD_DIR/prog/$1" "$BATS_FILE_TMPDIR/plain" "$2")
	under_shim "$1" "$2"
	assert_output "$plain"
	assert_log "connected: TLSv1.3"
}
