#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Programs that are started with a cleaned environment are given the library
# and the settings back, and the library comes first in LD_PRELOAD.

load lib/helpers

setup()
{
	unset "${!TLSSHIM_@}"
	export TLSSHIM_PORTS=4711 TLSSHIM_LOG=stderr TLSSHIM_LOG_LEVEL=error
	STARTING=$BUILD_DIR/prog/starting
	LIBRARY=$BUILD_DIR/libtlsshim.so
}

# preloaded COMMAND...: under the shim alone; its environment is this test's.
preloaded()
{
	local SHIM

	MORE_PRELOADS='' shim_env
	timeout -k 5 60 env "${SHIM[0]/ $BUILD_DIR\/lib\/hosts.so/}" \
		"${SHIM[@]:2:3}" "${SHIM[@]:8}" "$@"
}

# What stands in LD_PRELOAD where children find ours put first, and nothing else.
assert_given()
{
	assert_line "LD_PRELOAD=$LIBRARY"
	assert_line TLSSHIM_PORTS=4711
}

readonly ways="execve execvpe execle fexecve fexecve-path execveat execveat-empty syscall execv execvp
	execl execlp posix_spawn posix_spawnp vfork thread signal"

@test "library and settings are given back by every call that executes" {
	skip_if_sanitized "its runtime is in LD_PRELOAD as well"
	local way

	export STARTING_ENV=none
	for way in $ways; do
		echo "way: $way"
		run -0 preloaded "$STARTING" "$way" /usr/bin/env
		assert_given
	done
}

@test "no environment at all is a cleaned one, and so is one of 10,000 entries" {
	skip_if_sanitized "its runtime is in LD_PRELOAD as well"
	local way

	for STARTING_ENV in null large; do
		export STARTING_ENV
		for way in execve posix_spawn vfork thread; do
			run -0 preloaded "$STARTING" "$way" /usr/bin/env
			assert_given
		done
	done
}

@test "children of vfork() with large environments leave one mapping behind, not one each" {
	skip_if_sanitized "its runtime is in LD_PRELOAD as well"
	run -0 preloaded "$PYTHON" -c '
import subprocess
large = {"X%d" % i: "" for i in range(20000)}
def start():
    subprocess.run(["/usr/bin/true"], env=large, check=True)
def megabytes():
    return int(open("/proc/self/statm").read().split()[0]) // 256
start()
before = megabytes()
for _ in range(100):
    start()
grown = megabytes() - before
print("bounded" if grown < 8 else "grown by %d MB" % grown)'
	assert_output bounded
}

@test "the shells of system, popen and wordexp are given both, and environ is put back" {
	skip_if_sanitized "its runtime is in LD_PRELOAD as well"
	local way

	for STARTING_ENV in none null; do
		export STARTING_ENV
		for way in system popen wordexp; do
			run -0 preloaded "$STARTING" "$way" /usr/bin/env
			assert_given
			refute_line "environ is another one"
		done
	done
}

