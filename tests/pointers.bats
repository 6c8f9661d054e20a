#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Pointers, flags and lengths that the kernel refuses: the same errors, by
# libc's names and by syscall(2), and nothing has changed after them.

load lib/oracle

@test "bad pointers on a TCP socket that is not connected" {
	same pointers fresh
}

@test "bad pointers on a UDP socket" {
	same pointers datagram
}

@test "bad pointers, flags and lengths on a connection" {
	same pointers connected
}

@test "listen and bind on a connection that is being made" {
	same pointers connecting
}

@test "sendmsg with a bad pointer and no settings at all" {
	run -0 env -u TLSSHIM_PORTS LD_PRELOAD="$BUILD_DIR/libtlsshim.so" \
		"$PYTHON" -c '
import ctypes, socket
libc = ctypes.CDLL(None, use_errno=True)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print(libc.sendmsg(s.fileno(), ctypes.c_void_p(8), 0), ctypes.get_errno())'
	assert_output "-1 14"
}
