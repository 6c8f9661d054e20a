#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# scripts/deps, on releases and systems that are made up: programs of dpkg's and
# apt's that answer from files.

load lib/helpers

# a_release: a Debian where nothing is installed, no list has a package, and a
# user may do nothing.  $RELEASE/installed has lines PACKAGE|ii |PROVIDES,
# $RELEASE/lists names, $RELEASE/NAME.depends what apt-cache shows of NAME.
a_release()
{
	RELEASE=$RUN_DIR/release
	mkdir -p "$RELEASE/bin"
	touch "$RELEASE/installed" "$RELEASE/lists"
	program dpkg-query 'cat "$RELEASE/installed"'
	program apt-cache '
		case $1 in
		policy)
			shift
			for name in "$@"; do
				! grep -qx -- "$name" "$RELEASE/lists" ||
					printf "%s:\n  Candidate: 1\n" "$name"
			done ;;
		show) cat "$RELEASE/$3.depends" ;;
		esac'
	program apt-get 'echo "$*" >>"$RELEASE/said"; . "$RELEASE/apt-get"'
	program sudo 'exit 1'
	program id 'echo ${FAKE_ID:-1000}'
	: >"$RELEASE/apt-get"
	export RELEASE
}

# program NAME SCRIPT
program()
{
	printf '#!/bin/sh\n%s\n' "$2" >"$RELEASE/bin/$1"
	chmod +x "$RELEASE/bin/$1"
}

# deps ARGUMENT...: of a copy, which has a build-servers/ of its own.
deps()
{
	mkdir -p "$RELEASE/scripts"
	cp "$REPO/scripts/deps" "$RELEASE/scripts/"
	PATH=$RELEASE/bin:$PATH "$RELEASE/scripts/deps" "$@"
}

# one_set LINE: makes it the only set, by the name of this.
one_set()
{
	mkdir -p "$RELEASE/scripts"
	sed "/^declare -rA sets=(/,/^)/c declare -rA sets=([this]=\"$1\")" \
		"$REPO/scripts/deps" >"$RELEASE/scripts/deps"
	chmod +x "$RELEASE/scripts/deps"
}

this()
{
	PATH=$RELEASE/bin:$PATH "$RELEASE/scripts/deps" "$@" this
}

@test "without the right to install, one line names the packages" {
	a_release
	run -1 deps build
	assert_equal "${#lines[@]}" 1
	assert_output --partial "as root: apt-get install"
	assert_output --partial libssl-dev
}

@test "a package that another one provides is there" {
	a_release
	one_set "pkg-config libssl3"
	printf '%s\n' 'pkgconf|ii |pkg-config (= 1.8.1-4)' \
		'libssl3t64|ii |libssl3 (= 3.5.5-1)' >"$RELEASE/installed"
	run -0 this
	assert_output ""
}

@test "a package that was removed, its settings left, is not there" {
	a_release
	one_set "strace"
	echo 'strace|rc |' >"$RELEASE/installed"
	run -1 this
	assert_output --partial "strace"
}

@test "of alternatives the first that the release has is taken, one is enough" {
	a_release
	one_set "libnew3|libmiddle2|libold1 make"
	printf '%s\n' libmiddle2 libold1 make >"$RELEASE/lists"
	run -1 this -n
	assert_output "libmiddle2 make"
	printf '%s|ii |\n' libold1 make >"$RELEASE/installed"
	run -0 this
	assert_output ""
}

@test "an unpacked server brings the libraries that it depends on, and no more" {
	a_release
	one_set "server@usr/sbin/no-such-server"
	printf '%s\n' server libssl3t64 libold1 zlib1g >"$RELEASE/lists"
	echo "Depends: libc6 (>= 2.34), adduser (>= 3.10), libssl3t64 (>= 3.0.0)," \
		"libnew2 | libold1, perl:any, zlib1g (>= 1:1.1.4), server-common" \
		>"$RELEASE/server.depends"
	run -1 this -n
	assert_output "libssl3t64 libold1 zlib1g server"
	# Once it is unpacked, its own word for it counts.
	rm "$RELEASE/server.depends"
	mkdir -p "$RELEASE/build-servers/.libraries"
	echo zlib1g >"$RELEASE/build-servers/.libraries/server"
	run -1 this -n
	assert_output "zlib1g"
	echo 'zlib1g|ii |' >"$RELEASE/installed"
	run -0 this
}

