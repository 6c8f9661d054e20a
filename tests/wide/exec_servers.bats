#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# postfix cleans the environment of its daemons, and these that of the programs
# that they run: what those connect to is TLS all the same.

load ../lib/helpers

setup()
{
	unset "${!TLSSHIM_@}"
}

# public FILE...: copies of these that every user may read, in $PUBLIC.
public()
{
	PUBLIC=$(mktemp -d /tmp/tlsshim-test.XXXXXX)
	mkdir "$PUBLIC/tlsshim"
	cp "$BUILD_DIR/tlsshim/engine.so" "$PUBLIC/tlsshim/"
	cp "$@" "$PUBLIC/"
	chmod -R a+rX "$PUBLIC"
}

teardown()
{
	stop_background
	tell_of_failure
	[[ -z ${PUBLIC:-} ]] || rm -rf "$PUBLIC"
}

# What postfix insists on: folders, owners, and users other than root's.
make_postfix()
{
	local root=$1 dir

	for dir in etc data q/{active,bounce,corrupt,defer,deferred,flush,hold} \
		q/{incoming,maildrop,pid,private,public,saved,trace}; do
		mkdir -p "$PUBLIC/$dir"
	done
	chown -R daemon "$PUBLIC/data" "$PUBLIC"/q/*
	chown root "$PUBLIC/q/pid"
	cat >"$PUBLIC/etc/main.cf" <<-CONF
	compatibility_level = 3.6
	queue_directory = $PUBLIC/q
	data_directory = $PUBLIC/data
	daemon_directory = $root/usr/lib/postfix/sbin
	command_directory = $root/usr/sbin
	mail_owner = daemon
	setgid_group = mail
	inet_protocols = ipv4
	import_environment = MAIL_CONFIG LD_LIBRARY_PATH
	CONF
}

try_postfix()
{
	echo "127.0.0.1:$SERVER_PORT inet n n n - 0 spawn user=nobody argv=/bin/nc.openbsd -N 127.0.0.1 $PORT" \
		>"$PUBLIC/etc/master.cf"
	background postfix env "LD_PRELOAD=$PUBLIC/libtlsshim.so" \
		"LD_LIBRARY_PATH=$1/usr/lib/postfix" "MAIL_CONFIG=$PUBLIC/etc" \
		"$1/usr/lib/postfix/sbin/master" -d -c "$PUBLIC/etc"
}

@test "postfix without import_environment: what its daemon runs speaks TLS" {
	requires_root "run postfix"
	skip_if_sanitized "its runtime is in LD_PRELOAD as well"
	local root

	for root in "$REPO/build-servers" ''; do
		[[ ! -x $root/usr/lib/postfix/sbin/master ]] || break
	done
	[[ -x $root/usr/lib/postfix/sbin/master ]] || skip "postfix is not installed (scripts/deps wide)"
	start_server tlsserver localhost handshake http
	public "$BUILD_DIR/libtlsshim.so" "$CA_DIR/ca.pem"
	export TLSSHIM_CA_FILE=$PUBLIC/ca.pem TLSSHIM_SERVER_NAME=localhost
	make_postfix "$root"
	try_ports try_postfix "$root"
	run -0 curl -sS --max-time 60 "http://127.0.0.1:$SERVER_PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls localhost
}
