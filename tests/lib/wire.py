#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The wire recorder: what passed between a client and a server.

    wire.py record DIR HOST:PORT [-6] [--shape RULES]
        A forwarder that any user may run: clients connect to the port that it
        writes to DIR/port, it connects to HOST:PORT and passes everything on,
        half-closes and resets included.  Of connection N (1, 2, ...) it keeps
        DIR/N.c2s and DIR/N.s2c, the two streams, and DIR/N.log, what happened
        when: "SECONDS DIRECTION EVENT...", where an event is data OFFSET
        LENGTH, fin or rst.  Bytes are written down before they are passed on.
        -6: listens on ::1 as well, at the same port.
        --shape: rules for what the server says, comma-separated:
            chunk=N         pass on at most N bytes at a time
            delay=SECONDS   wait this long before each chunk
            stall=N         pass on N bytes, then nothing any more
            stall-record=N  pass on N TLS records, then nothing any more
            close=N         pass on N bytes, then a FIN to the client
            reset=N         pass on N bytes, then a RST to the client

    wire.py check DIR [--marker TEXT]... [--connections N] [--live] [--client]
        Fails unless every stream is TLS records from its first byte to its
        last (which may be cut off in a record) and no marker appears in it.
        Waits until the client's side of each connection has ended, unless
        --live.  --client: only what the client said.

    wire.py info DIR [N]
        What the hellos of connection N (default: all) say, one line each:
        sni=NAME offered=VERSION,... version=VERSION cipher=NUMBER

    wire.py show DIR [N] [--hexdump BYTES]
        The records, in the order in which they passed.
"""
import argparse
import os
import re
import resource
import select
import socket
import struct
import sys
import time

from ports import announce, listeners

RECORD_TYPES = {20: "change_cipher_spec", 21: "alert", 22: "handshake",
                23: "application_data", 24: "heartbeat"}
VERSIONS = {0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2",
            0x0304: "TLSv1.3"}
RECORD_MAX = 16384 + 256
HELLO_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891"
                            "c2a211167abb8c5e079e09e2c8a8339c")
CHUNK = 65536
# With the handshake message that each begins with.
DIRECTIONS = ("c2s", 1), ("s2c", 2)


# Recording

class Shape:
    """The rules for one connection's server-to-client stream."""

    def __init__(self, rules):
        self.rules = {}
        for rule in filter(None, rules.split(",")):
            name, value = rule.split("=")
            if name not in ("chunk", "delay", "stall", "stall-record",
                            "close", "reset"):
                sys.exit(f"wire.py: no shape is called '{name}'")
            self.rules[name] = float(value) if name == "delay" else int(value)
        self.passed = 0
        self.seen = b""

    def limit(self, data):
        """How many bytes of data may pass now, and what to do after them."""
        rules = self.rules
        for name in ("stall", "close", "reset"):
            if name in rules and self.passed + len(data) >= rules[name]:
                return max(0, rules[name] - self.passed), name
        if "stall-record" in rules:
            self.seen += data
            end = records_end(self.seen, rules["stall-record"])
            if end is not None:
                return max(0, end - self.passed), "stall"
        return len(data), None


def records_end(data, count):
    """Where the count-th record ends, or None if it is not complete."""
    offset = 0
    for _ in range(count):
        if len(data) < offset + 5:
            return None
        offset += 5 + int.from_bytes(data[offset + 3:offset + 5], "big")
    return offset if len(data) >= offset else None


