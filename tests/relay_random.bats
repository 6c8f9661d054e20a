#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Random operations: fork, dup, streams, helpers, partial reads and writes, on
# one connection after another; as on plain TCP.

load lib/oracle

@test "ten seeds" {
	# RANDOM_SEED=n and RANDOM_SEEDS=n try others, and more.
	for ((i = 0; i < ${RANDOM_SEEDS:-10}; i++)); do
		export SEED=$((${RANDOM_SEED:-1} + i))
		SESSION=$SEED same random_ops seeded
	done
	# Whatever relays there were have ended with their connections.
	wait_for no_relay
}

no_relay()
{
	! grep -qs "tlsshim-relay" /proc/[0-9]*/comm ||
		! grep -aqs "tlsshim-relay 127.0.0.1:\($(ports_of_log)\)" /proc/[0-9]*/cmdline
}

ports_of_log()
{
	grep -o '127\.0\.0\.1:[0-9]*' "$RUN_DIR/shim.log" | cut -d : -f 2 |
		sort -u | paste -sd'|' | sed 's/|/\\|/g'
}
