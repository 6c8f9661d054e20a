#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The peer of the oracle's programs (tests/prog/oracle.h): a TCP or TLS server
that the program under test itself tells what to do, step by step.

    peer.py DIR CERT

Listens on the unix socket DIR/peer.  Each connection to it is one session, of
one run of one program: the first line says "NAME plain" or "NAME tls", and the
answer is the port of a listening socket of its own.  Then one command a line:

    [@N] COMMAND    to connection N (default: the latest); the answer comes
                    when it is done
    &COMMAND        the answer comes at once, it is done after what that
                    connection has yet to do
    uncounted       how much came is not told in the end: how much a kernel
                    takes at once is not the same on TLS
    count           how many connections there were
    echoing         connections made from now on echo what they get
    manual          connections made from now on do not handshake by themselves
    held            session tickets are kept back until the command tickets
    drop            close the listening socket

The commands of a connection are the steps of tlsserver.py that say and read,
and those at the end of class Connection.  Everything that says something ends
only when the program's kernel has all of it, so that "nothing can be read" is
a fact and not a matter of time.

When the session ends, DIR/NAME.said tells what each connection got: bytes,
their sum, and how it ended; in TLS all of the wire must have been records.
"""
import collections
import fcntl
import os
import queue
import select
import socket
import ssl
import struct
import sys
import threading
import time

import tlsserver
import wire

SIOCOUTQ = 0x5411
TCP_CLOSE = 7


class Connection(tlsserver.Peer):
    """One connection; what it has to do stands in a queue, for its thread."""

    def __init__(self, session, sock, client, number):
        super().__init__(session.server, sock, number)
        self.session, self.client = session, client
        self.todo = session.todo[number]
        self.to_wire, self.from_wire = bytearray(), bytearray()
        self.said, self.got = b"", b""
        self.held = b""
        self.closed = False
        self.errors = []    # what a program may not have waited for

    def report(self, event, **words):
        pass

    # The wire, recorded

    def put(self, data):
        self.to_wire += data
        self.sock.sendall(data)

    def take(self):
        data = self.sock.recv(262144)
        self.from_wire += data
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()
        return len(data)

    def flush(self):
        if self.session.hold and self.tls and self.tls.version():
            self.held += self.outgoing.read()
        else:
            super().flush()

    def settle(self):
        """Until the other side's kernel has all that was said."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and not self.closed:
            left = fcntl.ioctl(self.sock, SIOCOUTQ, b"\0\0\0\0")
            state = self.sock.getsockopt(
                socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
            if struct.unpack("i", left)[0] == 0 or state == TCP_CLOSE:
                return
            time.sleep(0.0005)

    def send(self, data, size=tlsserver.RECORD):
        self.said = self.said or data[:64]
        super().send(data, size)

    def recv(self):
        data = super().recv()
        self.got = self.got or data[:64]
        return data

    # Commands beyond tlsserver's steps

    def step_recv(self, arg):
        return self.recv_exactly(int(arg)).decode("latin-1")

    def step_skip(self, arg):
        """Reads N bytes, answers whether they are the pattern's."""
        n = int(arg)
        start = self.bytes - len(self.buffer)
        same = True
        while n:
            data = self.recv()
            data, self.buffer = data[:n], data[n:] + self.buffer
            same = same and data == tlsserver.pattern(start, len(data))
            start += len(data)
            n -= len(data)
        return "pattern" if same else "something else"

    def step_part(self, arg):
        """All but the last byte of a record; of plain TCP, nothing."""
        data = self.encrypt(tlsserver.unescape(arg))
        self.kept_back = data
        if self.tls:
            self.put(data[:-1])
            self.kept_back = data[-1:]

    def step_trickle(self, _):
        """A record, byte by byte; of plain TCP, all of it at the end."""
        data = self.encrypt(b"trickle")
        for i in range(40):
            if self.tls:
                self.put(data[i // 2:(i + 1) // 2])
            time.sleep(0.025)
        self.put(data[20:] if self.tls else data)

    def step_raw_end(self, _):
        """Waits for the end of TCP."""
        self.drain_raw()
        self.sock.close()
        self.closed = True
        self.end = "ended"
        return self.end

    def step_full_duplex(self, arg):
        """Says N bytes of the pattern while it reads as many."""
        left = int(arg)
        self.sock.setblocking(False)
        to_say = b""
        while left or to_say or self.bytes < int(arg):
            if not to_say and left:
                n = min(left, tlsserver.RECORD)
                to_say = self.encrypt(tlsserver.pattern(self.patterned, n))
                self.patterned += n
                left -= n
            reads, writes, _ = select.select(
                [self.sock], [self.sock] if to_say else [], [])
            if writes:
                to_say = to_say[self.sock.send(to_say):]
            if reads:
                self.take_plain()
        self.sock.setblocking(True)

    def take_plain(self):
        """What can be had now."""
        try:
            if self.tls:
                self.take()
            while True:
                data = self.tls.read(65536) if self.tls else \
                    self.sock.recv(65536)
                if not data:
                    break
                self.bytes += len(data)
                self.sha256.update(data)
        except (ssl.SSLWantReadError, BlockingIOError):
            pass

    def step_tickets(self, _):
        data, self.held = self.held, b""
        self.session.hold = False
        self.put(data)

    def step_end(self, _):
        """Waits for the end of what the program says: how was it?"""
        self.step_read(None)
        return self.how()

    def step_finish(self, _):
        """The proper end of this side."""
        self.notify()
        self.sock.shutdown(socket.SHUT_WR)

    def step_cut(self, _):
        """An end that TLS must not take for one: FIN alone."""
        self.notified = True
        self.sock.shutdown(socket.SHUT_WR)

    def step_reset(self, _):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.sock.close()
        self.closed = True
        self.end = self.end or "reset it"

    def step_close(self, _):
        self.notify()
        self.sock.close()
        self.closed = True
        self.end = self.end or "closed it"

    def step_client(self, _):
        return self.client[0] + " " + str(self.client[1])

    def step_so_far(self, _):
        return str(self.bytes)

    def step_hello(self, _):
        """The client has said something; the handshake is still to come."""
        if self.session.tls:
            self.sock.recv(1, socket.MSG_PEEK)

    def step_nothing(self, _):
        pass

    def how(self):
        """The end in words that are the same for TLS and for TCP."""
        if self.end == "close_notify" or self.end == "fin" and not self.tls:
            return "end"
        return "cut off" if self.end == "fin" else self.end or "still open"

    # The thread

    def run(self):
        if self.auto:
            self.do("handshake")
        if self.session.echoing:
            self.do("echo")
        while True:
            command, answer = self.todo.get()
            if command is None:
                break
            answer.put(self.do(command))
        self.finish()

    def do(self, command):
        name, _, arg = command.partition(" ")
        try:
            text = getattr(self, "step_" + name)(arg) or ""
            if not self.closed:
                self.settle()
        except tlsserver.Ended:
            text = "ended: " + self.how()
        except Exception as error:
            text = f"!{command}: {type(error).__name__}: {error}"
            self.errors.append(text)
        return text

    def finish(self):
        """The program is gone: hear the rest, and how it ended."""
        if self.closed:
            return
        self.sock.settimeout(10)
        try:
            if self.tls or not self.session.tls:
                self.step_read(None)
            else:
                self.drain_raw()
        except (OSError, ssl.SSLError) as error:
            self.end = self.end or f"{type(error).__name__}: {error}"
        self.sock.close()

    def verdict(self):
        bytes = f"{self.bytes} bytes {self.sha256.hexdigest()[:16]}"
        if self.session.uncounted:
            bytes = "some bytes"
        lines = [f"peer: {bytes} {self.how()}"] + self.errors
        if self.session.tls:
            lines += self.problems()
        return lines

    def problems(self):
        for name, data in ("to", self.to_wire), ("from", self.from_wire):
            try:
                for _ in wire.records(data):
                    pass
            except wire.NotTls as error:
                yield f"wire {name} the program: {error}"
            for text in self.said, self.got:
                if len(text) >= 8 and text[:16] in data:
                    yield f"wire {name} the program: plaintext {text[:16]}"


class Session:
    """One run of one program."""

    def __init__(self, server, control):
        self.server, self.control = server, control.makefile("rw")
        self.name, kind = self.control.readline().split()
        self.tls = kind == "tls"
        self.auto, self.hold = True, False
        self.uncounted = self.echoing = False
        self.connections = []
        # What each connection has to do, those to come included.
        self.todo = collections.defaultdict(queue.Queue)
        self.changed = threading.Condition()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.listener.setblocking(False)

    def accept(self):
        while self.is_wanted(None):
            with self.changed:
                try:
                    sock, client = self.listener.accept()
                except BlockingIOError:
                    continue
                except OSError:
                    return
                sock.setblocking(True)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                c = Connection(self, sock, client,
                               len(self.connections) + 1)
                c.auto = self.tls and self.auto
                c.thread = threading.Thread(target=c.run, daemon=True)
                c.thread.start()
                self.connections.append(c)
                self.changed.notify_all()

    def is_wanted(self, timeout):
        """Is there a connection to accept?"""
        try:
            return select.select([self.listener], [], [], timeout)[0]
        except (OSError, ValueError):
            return []

    def connection(self, number):
        """That one, when it is there; it may not be accepted yet."""
        while self.is_wanted(0):
            time.sleep(0.0005)
        with self.changed:
            self.changed.wait_for(
                lambda: len(self.connections) >= max(number, 1), 10)
            return self.connections[number - 1]

    def drop(self):
        """No more connections; wakes accept()."""
        with self.changed:
            if self.listener.fileno() >= 0:
                self.listener.shutdown(socket.SHUT_RDWR)
                self.listener.close()

    def command(self, line):
        number = 0
        wait = not line.startswith("&")
        line = line.lstrip("&")
        if line.startswith("@"):
            word, _, line = line.partition(" ")
            number = int(word[1:])
        if line == "manual":
            self.auto = False
        elif line == "uncounted":
            self.uncounted = True
        elif line == "count":
            return str(len(self.connections))
        elif line == "echoing":
            self.echoing = True
        elif line == "held":
            self.hold = True
        elif line == "drop":
            self.drop()
        elif line == "handshake" and not self.tls:
            pass
        else:
            answer = queue.Queue()
            if wait or not number:
                number = self.connection(number).number
            self.todo[number].put((line, answer))
            if wait:
                return answer.get()
        return ""

    def say(self, text):
        self.control.write(f"{text}\n")
        self.control.flush()

    def run(self):
        self.say(self.listener.getsockname()[1])
        threading.Thread(target=self.accept, daemon=True).start()
        for line in self.control:
            try:
                answer = self.command(line.rstrip("\n"))
            except (OSError, IndexError) as error:
                answer = f"!{type(error).__name__}: {error}"
            self.say(answer.replace("\n", "\\n"))
        while self.is_wanted(0):
            time.sleep(0.0005)
        self.drop()
        for c in self.connections:
            c.todo.put((None, None))
        lines = []
        for c in self.connections:
            c.thread.join()
            lines += c.verdict()
        if self.echoing:
            lines.sort()    # threads come in any order
        wire.announce(os.path.join(self.server.dir, self.name + ".said"),
                      "\n".join(lines))


class Server:
    """What tlsserver.Peer asks of a server."""

    def __init__(self, directory, cert):
        self.dir = directory
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # Python takes an end without close_notify for one with.
        self.context.options &= ~tlsserver.IGNORE_UNEXPECTED_EOF
        self.context.load_cert_chain(cert, cert[:-len(".pem")] + ".key")


def serve(server, control):
    try:
        Session(server, control).run()
    except (OSError, ValueError):
        pass    # a program that was killed in the middle of a word
    finally:
        control.close()


def main():
    server = Server(*sys.argv[1:])
    listener = socket.socket(socket.AF_UNIX)
    path = os.path.join(server.dir, "peer")
    listener.bind(path + ".new")
    listener.listen(64)
    os.rename(path + ".new", path)
    while True:
        control, _ = listener.accept()
        threading.Thread(target=serve, args=(server, control),
                         daemon=True).start()


if __name__ == "__main__":
    main()