class Pipe:
    """One direction of a connection: reads a, writes down, sends to b."""

    def __init__(self, pair, name, a, b, shape):
        self.pair, self.name, self.a, self.b = pair, name, a, b
        self.shape = shape
        self.file = open(f"{pair.base}.{name}", "wb", buffering=0)
        self.offset = 0
        self.waiting = b""      # read, not sent yet
        self.not_before = 0.0   # delay: when the next chunk may go
        self.then = None        # what a shape wants after waiting is sent
        self.reading = True
        self.ended = False      # the FIN was passed on

    def wants_read(self):
        return self.reading and not self.waiting

    def wants_write(self):
        return bool(self.waiting) and (
            not self.not_before or time.monotonic() >= self.not_before)

    def read(self):
        try:
            data = self.a.recv(CHUNK)
        except BlockingIOError:
            return      # the other pipe's news were of this socket
        if not data:
            self.reading = False
            self.pair.log(self.name, "fin")
        else:
            self.file.write(data)
            self.pair.log(self.name, f"data {self.offset} {len(data)}")
            self.offset += len(data)
            if self.shape:
                keep, self.then = self.shape.limit(data)
                data = data[:keep]
            self.waiting = data
            if self.then:
                self.reading = False
        self.write()

    def write(self):
        while self.wants_write():
            rules = self.shape.rules if self.shape else {}
            chunk = self.waiting[:rules.get("chunk", CHUNK)]
            try:
                n = self.b.send(chunk)
            except BlockingIOError:
                return
            self.waiting = self.waiting[n:]
            if self.shape:
                self.shape.passed += n
            if "delay" in rules:
                self.not_before = time.monotonic() + rules["delay"]
        if self.waiting or self.reading or self.ended:
            return
        if self.then == "stall":
            return
        if self.then == "reset":
            raise ConnectionResetError
        self.ended = True
        try:
            self.b.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Pair:
    """One connection through the recorder."""

    def __init__(self, recorder, number, client, server):
        self.base = os.path.join(recorder.dir, str(number))
        self.recorder, self.client, self.server = recorder, client, server
        self.logfile = open(f"{self.base}.log", "w", buffering=1)
        self.start = time.monotonic()
        self.silent = set()
        self.pipes = [
            Pipe(self, "c2s", client, server, None),
            Pipe(self, "s2c", server, client, Shape(recorder.shape))]
        self.log("-", "open")

    def log(self, direction, event):
        self.logfile.write(
            f"{time.monotonic() - self.start:.6f} {direction} {event}\n")

    def step(self, sock, mask):
        """Something happened to sock."""
        try:
            for pipe in self.pipes:
                if pipe.a is sock and pipe.wants_read():
                    pipe.read()
                elif pipe.b is sock:
                    pipe.write()
            if mask & (select.EPOLLERR | select.EPOLLHUP):
                error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error:
                    raise OSError(error, "")
                # Both its directions have ended in order: no more news.
                self.silent.add(sock)
        except OSError:
            self.log("c2s" if sock is self.client else "s2c", "rst")
            self.reset()
            return
        if all(pipe.ended for pipe in self.pipes):
            self.close()
        else:
            self.recorder.watch(self)

    def reset(self):
        for sock in (self.client, self.server):
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                struct.pack("ii", 1, 0))
            except OSError:
                pass
        self.close()

    def close(self):
        self.recorder.forget(self)
        for pipe in self.pipes:
            pipe.file.close()
        self.client.close()
        self.server.close()
        self.logfile.close()


class Recorder:
    def __init__(self, args):
        self.dir = args.dir
        self.shape = args.shape
        Shape(self.shape)
        self.epoll = select.epoll()
        self.pairs = {}     # descriptor -> pair
        self.masks = {}     # descriptor -> what epoll was asked for
        host, port = args.to.rsplit(":", 1)
        self.to = (host.strip("[]"), int(port))
        self.count = 0
        self.listeners = {}
        for listener in listeners(args.ipv6):
            self.listeners[listener.fileno()] = listener
            self.epoll.register(listener, select.EPOLLIN)
            self.port = listener.getsockname()[1]

    def watch(self, pair):
        """Asks epoll for what the pair can make use of; it reports resets
        (ERR, HUP) unasked."""
        masks = {pair.client: 0, pair.server: 0}
        for pipe in pair.pipes:
            if pipe.wants_read():
                masks[pipe.a] |= select.EPOLLIN
            if pipe.wants_write():
                masks[pipe.b] |= select.EPOLLOUT
        for sock, mask in masks.items():
            fd = sock.fileno()
            self.pairs[fd] = pair
            known = self.masks.get(fd)
            if sock in pair.silent and not mask:
                self.unwatch(fd)
            elif known is None:
                self.epoll.register(fd, mask)
                self.masks[fd] = mask
            elif known != mask:
                self.epoll.modify(fd, mask)
                self.masks[fd] = mask

    def unwatch(self, fd):
        if self.masks.pop(fd, None) is not None:
            self.epoll.unregister(fd)

    def forget(self, pair):
        for sock in (pair.client, pair.server):
            self.unwatch(sock.fileno())
            self.pairs.pop(sock.fileno(), None)

    def accept(self, listener):
        client, _ = listener.accept()
        self.count += 1
        try:
            server = socket.create_connection(self.to, timeout=30)
        except OSError:
            self.refuse(client)
            return
        for sock in (client, server):
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.watch(Pair(self, self.count, client, server))

    def refuse(self, client):
        """The server cannot be had: a connection all the same, of no byte."""
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
        client.close()
        base = os.path.join(self.dir, str(self.count))
        for name, text in (("c2s", ""), ("s2c", ""),
                           ("log", "0.000000 - open\n0.000000 s2c rst\n")):
            with open(f"{base}.{name}", "w") as file:
                file.write(text)

    def run(self):
        announce(os.path.join(self.dir, "port"), self.port)
        while True:
            delayed = {pipe for pair in self.pairs.values()
                       for pipe in pair.pipes
                       if pipe.not_before and pipe.waiting} \
                if "delay" in self.shape else ()
            timeout = None
            if delayed:
                soonest = min(pipe.not_before for pipe in delayed)
                timeout = max(0, soonest - time.monotonic())
            for fd, mask in self.epoll.poll(timeout):
                if fd in self.listeners:
                    self.accept(self.listeners[fd])
                elif fd in self.pairs:
                    pair = self.pairs[fd]
                    pair.step(pair.client if pair.client.fileno() == fd
                              else pair.server, mask)
            for pipe in delayed:
                if pipe.b.fileno() in self.pairs and pipe.wants_write():
                    pipe.pair.step(pipe.b, 0)


