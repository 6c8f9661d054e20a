# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What every bats file loads: running programs under the shim, servers with
# the recorder of the wire in front of them, and the assertions about what
# passed.  tests/README.md shows how they go together.

bats_require_minimum_version 1.5.0
export BATS_LIB_PATH=${BATS_LIB_PATH:-/usr/lib/bats}
bats_load_library bats-support
bats_load_library bats-assert
bats_load_library bats-file

LIB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=${LIB%/tests/lib}
BUILD_DIR=${BUILD_DIR:-$REPO/build}
CA_DIR=$BUILD_DIR/ca
# Debian's Python: another one that PATH may find first lacks its packages.
PYTHON=/usr/bin/python3
# Everything that a test says in plaintext and that must not be on the wire
# contains this.
MARKER=plaintext-marker
# The longest that one command under the shim may take.
SHIM_TIMEOUT=${SHIM_TIMEOUT:-180}

# Where bats was called without scripts/test: of the caller's environment nothing
# reaches a test that a program could heed.  Once: what setup_file() exports is
# the tests' own.
if [[ -z ${TESTS_SCRUBBED:-} ]]; then
	for name in $(compgen -e); do
		case $name in
		BATS_* | PATH | PWD | HOME | TERM | BUILD_DIR | WAIT | SHIM_TIMEOUT) ;;
		# What bats itself tells the process that looks for the tests.
		TESTS_LIST_FILE | filter | filter_status) ;;
		RANDOM_SEED* | [AUT]*SAN_OPTIONS | SHELLOPTS | BASHOPTS) ;;
		*) unset "$name" ;;
		esac
	done
	unset name
	export TESTS_SCRUBBED=1
fi
umask 022
export LC_ALL=C.UTF-8
# The checkout stays as it is.
export PYTHONDONTWRITEBYTECODE=1
# That a program with threads forks is what some tests are about.
export PYTHONWARNINGS=ignore::DeprecationWarning

# Files and processes of this test, or of setup_file, which has no test.
RUN_DIR=${BATS_TEST_TMPDIR:-$BATS_FILE_TMPDIR}

# `fail ... || return` below: a test that checks a helper by `run` has no
# errexit to stop at the first failure.

# --- processes

# background NAME COMMAND...: runs it in the background until the teardown, its
# output in $RUN_DIR/NAME.out.  Sets BG_PID.  It dies with the test, whatever
# becomes of that.
background()
{
	local name=$1
	shift

	setpriv --pdeathsig KILL "$@" >"$RUN_DIR/$name.out" 2>&1 </dev/null 3>&- &
	BG_PID=$!
	echo "$BG_PID" >>"$RUN_DIR/pids"
}

# Ends what background() started; called by teardown.
stop_background()
{
	local pid pids deadline=$((SECONDS + 5))

	[[ -e $RUN_DIR/pids ]] || return 0
	mapfile -t pids <"$RUN_DIR/pids"
	rm -f "$RUN_DIR/pids"
	kill "${pids[@]}" 2>/dev/null || :
	for pid in "${pids[@]}"; do
		while is_running "$pid" && ((SECONDS < deadline)); do
			sleep 0.01
		done
		kill -KILL "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
	done
}

# wait_for COMMAND...: until it succeeds; fails after $WAIT seconds (60).
wait_for()
{
	local deadline=$((SECONDS + ${WAIT:-60}))

	until "$@"; do
		if ((SECONDS > deadline)); then
			fail "still not so after ${WAIT:-60} s: $*" || return
		fi
		sleep 0.01
	done
}

# is_running PID
is_running()
{
	kill -0 "$1" 2>/dev/null
}

# has_line FILE REGEX: for wait_for.
has_line()
{
	[[ -e $1 ]] && grep -Eq -- "$2" "$1"
}

# --- the shim

