#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What make builds and installs.

load lib/helpers

# make on this build, as it is: nothing is built anew while tests run.
make_built()
{
	local san=

	case $BUILD_DIR in
	*-address*) san=address,undefined ;;
	*-thread*) san=thread ;;
	esac
	env -u MAKEFLAGS -u MAKELEVEL make -s -C "$REPO" SAN="$san" \
		-o "${BUILD_DIR#"$REPO"/}/libtlsshim.so" \
		-o "${BUILD_DIR#"$REPO"/}/tlsshim/engine.so" "$@"
}

@test "the library exports the calls of calls.def, the engine one symbol" {
	run "$REPO/scripts/lint" "$BUILD_DIR" exports
	assert_success
}

@test "the library needs libc alone" {
	skip_if_sanitized "the library needs the sanitizer's"
	run "$REPO/scripts/lint" "$BUILD_DIR" thin_needs
	assert_success
}

# Each symbol that is looked up at the start, and each page that is written to
# then, is paid by every process.  Relocations are sorted by what the linker
# does: functions are bound when they are first called.
@test "of others, the library has hardly a symbol looked up at the start" {
	skip_if_sanitized "the sanitizers look up their own"
	run readelf -rW "$BUILD_DIR/libtlsshim.so"
	refute_output --partial R_X86_64_64
	run awk '$3 ~ /GLOB_DAT/ { sub(/@.*/, "", $5); print $5 }' <<<"$output"
	# The compiler's four, and three variables.
	assert_equal "$(sort <<<"$output")" "_ITM_deregisterTMCloneTable
_ITM_registerTMCloneTable
__cxa_finalize
__gmon_start__
__libc_single_threaded
environ
program_invocation_short_name"
	run readelf -dW "$BUILD_DIR/libtlsshim.so"
	refute_output --partial BIND_NOW
}