# Reading what was recorded

class NotTls(Exception):
    pass


def records(data):
    """(offset, type, version, length, body) of each record.  The last may be
    cut off; anything that is no record raises NotTls."""
    offset = 0
    while offset < len(data):
        head = data[offset:offset + 5]
        if head[0] not in RECORD_TYPES:
            raise NotTls(f"byte {offset}: {head[0]} is no record type")
        if len(head) > 1 and head[1] != 3 or \
                len(head) > 2 and not 1 <= head[2] <= 4:
            raise NotTls(f"byte {offset + 1}: {head[1:3].hex()} is no version")
        if len(head) < 5:
            return
        length = int.from_bytes(head[3:5], "big")
        if not 1 <= length <= RECORD_MAX:
            raise NotTls(f"byte {offset + 3}: a record of {length} bytes")
        yield (offset, head[0], int.from_bytes(head[1:3], "big"), length,
               data[offset + 5:offset + 5 + length])
        offset += 5 + length


def hellos(data):
    """The handshake messages that are in the clear: (type, body)."""
    stream = b""
    for _, kind, _, _, body in records(data):
        if kind not in (20, 22):
            break
        if kind == 22:
            stream += body
    while len(stream) >= 4:
        length = int.from_bytes(stream[1:4], "big")
        kind = stream[0]
        body, stream = stream[4:4 + length], stream[4 + length:]
        if kind not in (1, 2) or len(body) < length:
            break
        yield kind, body


def extensions(data):
    found = {}
    if len(data) < 2:
        return found
    data = data[2:2 + int.from_bytes(data[:2], "big")]
    while len(data) >= 4:
        kind, length = struct.unpack(">HH", data[:4])
        found[kind] = data[4:4 + length]
        data = data[4 + length:]
    return found


def version_name(number):
    return VERSIONS.get(number, f"0x{number:04x}")


def client_hello(body):
    rest = body[34:]
    rest = rest[1 + rest[0]:]                             # session id
    rest = rest[2 + int.from_bytes(rest[:2], "big"):]     # ciphers
    rest = rest[1 + rest[0]:]                             # compression
    found = extensions(rest)
    sni = ""
    if 0 in found:
        sni = found[0][5:].decode("ascii", "backslashreplace")
    offered = [int.from_bytes(body[:2], "big")]
    if 43 in found:
        raw = found[43][1:]
        offered = [int.from_bytes(raw[i:i + 2], "big")
                   for i in range(0, len(raw), 2)]
    return sni, offered


def server_hello(body):
    rest = body[34:]
    rest = rest[1 + rest[0]:]
    cipher = int.from_bytes(rest[:2], "big")
    version = int.from_bytes(body[:2], "big")
    found = extensions(rest[3:])
    if 43 in found:
        version = int.from_bytes(found[43], "big")
    return version, cipher, body[2:34] == HELLO_RETRY


def describe(directory, number):
    words = {"sni": "", "offered": "", "version": "", "cipher": ""}
    for kind, body in hellos(stream(directory, number, "c2s")):
        if kind == 1:
            sni, offered = client_hello(body)
            words["sni"] = sni
            words["offered"] = ",".join(map(version_name, offered))
    for kind, body in hellos(stream(directory, number, "s2c")):
        if kind == 2:
            version, cipher, retry = server_hello(body)
            if not retry:
                words["version"] = version_name(version)
                words["cipher"] = f"0x{cipher:04x}"
    return " ".join(f"{key}={value}" for key, value in words.items())