# What stands in LD_PRELOAD: the names for tests come after the shim.
# AddressSanitizer's library must be the first.  ThreadSanitizer's comes behind
# the shim: it takes what happens inside the calls that it intercepts, and that
# would be all of ours, for the C library's affair and does not look there.
preloads()
{
	local lib=$BUILD_DIR/lib shim=$BUILD_DIR/libtlsshim.so

	case $BUILD_DIR in
	*-address*)
		shim="$(gcc -print-file-name=libasan.so)
			$(gcc -print-file-name=libubsan.so)
			$lib/early.so $lib/reports.so $shim"
		;;
	*-thread*)
		shim="$lib/early.so $shim $(gcc -print-file-name=libtsan.so)"
		;;
	esac
	# Word by word: one space between them.
	# shellcheck disable=SC2086
	echo $shim "$lib/hosts.so" $MORE_PRELOADS
}

# Fills the array SHIM: what to put after env to run a program under the shim.
shim_env()
{
	local logs=$RUN_DIR/sanitizer

	# A log that is there is opened at once, and counted by nobody later.
	[[ -n ${TLSSHIM_LOG+set} ]] || : >>"$RUN_DIR/shim.log"
	SHIM=(
		"LD_PRELOAD=$(preloads)"
		"TESTHOSTS=$RUN_DIR/hosts"
		# Reports go to files, which the teardown looks for: a program
		# may do with its stderr what it likes.
		"ASAN_OPTIONS=detect_leaks=0:handle_segv=0:allow_user_segv_handler=1:log_path=$logs:$ASAN_OPTIONS"
		"UBSAN_OPTIONS=print_stacktrace=1:log_path=$logs:$UBSAN_OPTIONS"
		# Programs are not instrumented: only what our code does counts.
		"TSAN_OPTIONS=die_after_fork=0:ignore_noninstrumented_modules=0:suppressions=$LIB/tsan.supp:log_path=$logs:$TSAN_OPTIONS"
		"TLSSHIM_LOG=${TLSSHIM_LOG-$RUN_DIR/shim.log}"
		"TLSSHIM_LOG_LEVEL=${TLSSHIM_LOG_LEVEL-info}"
		"SANITIZER_LOG=$logs"
	)
	# TSan needs an address space that is not too random.
	if [[ $BUILD_DIR == *-thread* && $(</proc/sys/vm/mmap_rnd_bits) -gt 28 ]]; then
		SHIM+=(setarch -R)
	fi
}

# shim COMMAND...: runs it under the shim, with the TLSSHIM_ variables that are
# exported (start_server exports PORTS and CA_FILE) and the log in
# $RUN_DIR/shim.log.
shim()
{
	local SHIM

	shim_env
	timeout --foreground -k 5 "$SHIM_TIMEOUT" env "${SHIM[@]}" "$@"
}

# shim_exec COMMAND...: the same for the background, where $! shall be the
# program itself: `shim_exec nc ... & pid=$!`, with 3>&-.
shim_exec()
{
	local SHIM

	shim_env
	exec env "${SHIM[@]}" "$@"
}

sanitized()
{
	[[ $BUILD_DIR == *-address* || $BUILD_DIR == *-thread* ]]
}

# skip_if_sanitized WHY: for programs that cannot run under a sanitizer.
skip_if_sanitized()
{
	! sanitized || skip "sanitizer: $1"
}

# requires_root WHY: for what only root may do.
requires_root()
{
	(($(id -u) == 0)) || skip "only root may: $1"
}

# requires PROGRAM...: skips the test, with the reason, where one is missing
# (the wide set only: what scripts/deps core installs is never asked for).
requires()
{
	local program

	for program in "$@"; do
		command -v "$program" >/dev/null ||
			skip "$program is not installed (scripts/deps wide)"
	done
}

# add_host NAME ADDRESS...: a name for programs under the shim.
add_host()
{
	echo "$*" >>"$RUN_DIR/hosts"
}

# --- certificates

# Makes the certificates of scripts/testca, once for all tests of a build.
make_ca()
{
	(
		flock 9
		if [[ ! -e $CA_DIR/done || $REPO/scripts/testca -nt $CA_DIR/done ]] ||
			[[ -n $(find "$CA_DIR/done" -mtime +6) ]]; then
			rm -rf "$CA_DIR"
			"$REPO/scripts/testca" "$CA_DIR"
			touch "$CA_DIR/done"
		fi
	) 9>"$CA_DIR.lock"
}

# --- servers