@test "threads that run shells while environ is cleaned all have the library" {
	skip_if_sanitized "its runtime is in LD_PRELOAD as well"
	run -0 preloaded "$PYTHON" -c '
import os, threading
before = dict(os.environ)
os.environ.clear()
missing = []
def run():
    for _ in range(20):
        if os.system("test \"$TLSSHIM_PORTS\" = 4711"): missing.append(1)
threads = [threading.Thread(target=run) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print(len(missing), dict(os.environ))'
	assert_output "0 {}"
}

@test "env -i: the whole tree below it goes on with the library" {
	skip_if_sanitized "its runtime is in LD_PRELOAD as well"
	run -0 preloaded env -i /bin/sh -c 'env -i /bin/sh -c /usr/bin/env'
	assert_given
}

@test "a relative LD_PRELOAD and relative paths are absolute ones in children" {
	skip_if_sanitized "its runtime is in LD_PRELOAD as well"
	cd "$BUILD_DIR"
	export TLSSHIM_CA_FILE=a/ca.pem TLSSHIM_CONFIG=no/rules
	unset TLSSHIM_LOG
	run -0 --separate-stderr env LD_PRELOAD=./libtlsshim.so "$PYTHON" -c '
import os
os.chdir("/")
os.environ["TLSSHIM_CA_FILE"] = "changed"
os.execve("/usr/bin/env", ["env"], {})'
	assert_line "LD_PRELOAD=$BUILD_DIR/./libtlsshim.so"
	assert_line "TLSSHIM_CA_FILE=$BUILD_DIR/a/ca.pem"
	assert_line "TLSSHIM_CONFIG=$BUILD_DIR/no/rules"
	# Not only where it was cleaned: the directory is another one.
	run -0 --separate-stderr env LD_PRELOAD=./libtlsshim.so sh -c 'cd / && /usr/bin/env'
	assert_line "LD_PRELOAD=$BUILD_DIR/./libtlsshim.so"
	# shellcheck disable=SC2154 # bats sets it
	assert_equal "$stderr" ""
}

@test "settings that are there stay as they are, whichever they are" {
	skip_if_sanitized "its runtime is in LD_PRELOAD as well"
	run -0 preloaded env -i TLSSHIM_PORTS=1 LD_PRELOAD="$LIBRARY" /bin/sh -c /usr/bin/env
	assert_line TLSSHIM_PORTS=1
	refute_line --partial 4711
	refute_line --partial TLSSHIM_LOG
}

@test "the library is put in front of other libraries" {
	skip_if_sanitized "its runtime is in LD_PRELOAD as well"
	local other=$BUILD_DIR/lib/hosts.so

	run -0 preloaded env -i LD_PRELOAD="$other $LIBRARY" /usr/bin/env
	assert_line "LD_PRELOAD=$LIBRARY:$other"
	assert_line TLSSHIM_PORTS=4711
	run -0 preloaded env LD_PRELOAD="$other" /usr/bin/env
	assert_line "LD_PRELOAD=$LIBRARY:$other"
	run -0 preloaded env LD_PRELOAD="$LIBRARY $other" /usr/bin/env
	assert_line "LD_PRELOAD=$LIBRARY $other"
}

@test "proxychains4 stands behind the library, not before it" {
	skip_if_sanitized "its runtime is in LD_PRELOAD as well"
	printf '[ProxyList]\nsocks4 127.0.0.1 1\n' >"$RUN_DIR/proxychains.conf"
	run -0 preloaded proxychains4 -q -f "$RUN_DIR/proxychains.conf" /usr/bin/env
	assert_line --regexp "^LD_PRELOAD=$LIBRARY:.*libproxychains.so.4\$"
}

@test "env -u LD_PRELOAD is a decision: respected, and refused where plaintext is" {
	run -0 preloaded env -u LD_PRELOAD /usr/bin/env
	refute_line --regexp '^LD_PRELOAD='
	refute_output --partial 'tlsshim['
	export TLSSHIM_LOG_LEVEL=info
	run -0 preloaded env LD_PRELOAD= /usr/bin/env
	assert_line --partial "executes /usr/bin/env: its environment leaves the library"
	export TLSSHIM_PLAINTEXT=deny
	run -126 preloaded env -u LD_PRELOAD /usr/bin/env
	assert_line --partial "refuses to execute /usr/bin/env: its environment leaves the library"
	TLSSHIM_UNREACHED=allow run -0 preloaded env -u LD_PRELOAD /usr/bin/env
	refute_output --partial 'tlsshim['
}

@test "TLSSHIM_INHERIT=no: nothing is given back, and deny refuses what is cleaned" {
	export TLSSHIM_INHERIT=no
	run -0 preloaded env -i /usr/bin/env
	assert_output ""
	TLSSHIM_PLAINTEXT=deny run -126 preloaded env -i /usr/bin/env
	assert_line --partial "refuses to execute /usr/bin/env"
	TLSSHIM_PLAINTEXT=deny run -0 preloaded sh -c '/usr/bin/env | grep -c TLSSHIM_INHERIT'
}

@test "a log file that a cleaned child may not open is standard error there, and no refusal" {
	skip_if_sanitized "its runtime is in LD_PRELOAD as well"
	mkdir "$RUN_DIR/logs"
	export TLSSHIM_LOG=$RUN_DIR/logs/log TLSSHIM_PLAINTEXT=loopback
	run -0 preloaded "$PYTHON" -c '
import os, subprocess, shutil
shutil.rmtree(os.path.dirname(os.environ["TLSSHIM_LOG"]))
code = "import socket; s = socket.create_server((\"127.0.0.1\", 0)); socket.create_connection(s.getsockname()); print(\"connected\")"
print(subprocess.run(["/usr/bin/python3", "-c", code], env={}, capture_output=True, text=True))
print(subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, text=True))'
	assert_line --index 0 --partial "returncode=0, stdout='connected"
	# Who has the setting from its own environment is refused, as ever.
	assert_line --index 1 --partial "returncode=1"
	assert_line --index 1 --partial "TLSSHIM_LOG"
}

