# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# Programs that are services, which tests/lib/services.py runs and ends.

load "${BATS_TEST_DIRNAME%/wide}/lib/helpers"

setup()
{
	unset "${!TLSSHIM_@}"
	mkdir -p "$CA_DIR"
	make_ca
	add_host db.test 127.0.0.1
	export TLSSHIM_CA_FILE=$CA_DIR/ca.pem TLSSHIM_PORTS=1024-65535
}

# services RUNS ARGUMENT... -- PREFIX...
services()
{
	local runs=$1
	shift

	timeout -k 5 600 "$PYTHON" "$LIB/services.py" --runs "$runs" \
		"$BUILD_DIR/prog/service" "$@"
}

# all_is_there RUNS ARGUMENT...: under the shim.
all_is_there()
{
	local SHIM runs=$1
	shift

	TLSSHIM_LOG_LEVEL=error shim_env
	run services "$runs" --tls "$CA_DIR/db.test" "$@" -- env "${SHIM[@]}"
	assert_line "$runs runs, $runs whole"
	assert_success
	refute_log .
}