@test "the start of the library writes to two pages, and idling to no other" {
	skip_if_sanitized "it is laid out otherwise"
	local relro data name

	# What is read-only afterwards; then what the linker puts together with
	# IDLE_DATA.
	relro=$(readelf -lW "$BUILD_DIR/libtlsshim.so" |
		awk '$1 == "GNU_RELRO" { print $3 }')
	data=$(readelf -lW "$BUILD_DIR/libtlsshim.so" |
		awk '$1 == "LOAD" && $7 == "RW" { print $3, $5 }')
	assert_equal $((${data#* } + ${data% *} - 1 >> 12)) $(((relro >> 12) + 1))
	for name in config_state reader conn_count fdtab_used keeper_page \
		real_calls; do
		run -0 awk -v name="$name" '$3 == name { print "0x" $1 }' \
			< <(nm "$BUILD_DIR/libtlsshim.so")
		assert_equal $((output >> 12)) $(((relro >> 12) + 1))
	done
}

@test "an installed library works by its name" {
	local root=$RUN_DIR/root

	make_built install DESTDIR="$root" PREFIX=/opt/shim
	assert_file_exist "$root/opt/shim/lib/libtlsshim.so"
	assert_file_exist "$root/opt/shim/lib/tlsshim/engine.so"
	start_server tlsserver localhost handshake http
	MORE_ENV=(LD_LIBRARY_PATH="$root/opt/shim/lib")
	run -0 shim_by_name curl -sS "http://localhost:$PORT/say/$MARKER"
	assert_output "$MARKER"
	assert_tls ""
}

shim_by_name()
{
	local SHIM
	shim_env
	timeout 60 env "${SHIM[@]/"$BUILD_DIR/libtlsshim.so"/libtlsshim.so}" \
		"${MORE_ENV[@]}" "$@"
}

@test "uninstall removes what install put there" {
	local root=$RUN_DIR/root

	make_built install DESTDIR="$root" LIBDIR=/usr/lib/here
	assert_file_exist "$root/usr/lib/here/libtlsshim.so"
	run -0 make_built uninstall DESTDIR="$root" LIBDIR=/usr/lib/here
	assert_line --partial "removed $root/usr/lib/here/libtlsshim.so"
	assert_line --partial "plaintext"
	run find "$root" ! -type d
	assert_output ""
	run find "$root" -name tlsshim
	assert_output ""
}

@test "install says in two lines what is where and what to try" {
	run -0 make_built install DESTDIR="$RUN_DIR/root" PREFIX=/opt/shim
	assert_line --index 0 --partial "installed $RUN_DIR/root/opt/shim/lib/libtlsshim.so"
	assert_line --index 1 --partial "LD_PRELOAD=/opt/shim/lib/libtlsshim.so "
	assert_equal "${#lines[@]}" 2
}

@test "install and uninstall where one may not write: root, or a PREFIX of one's own" {
	# Not even root makes a folder in a file.
	touch "$RUN_DIR/file"
	for target in install uninstall; do
		run -2 make_built "$target" DESTDIR="$RUN_DIR/file"
		assert_line --index 0 --regexp "^Makefile: $RUN_DIR/file cannot be written to: .*make $target as root.*PREFIX=$HOME/.local"
	done
}

# make from the start, with nothing out of a cache.
make_anew()
{
	env -u MAKEFLAGS -u MAKELEVEL CCACHE_DISABLE=1 make "$@"
}

hashes()
{
	(cd "$1/build" && sha256sum libtlsshim.so tlsshim/engine.so)
}

@test "what a tarball makes depends on neither the folder nor the time" {
	skip_if_sanitized "it is built without"
	local tree

	for tree in "$RUN_DIR/one" "$RUN_DIR/another/one"; do
		mkdir -p "$tree"
		tar -C "$REPO" --exclude=./.git --exclude='./build*' -c . |
			tar -C "$tree" -x
		# Warnings are errors in a checkout only.
		run -0 make_anew -C "$tree" V=1 CFLAGS="-O0 -g"
		assert_output --partial "-c -o build/obj/shim/base/real.o"
		refute_output --partial "-Werror"
	done
	assert_equal "$(hashes "$RUN_DIR/another/one")" "$(hashes "$RUN_DIR/one")"
	run grep -c "$RUN_DIR" "$RUN_DIR"/one/build/{libtlsshim,tlsshim/engine}.so
	assert_output "$RUN_DIR/one/build/libtlsshim.so:0
$RUN_DIR/one/build/tlsshim/engine.so:0"
}

# nm's lines of what is there for others, or of what others have.
dynamic()
{
	nm -D --format=posix "$@" | sed 's/[@ ].*//' | sort
}

@test "hardened and link-time optimized, the library exports and calls the same" {
	skip_if_sanitized "it is built without"
	local library=$RUN_DIR/build/libtlsshim.so

	# As Debian and Fedora set them.
	run -0 make_anew -s -C "$REPO" BUILD="$RUN_DIR/build" WERROR=-Werror "$library" \
		CPPFLAGS="-Wdate-time -D_FORTIFY_SOURCE=2" CFLAGS="-g -O2 -flto=auto \
			-ffat-lto-objects -fstack-protector-strong \
			-fstack-clash-protection -fcf-protection -Wformat \
			-Werror=format-security -Wp,-U_FORTIFY_SOURCE \
			-Wp,-D_FORTIFY_SOURCE=2" \
		LDFLAGS="-Wl,-z,relro -Wl,-z,now -flto=auto"
	assert_equal "$(dynamic --defined-only "$library")" \
		"$(dynamic --defined-only "$BUILD_DIR/libtlsshim.so")"
	run dynamic --undefined-only "$library"
	assert_line __stack_chk_fail
	refute_line --regexp '^__(read|recv|recvfrom|poll|memcpy|memset|snprintf)_chk$'
	# Every process would pay for it.
	run readelf -dW "$library"
	refute_output --partial NOW
}

@test "gold is refused in one line, before anything is compiled" {
	# Any ld.gold will do, where Debian no longer installs it.
	if ! command -v ld.gold >/dev/null; then
		mkdir "$RUN_DIR/bin"
		printf '#!/bin/sh\necho "GNU gold (GNU Binutils) 1.16"\n' \
			>"$RUN_DIR/bin/ld.gold"
		chmod +x "$RUN_DIR/bin/ld.gold"
		PATH=$RUN_DIR/bin:$PATH
	fi
	run -2 make_anew -C "$REPO" BUILD="$RUN_DIR/build" LDFLAGS=-fuse-ld=gold
	assert_line --regexp "gold cannot link the library.*lld"
	refute_line --regexp "^  (CC|LD) "
	refute_output --partial "unknown -z option"
}

@test "without the headers of OpenSSL make names their package and compiles nothing" {
	cat >"$RUN_DIR/cc" <<-EOF
	#!/bin/bash
	input=
	[[ " \$* " != *" - "* ]] || input=\$(cat)
	[[ \$input != *openssl/* ]] || exit 1
	exec ${CC:-cc} "\$@" <<<"\$input"
	EOF
	chmod +x "$RUN_DIR/cc"
	run -2 make_anew -C "$REPO" BUILD="$RUN_DIR/build" CC="$RUN_DIR/cc"
	assert_line --regexp "missing.* libssl-dev"
	refute_line --regexp "^  (CC|LD) "
}

@test "make help names every target for people" {
	run make_built help
	for target in all demo test check lint bench install uninstall clean help; do
		assert_line --regexp "^  $target "
	done
}

@test "scripts/deps fails for a set that does not exist, and names the sets" {
	run -2 "$REPO/scripts/deps" nonsense
	assert_output --partial core
	assert_output --partial wide
}
