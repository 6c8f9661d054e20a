#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Programs that a preload cannot reach are told of, or refused, when they are
# executed.

load lib/helpers

setup()
{
	unset "${!TLSSHIM_@}"
	export TLSSHIM_PORTS=4711 TLSSHIM_LOG=stderr TLSSHIM_LOG_LEVEL=error
	STARTING=$BUILD_DIR/prog/starting
	STATIC=$BUILD_DIR/prog/talk_static
	BIN=$RUN_DIR/bin
	mkdir -p "$BIN"
}

preloaded()
{
	local SHIM

	MORE_PRELOADS='' shim_env
	timeout -k 5 60 env "${SHIM[0]/ $BUILD_DIR\/lib\/hosts.so/}" \
		"${SHIM[@]:2:3}" "${SHIM[@]:8}" "$@"
}

# elf FILE BYTE:OFFSET...: a copy of /bin/true with these bytes.
elf()
{
	local file=$1 change
	shift

	cp /bin/true "$file"
	for change; do
		printf '%b' "\\x${change%:*}" |
			dd of="$file" bs=1 seek="${change#*:}" conv=notrunc status=none
	done
}

@test "a static program: a line once, refused, or nothing said" {
	cp "$STATIC" "$BIN/static"
	run preloaded sh -c "$BIN/static; $BIN/static"
	assert_line --partial "executes $BIN/static: it is linked statically"
	run preloaded "$PYTHON" -c '
import subprocess, sys
for _ in range(3): subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL)' "$BIN/static"
	assert_equal "$(grep -c 'linked statically' <<<"$output")" 1
	TLSSHIM_UNREACHED=allow run preloaded sh -c "$BIN/static"
	refute_output --partial tlsshim
	TLSSHIM_UNREACHED=refuse run -126 preloaded sh -c "$BIN/static"
	assert_line --partial "refuses to execute $BIN/static: it is linked statically"
	for word in deny loopback; do
		TLSSHIM_PLAINTEXT=$word run -126 preloaded sh -c "$BIN/static"
		assert_line --partial "refuses to execute"
		TLSSHIM_PLAINTEXT=$word TLSSHIM_UNREACHED=warn run preloaded sh -c "$BIN/static"
		assert_line --partial "tlsshim"
		refute_line --partial "refuses"
	done
}

@test "every call that executes refuses with EACCES" {
	local way

	export TLSSHIM_UNREACHED=refuse
	for way in execve execvpe execle fexecve fexecve-path memfd execveat execveat-empty \
		syscall execv execvp execl execlp posix_spawn posix_spawnp vfork thread signal; do
		echo "way: $way"
		run -99 preloaded "$STARTING" "$way" "$STATIC"
		assert_line "errno 13"
		assert_line --partial "refuses to execute"
	done
}

@test "PATH is searched as execvp does: past what cannot be executed" {
	mkdir "$BIN/a" "$BIN/b" "$BIN/a/directory"
	echo data >"$BIN/a/thing"
	chmod 644 "$BIN/a/thing"
	cp "$STATIC" "$BIN/b/thing"
	export TLSSHIM_UNREACHED=refuse
	PATH=$BIN/missing:$BIN/a:$BIN/b:$PATH run -99 preloaded "$STARTING" execvp thing
	assert_line --partial "refuses to execute $BIN/b/thing: it is linked statically"
	PATH=$BIN/missing:$BIN/a:$BIN/b:$PATH run -99 preloaded "$STARTING" posix_spawnp thing
	assert_line "errno 13"
	cd "$BIN/b"
	PATH=:/bin run -99 preloaded "$STARTING" execlp thing
	assert_line --partial "refuses to execute thing: it is linked statically"
	PATH=/bin run -99 preloaded "$STARTING" execvp thing
	assert_line "errno 2"
	refute_line --partial tlsshim
}

