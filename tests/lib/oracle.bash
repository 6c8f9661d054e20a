# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# The oracle: a plaintext program prints what each call returned.  It is run
# twice, by itself against a TCP server and under the shim against a TLS
# server, and must print the same; its peer must have got the same, by the
# same end, and TLS records alone.  See tests/prog/oracle.h and
# tests/lib/peer.py.

load lib/helpers

# One peer for all tests of a file.
start_peer()
{
	mkdir -p "$CA_DIR"
	make_ca
	background peer "$PYTHON" "$LIB/peer.py" "$BATS_FILE_TMPDIR" \
		"$CA_DIR/localhost.pem"
	wait_for_file "$BATS_FILE_TMPDIR/peer"
}

setup_file()
{
	start_peer
}

teardown_file()
{
	stop_background
}

setup()
{
	setup_oracle
}

setup_oracle()
{
	unset "${!TLSSHIM_@}"
	export ORACLE_PEER=$BATS_FILE_TMPDIR/peer
	export SHIM_TIMEOUT=60
	SESSION=$BATS_TEST_NUMBER
}

# run_plain and run_shim PROGRAM SCENARIO: prints what it said, its status and
# what its peer says.
run_plain()
{
	run_oracle plain bounded "$@"
}

run_shim()
{
	# All ports: each run has one of its own, known too late.
	TLSSHIM_PORTS=${TLSSHIM_PORTS-1-65535} \
		TLSSHIM_CA_FILE=$CA_DIR/ca.pem run_oracle tls shim "$@"
}

bounded()
{
	timeout --foreground -k 5 "$SHIM_TIMEOUT" "$@"
}

run_oracle()
{
	local kind=$1 wrapper=$2 program=$3 scenario=$4 status=0
	local said=$BATS_FILE_TMPDIR/$SESSION.$kind.said

	[[ -x $BUILD_DIR/prog/$program ]] ||
		fail "there is no prog/$program: run make tests" || return
	rm -f "$said"
	ORACLE_SESSION="$SESSION.$kind $kind" "$wrapper" \
		"$BUILD_DIR/prog/$program" "$scenario" 2>&1 || status=$?
	echo "status $status"
	# It hears the rest of what was said first, bounded.
	wait_for test -e "$said"
	cat "$said"
}

# shows PROGRAM SCENARIO <EXPECTED: for what plain TCP has no equal of, such as
# a handshake that is not done yet.
shows()
{
	local shimmed

	shimmed=$(run_shim "$@" 3>&-)
	diff <(grep -v '^$') <(echo "$shimmed") >&2 ||
		fail "not as expected (<), but (>)" || return
}

# same PROGRAM SCENARIO: the two runs are equal.
same()
{
	local plain shimmed

	plain=$(run_plain "$@" 3>&-)
	shimmed=$(run_shim "$@" 3>&-)
	# A test that said nothing has proven nothing.
	[[ $plain == *" = "* && $plain != *"status 124"* ]] ||
		fail "the plain run is no measure: $plain" || return
	[[ $shimmed == "$plain" ]] ||
		fail "not as on plain TCP (<), but (>):
$(diff <(echo "$plain") <(echo "$shimmed"))
--- all of the plain run:
$plain" || return
	echo "$plain"
}