def numbers(directory):
    return sorted(int(name[:-4]) for name in os.listdir(directory)
                  if re.fullmatch(r"\d+\.log", name))


def stream(directory, number, direction):
    with open(os.path.join(directory, f"{number}.{direction}"), "rb") as file:
        return file.read()


def log(directory, number):
    with open(os.path.join(directory, f"{number}.log")) as file:
        return file.read()


def wait_for_end(directory, number):
    """Until the client has said all, or ten seconds have passed."""
    deadline = time.monotonic() + 10
    while not re.search(r"c2s fin|rst", log(directory, number)):
        if time.monotonic() > deadline:
            sys.exit(f"wire.py: connection {number} is still open after 10 s;"
                     " check --live looks at what has passed so far")
        time.sleep(0.01)


def check(args):
    found = numbers(args.dir)
    if args.connections is not None and len(found) != args.connections:
        sys.exit(f"wire.py: {len(found)} connections were recorded, "
                 f"not {args.connections}")
    if args.connections is None and not found:
        sys.exit("wire.py: no connection was recorded")
    for number in found:
        if not args.live:
            wait_for_end(args.dir, number)
        for direction, first in DIRECTIONS[:1 if args.client else 2]:
            check_stream(f"connection {number}, {direction}",
                         stream(args.dir, number, direction), first,
                         args.marker)


def check_stream(what, data, first, markers):
    for marker in markers:
        at = data.find(marker.encode())
        if at >= 0:
            sys.exit(f"wire.py: {what}: '{marker}' in the clear at byte {at}")
    try:
        found = list(records(data))
    except NotTls as error:
        sys.exit(f"wire.py: {what}: not TLS: {error}: {data[:64]!r}...")
    if found:
        _, kind, _, _, body = found[0]
        hello = kind == 22 and (not body or body[0] == first)
        if not hello and not (first == 2 and kind == 21):
            sys.exit(f"wire.py: {what}: does not begin with a hello")


def info(args):
    for number in [args.n] if args.n else numbers(args.dir):
        print(describe(args.dir, number))


def show(args):
    arrows = {"c2s": "client -> server", "s2c": "server -> client"}
    for number in [args.n] if args.n else numbers(args.dir):
        print(f"connection {number}: {describe(args.dir, number)}")
        seen = {name: list(records(stream(args.dir, number, name)))
                for name in arrows}
        for line in log(args.dir, number).splitlines():
            _, direction, event, *rest = line.split(" ")
            if event in ("fin", "rst"):
                print(f"  {arrows[direction]}  {event.upper()}")
            if event != "data":
                continue
            end = int(rest[0]) + int(rest[1])
            # A record is shown when its last byte passes.
            while seen[direction] and end >= seen[direction][0][0] + 5 + \
                    len(seen[direction][0][4]):
                offset, kind, version, length, body = seen[direction].pop(0)
                cut = "" if len(body) == length else ", cut off"
                print(f"  {arrows[direction]}  {RECORD_TYPES[kind]:18} "
                      f"{length:5} bytes{cut}")
                if args.hexdump:
                    raw = stream(args.dir, number, direction)
                    hexdump(raw[offset:offset + min(args.hexdump, 5 + length)])
                    args.hexdump = 0


def hexdump(data):
    for i in range(0, len(data), 16):
        row = data[i:i + 16]
        text = "".join(chr(c) if 32 <= c < 127 else "." for c in row)
        print(f"      {i:04x}  {row.hex(' '):47}  {text}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    sub = commands.add_parser("record")
    sub.add_argument("dir")
    sub.add_argument("to")
    sub.add_argument("-6", dest="ipv6", action="store_true")
    sub.add_argument("--shape", default="")
    sub.set_defaults(run=lambda args: Recorder(args).run())
    sub = commands.add_parser("check")
    sub.add_argument("dir")
    sub.add_argument("--marker", action="append", default=[])
    sub.add_argument("--connections", type=int)
    sub.add_argument("--live", action="store_true")
    sub.add_argument("--client", action="store_true")
    sub.set_defaults(run=check)
    sub = commands.add_parser("info")
    sub.add_argument("dir")
    sub.add_argument("n", type=int, nargs="?")
    sub.set_defaults(run=info)
    sub = commands.add_parser("show")
    sub.add_argument("dir")
    sub.add_argument("n", type=int, nargs="?")
    sub.add_argument("--hexdump", type=int, default=0)
    sub.set_defaults(run=show)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