@test "a server whose unpacking was interrupted is unpacked again" {
	a_release
	one_set "server@usr/sbin/no-such-server"
	touch "$RELEASE/server.depends"
	mkdir -p "$RELEASE/build-servers/usr/sbin"
	touch "$RELEASE/build-servers/usr/sbin/no-such-server"
	run -1 this -n
	assert_output "server"
}

@test "what a release does not have and need not have is told, the rest installed" {
	a_release
	export FAKE_ID=0
	one_set "make ? gone useful"
	printf '%s\n' make useful >"$RELEASE/lists"
	run -0 this
	assert_output --partial "going on without gone"
	run cat "$RELEASE/said"
	assert_line --regexp "install --no-install-recommends make$"
	assert_line --regexp "install --no-install-recommends useful$"
}

@test "what no list has fails, in one line, after the lists were fetched" {
	a_release
	export FAKE_ID=0
	one_set "gone make"
	echo make >"$RELEASE/lists"
	run -1 this
	assert_equal "${#lines[@]}" 1
	assert_output --partial "no package list has gone"
	run cat "$RELEASE/said"
	assert_output "-q update"
}

@test "without a network, one line says what could not be installed" {
	a_release
	export FAKE_ID=0
	one_set "make"
	echo make >"$RELEASE/lists"
	echo 'echo reading; echo "E: Failed to fetch make"; exit 100' >"$RELEASE/apt-get"
	run -1 this
	assert_line --index 0 "scripts/deps: installing make"
	assert_line --index 1 "scripts/deps: could not install make (E: Failed to fetch make)"
	assert_equal "${#lines[@]}" 2
}

# a_bare_system: on PATH is what scripts/deps itself uses, no compiler, no apt.
a_bare_system()
{
	local name

	mkdir "$RUN_DIR/bare"
	for name in bash env dirname sort sed tr grep cat make; do
		ln -s "$(command -v "$name")" "$RUN_DIR/bare/$name"
	done
}

@test "on another system one line names programs and headers, and it goes on" {
	a_bare_system
	PATH=$RUN_DIR/bare run -0 "$REPO/scripts/deps" demo
	assert_equal "${#lines[@]}" 1
	assert_output --partial "not a Debian system"
	assert_output --regexp ' cc .*libssl\.a .*pkg-config'
	assert_output --partial " nc.openbsd"
	refute_output --partial netcat
	PATH=$RUN_DIR/bare run -1 "$REPO/scripts/deps" -c demo
	assert_equal "${#lines[@]}" 1
}

# bare_make ARGUMENT...: of a build that never was.
bare_make()
{
	env -u MAKEFLAGS -u MAKELEVEL make -C "$REPO" --no-print-directory \
		BUILD="$RUN_DIR/build" "$@"
}

@test "make without a compiler says what to install, and leaves nothing half built" {
	run -2 bare_make CC=no-such-cc
	assert_line --regexp "^scripts/deps: .*missing no-such-cc .*gcc"
	refute_output --partial "No such file"
	run find "$RUN_DIR/build" -type f
	assert_output ""
}

@test "of static libraries those are wanted that OpenSSL was built to use" {
	mkdir "$RUN_DIR/bin"
	printf '#!/bin/sh\necho -lssl -lcrypto -lz -lno-such-compressor -ldl -pthread\n' \
		>"$RUN_DIR/bin/pkg-config"
	chmod +x "$RUN_DIR/bin/pkg-config"
	PATH=$RUN_DIR/bin:$PATH run -1 "$REPO/scripts/deps" -c build
	assert_output --partial "missing libno-such-compressor.a;"
	ENGINE=shared PATH=$RUN_DIR/bin:$PATH run -0 "$REPO/scripts/deps" -c build
	assert_output ""
}

@test "make without static libraries says what to install" {
	# A compiler that knows of none.
	cat >"$RUN_DIR/cc" <<-'CC'
	#!/bin/sh
	case $1 in
	-print-file-name=libssl.a | -print-file-name=libcrypto.a)
		echo "${1#*=}" ;;
	*) exec cc "$@" ;;
	esac
	CC
	chmod +x "$RUN_DIR/cc"
	run -2 bare_make CC="$RUN_DIR/cc"
	assert_line --partial "missing libssl.a libcrypto.a"
	assert_line --partial "libssl-dev"
	refute_output --partial "CC "
}
