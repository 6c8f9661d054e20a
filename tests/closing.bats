#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Connections that are closed towards a server that does not read.

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

# Relays of their own.
relays()
{
	pgrep -f "^tlsshim-relay localhost:$PORT\$"
}

count()
{
	"$@" | wc -l
}

gone()
{
	! "$@" >/dev/null
}

@test "TLSSHIM_LINGER bounds a relay of its own as well" {
	export TLSSHIM_LINGER=0.5
	serve wait=go read
	closing files=30 small say=1x1000000
	wait "$PROGRAM"
	WAIT=10 wait_for gone relays
	assert_log "the peer takes nothing, what it has not got is lost"
	assert_log "the rest is sent by a relay: started"
}
