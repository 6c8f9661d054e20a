#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A native TLS client, to prove servers and recorder without the shim.

    tlsclient.py CAFILE NAME PORT TEXT

Says TEXT, half-closes, prints what comes.
"""
import socket
import ssl
import sys

cafile, name, port, text = sys.argv[1:]
context = ssl.create_default_context(cafile=cafile)
raw = socket.create_connection(("127.0.0.1", int(port)))
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = context.wrap_bio(incoming, outgoing, server_hostname=name)


def pump(call):
    while True:
        try:
            return call()
        except ssl.SSLWantReadError:
            raw.sendall(outgoing.read())
            data = raw.recv(65536)
            if data:
                incoming.write(data)
            else:
                incoming.write_eof()
        except ssl.SSLZeroReturnError:
            return b""


pump(tls.do_handshake)
tls.write(text.encode())
raw.sendall(outgoing.read())
try:
    tls.unwrap()
except ssl.SSLWantReadError:
    pass
raw.sendall(outgoing.read())
while True:
    data = pump(lambda: tls.read(65536))
    if not data:
        break
    sys.stdout.write(data.decode("latin-1"))
