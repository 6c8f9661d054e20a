# SPDX-License-Identifier: MIT
"""Listening sockets whose ports the kernel chose, and telling them."""
import errno
import os
import socket


def listeners(ipv6):
    """Listening sockets on 127.0.0.1 and, if asked for and there is IPv6, on
    ::1 at the same port."""
    while True:
        found = [socket.create_server(("127.0.0.1", 0), backlog=1024)]
        if not ipv6:
            return found
        try:
            found.append(socket.create_server(
                ("::1", found[0].getsockname()[1]), family=socket.AF_INET6,
                backlog=1024))
            return found
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return found    # a machine without IPv6
            found[0].close()


def announce(path, text):
    """Writes a file that is there whole or not at all."""
    with open(path + ".new", "w") as file:
        file.write(f"{text}\n")
    os.rename(path + ".new", path)
