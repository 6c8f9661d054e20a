#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Programs that make no selected connection do not notice the shim: same
# output, same exit status, same descriptors, no OpenSSL, no system call more.

load lib/helpers

# Every test runs without settings and with ports selected.
settings=("" "TLSSHIM_PORTS=1-65535")

# preloaded COMMAND...: under the shim alone, none of the tests' own settings.
preloaded()
{
	local SHIM

	shim_env
	timeout -k 5 60 env "${SHIM[0]/ $BUILD_DIR\/lib\/hosts.so/}" \
		"${SHIM[@]:2:3}" ${setting:+"$setting"} "$@"
}

# same COMMAND...: says the same and ends the same with and without the shim.
same()
{
	local setting status=0 expected=0

	timeout -k 5 60 "$@" >"$RUN_DIR/plain.1" 2>"$RUN_DIR/plain.2" || expected=$?
	for setting in "${settings[@]}"; do
		status=0
		preloaded "$@" >"$RUN_DIR/shim.1" 2>"$RUN_DIR/shim.2" || status=$?
		diff "$RUN_DIR/plain.1" "$RUN_DIR/shim.1"
		diff "$RUN_DIR/plain.2" "$RUN_DIR/shim.2"
		assert_equal "$status" "$expected"
	done
}

@test "/bin/true, false and echo" {
	same /bin/true
	same /bin/false
	same echo "$MARKER"
}

@test "a shell with pipes, redirections, children and traps" {
	same sh -c 'echo one | tr a-z A-Z; (exit 3); echo $?; exec 5>&1; echo two >&5
		trap "echo bye" EXIT; sh -c "kill -9 \$\$" 2>/dev/null; echo $?; exit 7'
	same bash -c 'coproc cat; echo hi >&"${COPROC[1]}"; read -r x <&"${COPROC[0]}"
		echo "$x"; kill $!; wait; mapfile -t a < <(seq 1000); echo "${#a[@]}"'
}

@test "a make with parallel jobs" {
	cat >"$RUN_DIR/Makefile" <<-'MAKE'
	all: a b c
	a b c: ; @sleep 0.01; echo $@ >$@.out; cat $@.out
	MAKE
	same make -s --no-print-directory -Oline -C "$RUN_DIR" all
	same make -s -j4 -C "$RUN_DIR" a
}

@test "python3: files, threads, children, sockets among themselves" {
	same "$PYTHON" -c '
import os, select, socket, subprocess, threading
a, b = socket.socketpair()
t = threading.Thread(target=lambda: b.sendall(b.recv(100).upper()))
t.start(); a.sendall(b"text"); print(a.recv(100)); t.join()
print(subprocess.run(["sh", "-c", "echo child; exit 5"], capture_output=True))
r, w = os.pipe(); os.write(w, b"x"); print(select.select([r], [], [], 1) == ([r], [], []))
os.dup2(w, 100); os.write(100, b"yz"); print(os.read(r, 10)); os.close(100)
p = os.fork()
if p == 0: os._exit(9)
print(os.waitpid(p, 0)[1])
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("127.0.0.1", 0))
v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); v.connect(u.getsockname())
v.send(b"datagram"); print(u.recv(100))
print(sorted(os.listdir("/proc/self/fd")))
os.closerange(3, 5000)
try: os.close(50)
except OSError as e: print(e)
'
}

@test "perl and busybox" {
	same perl -e 'open my $f, "-|", "echo from a child" or die; print <$f>; exit 4'
	same busybox sh -c 'seq 3 | while read i; do echo $i; done; exit 2'
}

@test "the same descriptors are open" {
	same sh -c 'ls /proc/self/fd; exec ls -1 /proc/self/fd'
	same "$PYTHON" -c 'import os; print(os.listdir("/proc/self/fd"))'
}

@test "the environment is left as it is" {
	run -0 preloaded "$PYTHON" -c 'import os; print("LD_PRELOAD" in os.environ)'
	assert_output True
	same sh -c 'env | grep -v -e LD_PRELOAD -e TLSSHIM -e _OPTIONS= -e ^_= | sort'
}

