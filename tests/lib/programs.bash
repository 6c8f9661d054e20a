# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# For tests of programs that others wrote: what each finds when it starts, and
# the servers that most of them want, all as db.test.

# shellcheck source=tests/lib/helpers.bash
source "${BASH_SOURCE[0]%/*}/helpers.bash"

setup()
{
	unset "${!TLSSHIM_@}"
	# Programs look for settings and history there.
	export HOME=$RUN_DIR
	add_host db.test 127.0.0.1
}

start_http()
{
	start_server tlsserver db.test handshake http
}

start_echo()
{
	start_server tlsserver db.test handshake echo
}

# A server that greets first, takes one line, and says it back.
start_greeter()
{
	start_server tlsserver db.test handshake "send=220 $MARKER\\r\\n" echo
}

# Debian opens php's extensions with RTLD_DEEPBIND.
php_has()
{
	requires php
	skip_if_sanitized "it refuses RTLD_DEEPBIND"
	php -m | grep -qx "$1" || skip "php-$1 is not installed (scripts/deps wide)"
}