@test "where the kernel has no room for it, it is executed without, and a line says so" {
	skip_if_sanitized "its runtime is in LD_PRELOAD as well"
	local way pins

	pins=$(printf 'sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=%.0s ' {1..160})
	export STARTING_ENV=full TLSSHIM_PIN=$pins
	for way in execve posix_spawn vfork; do
		run -0 preloaded prlimit --stack=524288 "$STARTING" "$way" /bin/sh -c 'echo started "$LD_PRELOAD"'
		assert_line "started "
		assert_line --partial "executes /bin/sh: its arguments leave no room"
		TLSSHIM_UNREACHED=refuse run -99 preloaded prlimit --stack=524288 \
			"$STARTING" "$way" /bin/sh -c 'echo started'
		assert_line --partial "refuses to execute /bin/sh: its arguments leave no room"
		refute_line started
	done
}

@test "hostile LD_PRELOADs: blanks, colons, missing files, 100 KB" {
	skip_if_sanitized "its runtime is in LD_PRELOAD as well"
	local way long

	printf -v long '%100000s' ''
	long=${long// /x}
	for way in execve posix_spawn vfork; do
		for list in ' ::  ' ":/missing.so  :: $LIBRARY:" "/libasan.so.missing" "$long"; do
			LIST=$list run -0 preloaded sh -c 'LD_PRELOAD="$LIST" exec "$@"' sh \
				"$STARTING" "$way" /bin/sh -c 'case $LD_PRELOAD in
					'"$LIBRARY"'*|*:'"$LIBRARY"'*) echo in front ;; esac
					echo "$TLSSHIM_PORTS"'
			assert_line 4711
			[[ $list != *[!\ :]* ]] || assert_line "in front"
		done
	done
}

@test "pointers that are none get what the kernel says" {
	run -0 preloaded "$PYTHON" -c '
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
argv = (ctypes.c_char_p * 2)(b"true", None)
for path, args, env in ((b"/bin/true", argv, 8), (b"/bin/true", argv, -4096),
                        (8, argv, 0), (None, argv, None), (b"/bin/true", 8, None)):
    libc.execve(path if not isinstance(path, int) else ctypes.c_void_p(path),
                args if not isinstance(args, int) else ctypes.c_void_p(args),
                env if env is None else ctypes.c_void_p(env))
    print(errno.errorcode[ctypes.get_errno()])'
	assert_output "$(printf 'EFAULT\n%.0s' 1 2 3 4 5)"
}

@test "under another root nothing is given back, and a line says so" {
	requires_root "chroot"
	skip_if_sanitized "its runtime is in LD_PRELOAD as well"
	local root=$RUN_DIR/root

	mkdir "$root"
	cp /bin/busybox "$root/"
	ldd /bin/busybox | grep -o '/[^ ]*' | while read -r file; do
		install -D "$file" "$root$file"
	done
	run -0 preloaded chroot "$root" /busybox env -i /busybox env
	assert_line --partial "executes /busybox: the library is not to be found at its path"
	refute_line --partial "LD_PRELOAD="
	TLSSHIM_PLAINTEXT=deny run -126 preloaded chroot "$root" /busybox echo started
	assert_line --partial "refuses to execute /busybox: the library is not to be found"
	refute_line started
}

# inside COMMAND...: with a file system of its own, where the library stands in
# /etc/ld.so.preload.
inside()
{
	cp -a /etc "$RUN_DIR/etc"
	echo "$LIBRARY" >"$RUN_DIR/etc/ld.so.preload"
	unshare -m sh -ec 'mount --bind "$0" /etc; exec "$@"' "$RUN_DIR/etc" "$@"
}

@test "of a library in /etc/ld.so.preload the settings alone are given back" {
	requires_root "mount"
	skip_if_sanitized "its runtime is in LD_PRELOAD as well"
	unshare -m true 2>/dev/null || skip "no mount namespace here"

	run -0 inside env -i TLSSHIM_PORTS=4711 env -i env
	refute_line --partial LD_PRELOAD=
	assert_line TLSSHIM_PORTS=4711
}
