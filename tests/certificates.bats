#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Hundreds of certificates and servers, good and bad: tests/lib/cases.py makes
# them, one process serves them, another visits them under the shim, and what
# openssl s_client says of the same server is compared.

load lib/helpers

@test "every good certificate is accepted, every bad one refused, as openssl has it" {
	local dir=$RUN_DIR/cases doors=() port

	"$PYTHON" "$LIB/cases.py" make "$dir"
	background tls_cases "$BUILD_DIR/prog/tls_cases" "$dir/list" "$dir/ports"
	wait_for_file "$dir/ports"
	"$PYTHON" "$LIB/cases.py" rules "$dir" "$dir/ports" >"$dir/rules.ini"
	while read -r _ port; do
		doors+=(blocking 127.0.0.1 "$port")
	done <"$dir/ports"
	# A thousand handshakes, of some of which the peer takes its time.
	SHIM_TIMEOUT=600 TLSSHIM_CONFIG=$dir/rules.ini shim "$BUILD_DIR/prog/knock" "${doors[@]}" >"$dir/knocks"
	assert_file_contains "$dir/knocks" '^descriptors: +0$'
	run "$PYTHON" "$LIB/cases.py" judge "$dir" "$dir/ports" "$dir/knocks" "$RUN_DIR/shim.log"
	[[ $status == 0 ]] || fail "$output"
	# As many as the issue asks for, and one line of the log for each refusal.
	[[ ${lines[-1]} =~ ^([0-9]+)' accepted, '([0-9]+)' refused' ]]
	((BASH_REMATCH[1] >= 150 && BASH_REMATCH[2] >= 150))
	assert_equal "$(grep -c ': refused: ' "$RUN_DIR/shim.log")" "${BASH_REMATCH[2]}"
}