@test "plain servers and clients of unselected ports" {
	start_server tlsserver localhost http
	setting=TLSSHIM_PORTS=1
	run -0 preloaded curl -sS "http://127.0.0.1:$PORT/say/$MARKER"
	assert_output "$MARKER"
	run -0 preloaded nc.openbsd -N 127.0.0.1 "$PORT" <<<$'GET /say/hello HTTP/1.0\n'
	assert_output --partial hello
}

# To a server of its own; registers, changes and waits again and again.
event_loop()
{
	preloaded strace -f -o "$RUN_DIR/trace" "$PYTHON" -c '
import select, socket
with socket.create_server(("127.0.0.1", 0)) as listener:
    a = socket.create_connection(listener.getsockname())
    b, _ = listener.accept()
with select.epoll() as events:
    for i in range(100):
        events.register(a, select.EPOLLOUT)
        events.poll()
        a.send(b"x")
        events.register(b, select.EPOLLIN)
        events.modify(a, 0)
        events.poll()
        b.recv(1)
        events.unregister(a)
        events.unregister(b)
' </dev/null
	# Python's start makes hundreds of newfstatat, and ours makes one.
	awk -F '[ (]+' '{ n[$2]++ } END { for (c in n)
		if (n[c] >= 100 && c != "newfstatat") print c, n[c] }' \
		"$RUN_DIR/trace" | sort
}

@test "an event loop without selected connections makes the calls that it makes" {
	skip_if_sanitized "it makes system calls of its own"
	setting=
	event_loop >"$RUN_DIR/expected"
	assert_file_contains "$RUN_DIR/expected" "epoll_wait 200"
	setting=TLSSHIM_PORTS=1
	event_loop >"$RUN_DIR/made"
	diff "$RUN_DIR/expected" "$RUN_DIR/made"
}

@test "no OpenSSL is mapped, and no engine, before a selected connect" {
	for setting in "${settings[@]}"; do
		run -0 preloaded cat /proc/self/maps
		assert_output --partial libtlsshim.so
		refute_output --regexp 'libssl|libcrypto|engine\.so'
	done
}

# With ports: the memory for names and for what children are given back, which
# file the library is, and at the end whether this is the first process of a
# container, which lets relays finish.
@test "no system call more: none without settings, four with ports" {
	skip_if_sanitized "it makes system calls of its own"
	strace -o "$RUN_DIR/plain" /bin/true
	for setting in "${settings[@]}"; do
		preloaded strace -o "$RUN_DIR/trace" true
		# strace runs under the shim too, but only true is traced.
		after_loading "$RUN_DIR/plain" >"$RUN_DIR/expected"
		after_loading "$RUN_DIR/trace" >"$RUN_DIR/made"
		if [[ -n $setting ]]; then
			printf 'mmap\nmmap\nnewfstatat\ngetpid\n' >>"$RUN_DIR/expected"
		fi
		diff <(sort "$RUN_DIR/expected") <(sort "$RUN_DIR/made")
	done
}

# Each child would do it again, and fault the dynamic linker's pages in for it.
@test "what a forked child mostly calls is looked up in its parent" {
	skip_if_sanitized "it has its own _exit()"
	for setting in "${settings[@]}"; do
		run -0 preloaded env LD_DEBUG=symbols \
			LD_DEBUG_OUTPUT="$RUN_DIR/debug" "$PYTHON" -c '
import os
child = os.fork() or os._exit(0)
os.waitpid(child, 0)
print(os.getpid(), child)'
		read -r parent child <<<"$output"
		run -0 sed -nE 's/^ *([0-9]+):.*symbol=(execve|_exit);.*libc\.so.*/\1 \2/p' \
			"$RUN_DIR/debug.$parent"
		assert_line "$parent execve"
		assert_line "$parent _exit"
		refute_line --partial "$child "
	done
}

# The names of the calls that follow the loader's last one, which unmaps its
# cache.
after_loading()
{
	awk -F '(' '{ calls[++n] = $1 } $1 == "munmap" && !last { last = n }
		END { for (i = last + 1; i <= n; i++) print calls[i] }' "$1"
}

@test "a program that was told nothing by the shim is told nothing in its log" {
	for setting in "${settings[@]}"; do
		run -0 preloaded sh -c 'true; ls / >/dev/null'
		assert_output ""
	done
}
