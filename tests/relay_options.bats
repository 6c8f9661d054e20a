#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Options that a program sets on a connection after it was handed over: they are
# meant for the socket that leads to the peer, which the relay has.

load lib/helpers

setup()
{
	unset "${!TLSSHIM_@}"
	cat >"$RUN_DIR/options.py" <<-'PY'
	import os, socket, subprocess, sys, time

	def set_keepalive(s):
	    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
	    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5000)

	# Hundredths of a second until the keep-alive timer of the socket whose
	# peer has this port: proc_net_tcp(5), "tr" and "tm->when".
	def timer(port):
	    for line in open("/proc/net/tcp"):
	        words = line.split()
	        if words[2].endswith(":%04X" % port):
	            kind, when = words[5].split(":")
	            return int(when, 16) if kind == "02" else 0
	    return 0

	def wait_for_timer(port):
	    end = time.monotonic() + 20
	    while not 400000 < timer(port) <= 500000 and time.monotonic() < end:
	        time.sleep(0.01)
	    print("follows" if timer(port) > 400000 else "stays")

	def in_itself(s):
	    set_keepalive(s)

	# The kernel takes an int of whatever length it is said to have.
	def with_long_values(s):
	    def long(value):
	        return value.to_bytes(4, sys.byteorder) + bytes(1000)
	    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, long(1))
	    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, long(5000))

	def in_copy(s):
	    if os.fork() == 0:
	        set_keepalive(s)
	        os._exit(0)
	    os.wait()

	def in_program(s):
	    subprocess.run([sys.executable, __file__, "child", str(s.fileno())],
	                   pass_fds=[s.fileno()], check=True)

	def in_program_of_program(s):
	    subprocess.run(["/bin/sh", "-c", 'exec "$0" "$@"', sys.executable,
	                    __file__, "child", str(s.fileno())],
	                   pass_fds=[s.fileno()], check=True)

	if sys.argv[1] == "child":
	    set_keepalive(socket.socket(fileno=int(sys.argv[2])))
	    sys.exit()
	port = int(sys.argv[2])
	s = socket.create_connection(("127.0.0.1", port))
	os.set_inheritable(s.fileno(), True)
	os.dup2(s.fileno(), 0)
	globals()[sys.argv[1]](s)
	wait_for_timer(port)
	s.sendall(b"word")
	print(s.recv(4))
	PY
}

# follows WHERE: set there, keep-alive is the relay's socket's.
follows()
{
	start_server tlsserver localhost handshake echo
	run -0 shim "$PYTHON" "$RUN_DIR/options.py" "$1" "$PORT"
	assert_output "follows
b'word'"
	assert_log "handed over to a relay"
}

@test "keep-alive that the program sets itself follows" {
	follows in_itself
}

@test "an option that is said to be longer than it is follows" {
	follows with_long_values
}

@test "keep-alive that a copy of the process sets follows" {
	follows in_copy
}

@test "keep-alive that a program sets which inherits the connection follows" {
	follows in_program
	follows in_program_of_program
}

# 10.9.9.9 is this host until it goes away, without a word.
@test "a peer that is dead is noticed by options that were set later" {
	requires_root "make a network"
	mkdir -p "$CA_DIR"
	make_ca
	cat >"$RUN_DIR/dead.py" <<-'PY'
	import errno, fcntl, os, socket, ssl, struct, sys

	def ifreq(request, name, flags=None):
	    data = struct.pack("16sH", name, flags) if flags is not None else \
	        struct.pack("16sHH4s", name, socket.AF_INET, 0,
	                    socket.inet_aton("10.9.9.9"))
	    fcntl.ioctl(control, request, data.ljust(40, b"\0"))

	SIOCSIFFLAGS, SIOCSIFADDR, IFF_UP = 0x8914, 0x8916, 1
	control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	ifreq(SIOCSIFFLAGS, b"lo", IFF_UP)
	ifreq(SIOCSIFADDR, b"lo:1")
	listener = socket.create_server(("10.9.9.9", 0))
	server = os.fork()
	if server == 0:
	    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
	    context.load_cert_chain(sys.argv[1] + ".pem", sys.argv[1] + ".key")
	    s = context.wrap_socket(listener.accept()[0], server_side=True)
	    s.sendall(b"hello")
	    s.recv(1)
	    os._exit(0)
	s = socket.create_connection(listener.getsockname())
	os.dup2(s.fileno(), 0)
	print(s.recv(5), flush=True)
	s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
	for name in "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT":
	    s.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), 1)
	ifreq(SIOCSIFFLAGS, b"lo:1", 0)
	s.settimeout(30)
	try:
	    print(s.recv(5))
	except OSError as error:
	    print(errno.errorcode.get(error.errno, error))
	os.kill(server, 9)
	PY
	TLSSHIM_PORTS=1-65535 TLSSHIM_SERVER_NAME=localhost \
		TLSSHIM_CA_FILE=$CA_DIR/ca.pem run shim unshare -n setpriv --pdeathsig KILL \
		"$PYTHON" "$RUN_DIR/dead.py" "$CA_DIR/localhost"
	assert_output "b'hello'
ECONNRESET"
	assert_log "connection broken: .*timed out"
}
