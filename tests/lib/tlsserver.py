#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A TLS server that does what a test needs, well-behaved or not.

    tlsserver.py --dir DIR --cert FILE [--key FILE] [OPTION...] STEP...

Listens on 127.0.0.1 (and ::1 with -6) and writes the port to DIR/port.  Every
connection goes through the steps in order, in a thread of its own:

    handshake       as the server (everything below may come without it, and
                    is then said in plaintext)
    late=NAME       the handshake, but what the client says after its hello is
                    not read until DIR/NAME exists
    auth            ask for the client's certificate now (--later), and wait for
                    it
    echo            send back what comes, until the client's side ends
    read            take all that comes, until the client's side ends
    http            answer HTTP/1.1 requests: GET /bytes/N gives N bytes of
                    the pattern, GET /say/TEXT gives TEXT, anything else gives
                    the server's --text; the answer to a PUT or POST is the
                    sha256 of its body
    line            read one line
    recv=N          read exactly N bytes
    send=TEXT       say TEXT (\\n, \\r, \\xNN mean what they do in Python)
    pattern=N[/M]   say N bytes of the pattern (in records of M bytes)
    records=N,N,... say bytes of the pattern, in records of these sizes
    part=TEXT       say TEXT in one record of which the last byte is kept back
    rest            say what was kept back
    digest          say the sha256 of all that was read so far, and a newline
    proxy=PORT      carry everything to that port of this machine, and back,
                    until both sides have ended
    notify          send close_notify; reading goes on
    fin             end the server's side of TCP, without close_notify
    reset           end the connection with a RST
    close           close it, without close_notify
    garbage=HEX     put these bytes on the wire as they are
    wait=NAME       wait until DIR/NAME exists
    mark=NAME       create DIR/NAME
    sleep=SECONDS
    stall           do nothing until the client's side of TCP ends
    drop            close the listening socket

After the last step: close_notify, then wait for the client's end of TCP,
then close.  Each connection adds lines of JSON to DIR/report: after the
handshake {"conn", "event": "handshake", "version", "cipher", "sni", "resumed",
"client"}, at the end of reading {"event": "end", "how": "close_notify", "fin"
or "reset", "bytes", "sha256"}, and when it goes wrong {"event": "error",
"text"}.

Options: --min, --max TLSv1|TLSv1.1|TLSv1.2|TLSv1.3, --ciphers STRING,
--tickets N, --client-ca FILE (demand a certificate), --client-optional FILE
(ask for one), --later (only in the step auth), --text TEXT, -6.
"""
import argparse
import hashlib
import json
import os
import select
import socket
import ssl
import struct
import sys
import threading
import time

from ports import announce, listeners

VERSIONS = {"TLSv1": ssl.TLSVersion.TLSv1, "TLSv1.1": ssl.TLSVersion.TLSv1_1,
            "TLSv1.2": ssl.TLSVersion.TLSv1_2,
            "TLSv1.3": ssl.TLSVersion.TLSv1_3}
RECORD = 16384
# Set by Python; the ssl module has a name for it from 3.12 on.
IGNORE_UNEXPECTED_EOF = 1 << 7


def pattern(start, length):
    """length bytes at offset start of an endless, never repeating text: the
    numbers of its 16-byte lines."""
    first, last = start // 16, (start + length + 15) // 16
    text = b"".join(b"%015d\n" % i for i in range(first, last))
    return text[start - 16 * first:start - 16 * first + length]


class Ended(Exception):
    """The client's side of the connection is over."""