# start_server KIND [CERTIFICATE [ARGUMENT...]]: a server with a certificate of
# scripts/testca (default: localhost), behind the recorder.
#
#	tlsserver	tests/lib/tlsserver.py; the arguments are its own
#	s_server	openssl s_server; the arguments are its own (-www, -rev)
#	nginx		https, serves $RUN_DIR/www (PUT and DELETE allowed);
#			arguments are further directives
#	redis		redis-server; arguments are its own
#	mosquitto	an MQTT broker; arguments are lines of its configuration
#	slapd		ldaps, with cn=marker,dc=test; arguments as for mosquitto
#
# Sets SERVER_PORT (the server's own), SERVER_DIR, PORT (the recorder's, which
# clients use), WIRE (its recordings), and exports TLSSHIM_PORTS and
# TLSSHIM_CA_FILE.  With NO_RECORDER=1, PORT is the server's.  RECORDER holds
# further arguments of the recorder.
start_server()
{
	local kind=$1 cert=$CA_DIR/${2:-localhost}.pem
	shift $(($# > 1 ? 2 : 1))

	SERVER_DIR=$(mktemp -d "$RUN_DIR/$kind.XXXX")
	mkdir -p "$CA_DIR"
	make_ca
	"start_$kind" "${cert%.pem}" "$@"
	PORT=$SERVER_PORT
	if [[ -z ${NO_RECORDER:-} ]]; then
		start_recorder "127.0.0.1:$SERVER_PORT"
	fi
	export TLSSHIM_PORTS=$PORT
	export TLSSHIM_CA_FILE=$CA_DIR/ca.pem
}

# start_recorder HOST:PORT: sets PORT and WIRE.
start_recorder()
{
	local options

	WIRE=$(mktemp -d "$RUN_DIR/wire.XXXX")
	read -ra options <<<"${RECORDER:--6}"
	background "$(basename "$WIRE")" "$PYTHON" "$LIB/wire.py" record "$WIRE" \
		"$1" "${options[@]}"
	wait_for_file "$WIRE/port"
	PORT=$(<"$WIRE/port")
}

# Until the file is there, or the process started last is not.
wait_for_file()
{
	until [[ -e $1 ]]; do
		if ! is_running "$BG_PID"; then
			fail "the server ended before it made $1: $(tail -n 5 "$RUN_DIR"/*.out)" || return
		fi
		sleep 0.01
	done
}

# start_tls_peer SOCKET [CERTIFICATE]: prog/tls_peer, which is told over SOCKET
# what to do; without a certificate it speaks plain TCP.
start_tls_peer()
{
	local certificate=()

	[[ -z ${2:-} ]] || certificate=("$CA_DIR/$2.pem" "$CA_DIR/$2.key")
	background "$(basename "$1")" "$BUILD_DIR/prog/tls_peer" "$1" \
		"${certificate[@]}"
	wait_for_file "$1"
}

start_tlsserver()
{
	local options=() cert=$1
	shift

	background tlsserver "$PYTHON" "$LIB/tlsserver.py" -6 \
		--dir "$SERVER_DIR" --cert "$cert.pem" "$@"
	wait_for_file "$SERVER_DIR/port"
	SERVER_PORT=$(<"$SERVER_DIR/port")
}

start_s_server()
{
	local cert=$1 out
	shift

	background s_server openssl s_server -accept 127.0.0.1:0 \
		-cert "$cert.pem" -cert_chain "$cert.pem" -key "$cert.key" \
		-cipher DEFAULT:@SECLEVEL=0 "$@"
	out=$RUN_DIR/s_server.out
	wait_for has_line "$out" '^ACCEPT .*:[0-9]+$'
	SERVER_PORT=$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' "$out")
}

# Servers that cannot be told "any port": try_ports COMMAND... runs it with
# SERVER_PORT set, in the background as $BG_PID, and again with another port
# where the server ends (because another process was faster).
try_ports()
{
	local try

	for try in 1 2 3 4 5 6 7 8; do
		# Below the ports that the kernel gives to clients.
		SERVER_PORT=$((10000 + (RANDOM * 7 + BASHPID + try) % 20000))
		if : <>"/dev/tcp/127.0.0.1/$SERVER_PORT"; then
			continue
		fi 2>/dev/null
		"$@"
		until : <>"/dev/tcp/127.0.0.1/$SERVER_PORT"; do
			is_running "$BG_PID" || continue 2
			sleep 0.01
		done 2>/dev/null
		if is_running "$BG_PID"; then
			return 0
		fi
	done
	fail "the server does not start: $(tail -n 5 "$RUN_DIR"/*.out)" || return
}

# The servers that scripts/deps unpacks, or those of the system.
server_program()
{
	local dir

	for dir in "$REPO/build-servers" ''; do
		if [[ -x $dir/usr/sbin/$1 ]]; then
			echo "$dir/usr/sbin/$1"
			return 0
		fi
	done
	fail "$1 is neither in build-servers/ nor installed (scripts/deps core)" || return
}

start_nginx()
{
	try_ports try_nginx "$@"
}

try_nginx()
{
	local cert=$1
	shift

	mkdir -p "$RUN_DIR/www" "$SERVER_DIR/tmp"
	cat >"$SERVER_DIR/nginx.conf" <<-CONF
	daemon off;
	master_process off;
	pid $SERVER_DIR/pid;
	error_log $SERVER_DIR/error.log;
	events { worker_connections 4096; }
	http {
		access_log $SERVER_DIR/access.log;
		client_body_temp_path $SERVER_DIR/tmp;
		proxy_temp_path $SERVER_DIR/tmp;
		fastcgi_temp_path $SERVER_DIR/tmp;
		uwsgi_temp_path $SERVER_DIR/tmp;
		scgi_temp_path $SERVER_DIR/tmp;
		client_max_body_size 0;
		server {
			listen 127.0.0.1:$SERVER_PORT ssl;
			ssl_certificate $cert.pem;
			ssl_certificate_key $cert.key;
			ssl_protocols TLSv1.2 TLSv1.3;
			root $RUN_DIR/www;
			dav_methods PUT DELETE;
			$*
		}
	}
	CONF
	background nginx "$(server_program nginx)" -p "$SERVER_DIR" \
		-c "$SERVER_DIR/nginx.conf" -e "$SERVER_DIR/error.log"
}

start_redis()
{
	# The program that checks dumps is the server, by another name.
	ln -s "$(command -v redis-check-rdb)" "$SERVER_DIR/redis-server"
	try_ports try_redis "$@"
}

try_redis()
{
	local cert=$1
	shift

	background redis "$SERVER_DIR/redis-server" --bind 127.0.0.1 --port 0 \
		--tls-port "$SERVER_PORT" --tls-cert-file "$cert.pem" \
		--tls-key-file "$cert.key" --tls-ca-cert-file "$CA_DIR/ca.pem" \
		--tls-auth-clients no --save '' --dir "$SERVER_DIR" "$@"
}

start_mosquitto()
{
	try_ports try_mosquitto "$@"
}

try_mosquitto()
{
	local cert=$1
	shift

	cat >"$SERVER_DIR/mosquitto.conf" <<-CONF
	listener $SERVER_PORT 127.0.0.1
	certfile $cert.pem
	keyfile $cert.key
	allow_anonymous true
	user $(id -un)
	$(printf '%s\n' "$@")
	CONF
	background mosquitto "$(server_program mosquitto)" \
		-c "$SERVER_DIR/mosquitto.conf"
}

start_slapd()
{
	local root

	root=$(server_program slapd)
	SLAPD_ROOT=${root%/usr/sbin/slapd}
	try_ports try_slapd "$@"
}

try_slapd()
{
	local cert=$1 etc=$SLAPD_ROOT/etc/ldap
	local run=(env "LD_LIBRARY_PATH=$SLAPD_ROOT/usr/lib/$(uname -m)-linux-gnu"
		"$SLAPD_ROOT/usr/sbin/slapd")
	shift

	rm -rf "$SERVER_DIR/data"
	mkdir "$SERVER_DIR/data"
	cat >"$SERVER_DIR/slapd.conf" <<-CONF
	include $etc/schema/core.schema
	modulepath $SLAPD_ROOT/usr/lib/ldap
	moduleload back_mdb
	pidfile $SERVER_DIR/pid
	TLSCertificateFile $cert.pem
	TLSCertificateKeyFile $cert.key
	TLSCACertificateFile $CA_DIR/ca.pem
	$(printf '%s\n' "$@")
	database mdb
	suffix dc=test
	directory $SERVER_DIR/data
	maxsize 1048576
	CONF
	"${run[@]}" -T add -f "$SERVER_DIR/slapd.conf" <<-LDIF
	dn: dc=test
	objectClass: dcObject
	objectClass: organization
	o: test
	dc: test

	dn: cn=marker,dc=test
	objectClass: organizationalRole
	cn: marker
	description: $MARKER
	LDIF
	background slapd "${run[@]}" -f "$SERVER_DIR/slapd.conf" -d 0 \
		-h "ldaps://127.0.0.1:$SERVER_PORT"
}

# --- what passed

# wire COMMAND [ARGUMENT...]: tests/lib/wire.py on the last recording.
wire()
{
	local command=$1
	shift

	"$PYTHON" "$LIB/wire.py" "$command" "$WIRE" "$@"
}

# assert_wire_is_tls [ARGUMENT...]: both directions of every connection are TLS
# records, and what the tests say in plaintext is not there.  Arguments are
# those of `wire.py check`.
# shellcheck disable=SC2120 # most tests need none of them
assert_wire_is_tls()
{
	local said

	said=$(wire check --marker "$MARKER" "$@" 2>&1) ||
		fail "$said" || return
}

# assert_wire_silent: no client has sent a byte.
assert_wire_silent()
{
	local file

	for file in "$WIRE"/*.c2s; do
		[[ ! -s $file ]] ||
			fail "sent although nothing should be: $(head -c 64 "$file" | od -c)" || return
	done
}

# assert_wire_info WORD...: every connection's hellos say so, for example
# version=TLSv1.3 sni=localhost.
assert_wire_info()
{
	local line word

	while read -r line; do
		for word in "$@"; do
			[[ " $line " == *" $word "* ]] ||
				fail "the hellos say '$line', not '$word'" || return
		done
	done < <(wire info)
}

# assert_tls [NAME [VERSION]]: the three proofs' second and third: TLS of this
# version (TLSv1.3), for this name (localhost; "" for an address), nothing
# else on the wire.
assert_tls()
{
	# shellcheck disable=SC2119
	assert_wire_is_tls
	assert_wire_info "sni=${1-localhost}" "version=${2-TLSv1.3}"
}

# report KEY: that value in the last line of the tlsserver's report which has
# it.
report()
{
	"$PYTHON" -c '
import json, sys
values = [line[sys.argv[2]] for line in map(json.loads, open(sys.argv[1]))
          if sys.argv[2] in line]
print(values[-1] if values else "")' "$SERVER_DIR/report" "$1"
}

# assert_report KEY VALUE: waits for it, as the server may be slower.
assert_report()
{
	wait_for has_line "$SERVER_DIR/report" "\"$1\""
	assert_equal "$(report "$1")" "$2"
}

# --- the log of the shim

# assert_log REGEX: one line of the log is like this.
assert_log()
{
	has_line "$RUN_DIR/shim.log" "$1" ||
		fail "no line of the log is like '$1': $(cat "$RUN_DIR/shim.log" 2>&1)"
}

refute_log()
{
	! has_line "$RUN_DIR/shim.log" "$1" ||
		fail "a line of the log is like '$1': $(cat "$RUN_DIR/shim.log")"
}

# --- the frame of each test

setup()
{
	unset "${!TLSSHIM_@}"
}

teardown()
{
	stop_background
	tell_of_failure
	assert_no_report
}

# What a failed test needs to be understood.
tell_of_failure()
{
	local file

	[[ -z ${BATS_TEST_COMPLETED:-} ]] || return 0
	for file in "$RUN_DIR"/*.log "$RUN_DIR"/*.out "$RUN_DIR"/*/report \
		"$RUN_DIR"/wire.*/[1-9].log; do
		[[ -s $file ]] || continue
		echo "--- ${file#"$RUN_DIR"/}"
		tail -n 20 "$file"
	done
}

# A sanitizer's report fails the test, whatever the program made of it.
assert_no_report()
{
	local file status=0

	for file in "$RUN_DIR"/sanitizer.*; do
		[[ -e $file ]] || continue
		echo "--- ${file#"$RUN_DIR"/}"
		head -n 60 "$file"
		status=1
	done
	return $status
}