@test "of a script its interpreter counts, through four of them" {
	printf '#!%s\n' "$STATIC" >"$BIN/1"
	printf '#! %s arg\n' "$BIN/1" >"$BIN/2"
	printf '#!%s\n' "$BIN/2" >"$BIN/3"
	printf '#!%s\n' "$BIN/3" >"$BIN/4"
	printf '#!/bin/sh\nexit 7\n' >"$BIN/fine"
	printf 'exit 8\n' >"$BIN/bare"
	chmod 755 "$BIN"/*
	export TLSSHIM_UNREACHED=refuse
	for n in 1 2 3 4; do
		run -99 preloaded "$STARTING" execve "$BIN/$n"
		assert_line --partial "refuses to execute $BIN/$n (run by $STATIC): it is linked statically"
	done
	run -7 preloaded "$STARTING" execve "$BIN/fine"
	assert_output ""
	# Without "#!" it is the shell's.
	run -8 preloaded "$STARTING" execvp "$BIN/bare"
	assert_output ""
	run -8 preloaded sh -c "$BIN/bare"
	assert_output ""
}

@test "other processors, word sizes and C libraries" {
	export TLSSHIM_UNREACHED=refuse
	elf "$BIN/class" 01:4
	elf "$BIN/machine" b7:18
	for name in class machine; do
		run -99 preloaded "$STARTING" execve "$BIN/$name"
		assert_line --partial "it is for another processor or word size"
	done
	gcc -x c - -o "$BIN/musl" -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1 <<<'int main(void) { return 0; }'
	run -99 preloaded "$STARTING" execve "$BIN/musl"
	assert_line --partial "it uses musl, not glibc"
	gcc -x c - -o "$BIN/other" -Wl,--dynamic-linker=/system/bin/linker64 <<<'int main(void) { return 0; }'
	run -99 preloaded "$STARTING" execve "$BIN/other"
	assert_line --partial "it does not use glibc"
}

@test "a program of Go is known by its note" {
	gcc -x c - -o "$BIN/go" <<-'C'
	__attribute__((section(".note.go.buildid"), used, aligned(4)))
	static const struct { int n, d, t; char name[4], id[4]; } note = {4, 4, 4, "Go", "abc"};
	int main(void) { return 0; }
	C
	TLSSHIM_UNREACHED=refuse run -99 preloaded "$STARTING" execve "$BIN/go"
	assert_line --partial "it is written in Go"
}

@test "what is of no known format is executed with a line at info, or refused" {
	printf 'MZ\0\1' >"$BIN/unknown"
	chmod 755 "$BIN/unknown"
	run -99 preloaded "$STARTING" execve "$BIN/unknown"
	assert_output "errno 8"
	TLSSHIM_LOG_LEVEL=info run -99 preloaded "$STARTING" execve "$BIN/unknown"
	assert_line --partial "executes $BIN/unknown: it is of no format that is known here"
	TLSSHIM_UNREACHED=refuse run -99 preloaded "$STARTING" execve "$BIN/unknown"
	assert_line "errno 13"
}

@test "the dynamic linker as a command is reached" {
	run -0 preloaded "$STARTING" execve /lib64/ld-linux-x86-64.so.2 /bin/true
	refute_output --partial tlsshim
}

@test "a FIFO, a directory and what is missing get what the kernel says" {
	mkfifo "$BIN/fifo"
	chmod 755 "$BIN/fifo"
	export TLSSHIM_UNREACHED=refuse
	run -99 preloaded "$STARTING" execve "$BIN/fifo"
	assert_output "errno 13"
	run -99 preloaded "$STARTING" execve "$BIN"
	assert_output "errno 13"
	run -99 preloaded "$STARTING" execve "$BIN/missing"
	assert_output "errno 2"
	run -99 preloaded "$STARTING" execve ""
	assert_output "errno 2"
}

# as_user COMMAND...: as nobody, who reaches the build and this test's files.
as_user()
{
	preloaded setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

# What nobody may reach: libraries and programs in a folder of their own.
open_to_all()
{
	PUBLIC=$(mktemp -d /tmp/tlsshim-test.XXXXXX)
	chmod 755 "$PUBLIC"
	cp "$BUILD_DIR/libtlsshim.so" "$STARTING" "$PUBLIC/"
	STARTING=$PUBLIC/starting
	cp /usr/bin/id "$PUBLIC/id"
}

teardown()
{
	[[ -z ${PUBLIC:-} ]] || rm -rf "$PUBLIC"
	stop_background
	tell_of_failure
}

unprivileged()
{
	timeout -k 5 60 env "LD_PRELOAD=$PUBLIC/libtlsshim.so" setpriv \
		--reuid 65534 --regid 65534 --clear-groups "$@"
}

@test "privilege: told exactly where the kernel sets AT_SECURE" {
	requires_root "make a setuid program"
	skip_if_sanitized "its runtime is in LD_PRELOAD as well"
	open_to_all
	gcc -x c - -o "$PUBLIC/secure" <<-'C'
	#include <stdio.h>
	#include <sys/auxv.h>
	int main(void) { printf("secure %lu\n", getauxval(AT_SECURE)); return 0; }
	C
	local mode who

	# agrees COMMAND...: a line where the program says 1, none where it says 0.
	agrees()
	{
		run -0 "$@"
		if [[ $output == *"secure 1"* ]]; then
			assert_output --partial "executes $PUBLIC/secure: "
			assert_output --partial "ignore"
		else
			assert_output "secure 0"
		fi
	}

	for mode in 755 4755 2755 2745 6755; do
		chmod "$mode" "$PUBLIC/secure"
		agrees unprivileged "$STARTING" execve "$PUBLIC/secure"
		agrees unprivileged --no-new-privs "$STARTING" execve "$PUBLIC/secure"
		agrees env "LD_PRELOAD=$PUBLIC/libtlsshim.so" "$STARTING" execve "$PUBLIC/secure"
	done
	chown 65534 "$PUBLIC/secure"
	chmod 4755 "$PUBLIC/secure"
	agrees unprivileged "$STARTING" execve "$PUBLIC/secure"
	agrees env "LD_PRELOAD=$PUBLIC/libtlsshim.so" "$STARTING" execve "$PUBLIC/secure"
	chmod 755 "$PUBLIC/secure"
	for who in 0100000200040000 0000000200040000 0100000200000000; do
		"$PYTHON" -c 'import os, sys
os.setxattr(sys.argv[1], "security.capability", bytes.fromhex(sys.argv[2]).ljust(20, b"\0"))' \
			"$PUBLIC/secure" "$who"
		agrees unprivileged "$STARTING" execve "$PUBLIC/secure"
		agrees unprivileged --no-new-privs "$STARTING" execve "$PUBLIC/secure"
		agrees env "LD_PRELOAD=$PUBLIC/libtlsshim.so" "$STARTING" execve "$PUBLIC/secure"
	done
}

@test "a setuid program that may not be read is told of all the same" {
	requires_root "make a setuid program"
	skip_if_sanitized "its runtime is in LD_PRELOAD as well"
	open_to_all
	chmod 4711 "$PUBLIC/id"
	run -0 unprivileged "$STARTING" execvp "$PUBLIC/id"
	assert_line --partial "executes $PUBLIC/id: it runs as another user (setuid)"
	assert_line --partial "euid=0"
	TLSSHIM_PLAINTEXT=deny run -99 unprivileged "$STARTING" execvp "$PUBLIC/id"
	assert_line "errno 13"
	chmod 711 "$PUBLIC/id"
	TLSSHIM_LOG_LEVEL=info run -0 unprivileged "$STARTING" execvp "$PUBLIC/id"
	assert_line --partial "executes $PUBLIC/id: it cannot be read"
}
