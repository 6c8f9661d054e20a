#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Readiness under torture: tests/prog/torture.c draws connections, loops,
# threads and sizes from a seed, and the peer draws records, pauses, tickets
# and key updates.  Over plain TCP and under the shim the same must come out.
# A seed that failed is run again with: TORTURE_SEED=N TORTURE_COUNT=1 bats tests/torture.bats

load lib/helpers

setup_file()
{
	make_ca
	start_tls_peer "$BATS_FILE_TMPDIR/plain"
	start_tls_peer "$BATS_FILE_TMPDIR/tls" localhost
	export TLSSHIM_PORTS=1-65535 TLSSHIM_CA_FILE=$CA_DIR/ca.pem
}

teardown_file()
{
	stop_background
}

setup()
{
	:
}

# torture FIRST COUNT: so many seeds, or what is done in 20 seconds.
torture()
{
	local seed end=$((SECONDS + 20)) plain

	for ((seed = $1; seed < $1 + $2 && SECONDS < end; seed++)); do
		plain=$(timeout 60 "$BUILD_DIR/prog/torture" \
			"$BATS_FILE_TMPDIR/plain" $seed)
		run shim "$BUILD_DIR/prog/torture" "$BATS_FILE_TMPDIR/tls" $seed
		if [[ $status != 0 || $output != "$plain" ]]; then
			fail "seed $seed, status $status:
$output
--- plain TCP
$plain" || return
		fi
	done
	echo "# seeds $1 to $((seed - 1))" >&3
}

@test "readiness under torture, seeds that are always the same" {
	torture 1 60
}

@test "readiness under torture, seeds of the day" {
	torture "${TORTURE_SEED:-$(((EPOCHSECONDS * 1000 + RANDOM) % 1000000000))}" \
		"${TORTURE_COUNT:-60}"
}