class Peer:
    """One connection.  TLS runs over memory, so that the wire is ours."""

    def __init__(self, server, sock, number):
        self.server, self.sock, self.number = server, sock, number
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = None
        self.sni = None
        self.kept_back = b""
        self.buffer = b""
        self.patterned = 0
        self.bytes = 0
        self.sha256 = hashlib.sha256()
        self.end = None
        self.notified = False

    def report(self, event, **words):
        self.server.report({"conn": self.number, "event": event, **words})

    # The wire

    def put(self, data):
        self.sock.sendall(data)

    def flush(self):
        if self.outgoing.pending:
            self.put(self.outgoing.read())

    def take(self):
        """Ciphertext from the wire to TLS; Ended when there is no more."""
        data = self.sock.recv(65536)
        if not data:
            self.incoming.write_eof()
        else:
            self.incoming.write(data)
        return len(data)

    # Plaintext

    def handshake(self, before_finish=None):
        self.tls = self.server.context.wrap_bio(
            self.incoming, self.outgoing, server_side=True)
        self.tls.peer = self
        takes = 0
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush()
                if takes and before_finish:
                    before_finish()
                self.take()
                takes += 1
            except ssl.SSLError:
                self.flush()
                raise
        self.flush()
        name, version, _ = self.tls.cipher()
        self.report("handshake", version=self.tls.version(), cipher=name,
                    sni=self.sni, resumed=self.tls.session_reused,
                    client=self.client_subject())

    def recv(self):
        """What comes next; Ended at the end, whichever way it came."""
        if self.buffer:
            data, self.buffer = self.buffer, b""
            return data
        if self.end:
            raise Ended
        try:
            data = self.recv_tls() if self.tls else self.sock.recv(65536)
            how = "close_notify" if self.tls else "fin"
        except ssl.SSLError as error:
            if "EOF" not in (error.reason or ""):
                raise
            data, how = b"", "fin"
        except ConnectionError:
            data, how = b"", "reset"
        if not data:
            self.ended(how)
            raise Ended
        self.bytes += len(data)
        self.sha256.update(data)
        return data

    def recv_tls(self):
        while True:
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                self.flush()
                self.take()
            except ssl.SSLZeroReturnError:
                return b""

    def ended(self, how):
        if not self.end:
            self.end = how
            self.report("end", how=how, bytes=self.bytes,
                        sha256=self.sha256.hexdigest())

    def recv_exactly(self, n):
        data = b""
        while len(data) < n:
            data += self.recv()
        data, self.buffer = data[:n], data[n:]
        return data

    def recv_line(self):
        data = b""
        while b"\n" not in data:
            data += self.recv()
        at = data.index(b"\n") + 1
        data, self.buffer = data[:at], data[at:]
        return data

    def encrypt(self, data):
        """The records of data."""
        if not self.tls:
            return data
        self.tls.write(data)
        return self.outgoing.read()

    def send(self, data, size=RECORD):
        for i in range(0, len(data), size):
            self.put(self.encrypt(data[i:i + size]))

    def send_pattern(self, length, size=RECORD):
        while length:
            n = min(size, length)
            self.send(pattern(self.patterned, n), size)
            self.patterned += n
            length -= n

    def drain(self):
        """Until the client's TCP ends, whatever else it says."""
        self.sock.settimeout(120)
        while not self.end:
            try:
                self.recv()
            except Ended:
                pass
            except (OSError, ssl.SSLError):
                break
        try:
            while self.sock.recv(65536):
                pass
        except OSError:
            pass

    # Steps

    def step_handshake(self, _):
        self.handshake()

    def step_late(self, arg):
        self.handshake(lambda: self.step_wait(arg))

    def step_auth(self, _):
        self.tls.verify_client_post_handshake()
        self.flush()
        while not self.client_subject():
            try:
                self.buffer += self.tls.read(65536)
            except ssl.SSLWantReadError:
                self.flush()
                if not self.client_subject() and not self.take():
                    raise Ended from None
        self.report("auth", client=self.client_subject())

    def client_subject(self):
        """Whose certificate the client has shown; "": none (yet)."""
        try:
            return str((self.tls.getpeercert() or {}).get("subject", ""))
        except ValueError:  # amid the handshake messages of step_auth
            return ""

    def step_echo(self, _):
        try:
            while True:
                self.send(self.recv())
        except Ended:
            pass

    def step_read(self, _):
        try:
            while True:
                self.recv()
        except Ended:
            pass

    def step_http(self, _):
        try:
            while self.http_request():
                pass
        except Ended:
            pass

    def http_request(self):
        words = self.recv_line().split()
        headers = {}
        while True:
            line = self.recv_line().strip()
            if not line:
                break
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        method, path = words[0], words[1].decode()
        keep = words[-1] != b"HTTP/1.0" and \
            headers.get(b"connection", b"").lower() != b"close"
        _, kind, rest = (path + "//").split("/", 2)
        body, length = self.server.text, None
        if method in (b"PUT", b"POST"):
            if headers.get(b"expect", b"").lower() == b"100-continue":
                self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = self.http_body(headers).hexdigest().encode() + b"\n"
        elif kind == "bytes":
            body, length = b"", int(rest.strip("/"))
        elif kind == "say":
            body = rest.strip("/").encode() + b"\n"
        self.send(b"HTTP/1.1 200 OK\r\nServer: tlsserver\r\n"
                  b"Content-Type: text/plain\r\nContent-Length: %d\r\n"
                  b"Connection: %s\r\n\r\n" % (
                      len(body) if length is None else length,
                      b"keep-alive" if keep else b"close"))
        if method != b"HEAD":
            self.send(body)
            self.patterned = 0
            self.send_pattern(length or 0)
        return keep

    def http_body(self, headers):
        digest = hashlib.sha256()
        if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            while True:
                n = int(self.recv_line().split(b";")[0], 16)
                digest.update(self.recv_exactly(n))
                self.recv_line()
                if n == 0:
                    return digest
        left = int(headers.get(b"content-length", b"0"))
        while left:
            data = self.recv()
            data, self.buffer = data[:left], data[left:]
            digest.update(data)
            left -= len(data)
        return digest

    def step_line(self, _):
        self.recv_line()

    def step_recv(self, arg):
        self.recv_exactly(int(arg))

    def step_send(self, arg):
        self.send(unescape(arg))

    def step_pattern(self, arg):
        length, _, size = arg.partition("/")
        self.send_pattern(int(length), int(size or RECORD))

    def step_records(self, arg):
        for size in map(int, arg.split(",")):
            self.send_pattern(size, RECORD)

    def step_part(self, arg):
        data = self.encrypt(unescape(arg))
        self.put(data[:-1])
        self.kept_back = data[-1:]

    def step_rest(self, _):
        self.put(self.kept_back)

    def step_digest(self, _):
        self.send(self.sha256.hexdigest().encode() + b"\n")

    def step_proxy(self, arg):
        with socket.create_connection(("127.0.0.1", int(arg))) as other:
            both = {self.sock, other}
            while both:
                # What came with the handshake is there already.
                ready = select.select(both, [], [], 0 if self.buffered()
                                      else None)[0]
                if self.sock in ready or self.buffered():
                    try:
                        other.sendall(self.recv_some())
                    except Ended:
                        both.discard(self.sock)
                        other.shutdown(socket.SHUT_WR)
                if other in ready:
                    data = other.recv(65536)
                    if data:
                        self.send(data)
                    else:
                        both.discard(other)
                        self.notify()
                        self.sock.shutdown(socket.SHUT_WR)

    def buffered(self):
        return self.tls and not self.end and \
            (self.tls.pending() or self.incoming.pending)

    def recv_some(self):
        """What can be had from what came last; Ended at the end."""
        try:
            if not self.buffered():
                self.take()
            return self.tls.read(65536) or self.stop("close_notify")
        except ssl.SSLWantReadError:
            self.flush()
            return b""
        except ssl.SSLZeroReturnError:
            return self.stop("close_notify")
        except ssl.SSLEOFError:
            return self.stop("fin")

    def stop(self, how):
        self.ended(how)
        raise Ended

    def step_notify(self, _):
        self.notify()

    def step_fin(self, _):
        self.notified = True
        self.sock.shutdown(socket.SHUT_WR)

    def step_reset(self, _):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        raise Ended

    def step_close(self, _):
        raise Ended

    def step_garbage(self, arg):
        self.put(bytes.fromhex(arg))

    def step_wait(self, arg):
        if not self.server.made(arg).wait(60):
            raise TimeoutError(f"nobody made {arg} within 60 s")

    def step_mark(self, arg):
        with open(os.path.join(self.server.dir, arg), "w"):
            pass

    def step_sleep(self, arg):
        time.sleep(float(arg))

    def step_stall(self, _):
        self.notified = True
        self.drain_raw()

    def step_drop(self, _):
        self.server.drop()

    def drain_raw(self):
        try:
            while self.sock.recv(65536):
                pass
        except OSError:
            pass

    def notify(self):
        """close_notify, once, without looking at what the client says."""
        if self.tls and not self.notified:
            self.notified = True
            try:
                self.tls.unwrap()
            except ssl.SSLError:
                pass
            self.flush()

    def run(self):
        try:
            for name, arg in self.server.steps:
                getattr(self, "step_" + name)(arg)
            self.notify()
            if not self.tls:
                self.sock.shutdown(socket.SHUT_WR)
            self.drain()
        except Ended:
            pass
        except Exception as error:  # a test reads what it was
            self.report("error", text=f"{type(error).__name__}: {error}")
            self.leave()
        finally:
            self.sock.close()

    def leave(self):
        """Ends TCP in order, for closing over what the client still says
        would be a reset, and the alert before it could be lost."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
            self.sock.settimeout(10)
        except OSError:
            return
        self.drain_raw()


def unescape(text):
    return text.encode("latin-1", "backslashreplace") \
        .decode("unicode_escape").encode("latin-1")


class Server:
    def __init__(self, args):
        self.dir = args.dir
        self.text = unescape(args.text)
        self.lock = threading.Lock()
        self.files = {}
        self.steps = []
        for step in args.steps:
            name, _, arg = step.partition("=")
            if not hasattr(Peer, "step_" + name):
                sys.exit(f"tlsserver.py: no step is called '{name}'")
            self.steps.append((name, arg))
        self.context = self.make_context(args) if args.cert else None
        self.listeners = listeners(args.ipv6)

    def make_context(self, args):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.options &= ~IGNORE_UNEXPECTED_EOF
        context.minimum_version = VERSIONS[args.min]
        context.maximum_version = VERSIONS[args.max]
        # Level 0: bad certificates and old versions are for clients to refuse.
        context.set_ciphers((args.ciphers or "DEFAULT") + ":@SECLEVEL=0")
        context.num_tickets = args.tickets
        context.load_cert_chain(
            args.cert, args.key or args.cert[:-len(".pem")] + ".key")
        if args.client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(args.client_ca)
        context.post_handshake_auth = args.later
        if args.client_optional:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(args.client_optional)

        def note_name(tls, name, _):
            tls.peer.sni = name

        context.sni_callback = note_name
        return context

    def made(self, name):
        """An event: DIR/name is there.  One thread looks for all who wait."""
        with self.lock:
            if name not in self.files:
                self.files[name] = threading.Event()
                threading.Thread(target=self.watch, args=(name,),
                                 daemon=True).start()
            return self.files[name]

    def watch(self, name):
        path = os.path.join(self.dir, name)
        while not os.path.exists(path):
            time.sleep(0.005)
        self.files[name].set()

    def report(self, words):
        line = json.dumps(words) + "\n"
        with self.lock, open(os.path.join(self.dir, "report"), "a") as file:
            file.write(line)

    def drop(self):
        for listener in self.listeners:
            listener.shutdown(socket.SHUT_RDWR)

    def accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.count += 1
                peer = Peer(self, sock, self.count)
            threading.Thread(target=peer.run, daemon=True).start()

    def run(self):
        self.count = 0
        path = os.path.join(self.dir, "port")
        announce(path, self.listeners[0].getsockname()[1])
        for listener in self.listeners[1:]:
            threading.Thread(target=self.accept, args=(listener,),
                             daemon=True).start()
        self.accept(self.listeners[0])
        threading.Event().wait()    # after drop: the connections go on


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--min", default="TLSv1.2", choices=VERSIONS)
    parser.add_argument("--max", default="TLSv1.3", choices=VERSIONS)
    parser.add_argument("--ciphers")
    parser.add_argument("--tickets", type=int, default=2)
    parser.add_argument("--client-ca")
    parser.add_argument("--client-optional")
    parser.add_argument("--later", action="store_true")
    parser.add_argument("--text", default="hello from tlsserver\\n")
    parser.add_argument("-6", dest="ipv6", action="store_true")
    parser.add_argument("steps", nargs="+")
    Server(parser.parse_args()).run()


if __name__ == "__main__":
    main()
