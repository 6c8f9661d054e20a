# SPDX-License-Identifier: MIT
"""A SOCKS5 server (RFC 1928) without authentication, for tests of proxies.

    socks.py DIR

Whatever address or name it is asked for, it connects to that port of this
host.  Writes its own port to DIR/port, and what it was asked for, a line
"HOST PORT" each, to DIR/asked.
"""

import os
import socket
import struct
import sys
import threading


def exactly(sock, n):
    data = b""
    while len(data) < n:
        more = sock.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def asked_for(client):
    """The host and the port of a request to connect."""
    _, methods = exactly(client, 2)
    exactly(client, methods)
    client.sendall(b"\5\0")
    _, command, _, kind = exactly(client, 4)
    assert command == 1
    if kind == 1:
        host = socket.inet_ntoa(exactly(client, 4))
    else:
        host = exactly(client, exactly(client, 1)[0]).decode()
    return host, struct.unpack("!H", exactly(client, 2))[0]


def serve(client, log):
    try:
        host, port = asked_for(client)
    except (EOFError, OSError):
        return
    os.write(log, f"{host} {port}\n".encode())
    server = socket.create_connection(("127.0.0.1", port))
    client.sendall(b"\5\0\0\1\x7f\0\0\1" + struct.pack("!H", port))
    other = threading.Thread(target=pump, args=(client, server), daemon=True)
    other.start()
    pump(server, client)
    other.join()


def main(folder):
    log = os.open(f"{folder}/asked", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    listener = socket.create_server(("127.0.0.1", 0))
    with open(f"{folder}/port.new", "w") as file:
        file.write(str(listener.getsockname()[1]))
    os.rename(f"{folder}/port.new", f"{folder}/port")
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, log), daemon=True).start()


main(sys.argv[1])
