#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs programs as services, and ends them as systemd does by default.

    services.py --runs N PROGRAM [--tls CERTIFICATE] [--seed N] -- PREFIX...

Each run starts a service behind PREFIX (env and what stands in LD_PRELOAD).
When its main process has ended, or to stop it, every process of the service
gets SIGTERM, then SIGCONT; what is left after TIMEOUT_STOP gets SIGKILL.  That
is KillMode=control-group; the processes of the "control group" are all
descendants: whoever runs a service is the subreaper of its orphans.  The server
at the other end of each run is fast or slow, and tells what came.

PROGRAM is tests/prog/service.  The last line is "N runs, N whole"; each run
of which something is missing has a line before it.
"""
import argparse
import ctypes
import os
import random
import select
import signal
import socket
import ssl
import sys
import threading
import time

WORKERS = 8
TIMEOUT_STOP = 60
PR_SET_CHILD_SUBREAPER = 36
HOST = "db.test"


class Server(threading.Thread):
    """One connection: how many bytes came, and whether the end was a proper
    one.  Slow: it begins late, with little room, and takes pauses."""

    def __init__(self, context, slow):
        super().__init__(daemon=True)
        self.context, self.slow = context, slow
        self.listener = socket.socket()
        if slow:
            self.listener.setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.port = self.listener.getsockname()[1]
        self.bytes, self.how, self.last = 0, "cut off", None
        self.start()

    def run(self):
        sock, address = self.listener.accept()
        if self.last and address == self.last.getsockname():
            self.how = "no connection"
            return
        try:
            if self.context:
                sock = self.context.wrap_socket(
                    sock, server_side=True, suppress_ragged_eofs=False)
            self.read(sock)
        except (OSError, ssl.SSLError) as error:
            self.how = str(error)
        sock.close()

    def read(self, sock):
        if self.slow:
            time.sleep(0.05)
        while data := sock.recv(65536):
            self.bytes += len(data)
            if self.slow:
                time.sleep(0.002)
        self.how = "end"

    def result(self):
        # Whoever has not connected before this one does not any more.
        self.last = socket.socket()
        self.last.bind(("127.0.0.1", 0))
        self.last.connect(("127.0.0.1", self.port))
        self.join(TIMEOUT_STOP)
        self.last.close()
        self.listener.close()
        return self.bytes, self.how


# Services: a command, what it is to send (None: it says so itself), whether it
# runs until it is stopped, and how long after its "ready" that is.

def oneshot_echo(program, port, rng):
    return ["bash", "-c", f"echo hello >/dev/tcp/{HOST}/{port}"], 6, None


def oneshot_head(program, port, rng):
    size = rng.choice([1, 1000, 17000, 300000, 1000000])
    return ["bash", "-c", f"head -c {size} /dev/zero >/dev/tcp/{HOST}/{port}"
            "; exit"], size, None


def oneshot_large(program, port, rng):
    return ["bash", "-c", f"head -c 20000000 /dev/zero >/dev/tcp/{HOST}/{port}"
            "; exit"], 20000000, None


def oneshot_exit(program, port, rng):
    size = rng.choice([1, 1000, 300000])
    return [program, HOST, str(port), str(size), "once"], None, None


def oneshot_unsent(program, port, rng):
    return [program, HOST, str(port), "20000000", "once-nonblocking"], \
        None, None


def farewell_shell(program, port, rng):
    return ["bash", "-c", f"exec 3<>/dev/tcp/{HOST}/{port}\n"
            "trap 'echo farewell >&3; exit' TERM\n"
            "echo ready; while :; do read -t 0.1 <&3; done"], 9, 0


def farewell_early(program, port, rng):
    """SIGTERM comes at any time: while it connects, or is handed over."""
    return ["bash", "-c", "trap 'echo farewell >&3; exit' TERM; echo ready\n"
            f"exec 3<>/dev/tcp/{HOST}/{port} || exit 1\n"
            "while :; do read -t 0.1 <&3; done"], 9, rng.uniform(0, 0.03)


def farewell_exit(program, port, rng):
    size = rng.choice([1, 1000, 300000])
    return [program, HOST, str(port), str(size), "until-term"], None, 0


KINDS = [oneshot_echo] * 12 + [oneshot_head] * 12 + [oneshot_exit] * 8 + \
    [oneshot_unsent] * 2 + [farewell_shell] * 6 + [farewell_early] * 6 + \
    [farewell_exit] * 6 + [oneshot_large] * 1


def children(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += map(int, file.read().split())
    except OSError:
        pass                    # it has ended
    return found


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child] + descendants(child)
    return found


class Service:
    """The processes of one service."""

    def __init__(self, command):
        out, theirs = os.pipe()
        self.main = os.posix_spawnp(command[0], command, os.environ,
                                    file_actions=[
            (os.POSIX_SPAWN_DUP2, theirs, 1),
            # As nobody else's: the shell's farewell goes to 3.
            (os.POSIX_SPAWN_OPEN, 3, "/dev/null", os.O_RDONLY, 0)])
        os.close(theirs)
        self.out, self.said, self.status = out, b"", None

    def reap(self):
        """False: none is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.main:
                self.status = status

    def hear(self, seconds):
        ready, _, _ = select.select([self.out], [], [], seconds)
        data = os.read(self.out, 1000) if ready else b""
        self.said += data
        return data

    def wait_ready(self):
        while b"ready\n" not in self.said and self.hear(TIMEOUT_STOP):
            pass

    def wait_main(self):
        while self.status is None:
            self.reap()
            time.sleep(0.0005)

    def stop(self):
        """True: nobody had to be killed."""
        known = set()
        while new := set(descendants(os.getpid())) - known:
            for pid in new:
                for sig in signal.SIGTERM, signal.SIGCONT:
                    try:
                        os.kill(pid, sig)
                    except ProcessLookupError:
                        pass
            known |= new
        end = time.monotonic() + TIMEOUT_STOP
        while self.reap() and time.monotonic() < end:
            time.sleep(0.002)
        left = descendants(os.getpid())
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        while self.reap():
            time.sleep(0.002)
        return not left

    def accepted(self):
        while self.hear(0):
            pass
        os.close(self.out)
        return int(self.said.split()[-1])


def run_one(options, context, kind, rng):
    """What is missing, or None."""
    server = Server(context, rng.random() < 0.3)
    command, want, delay = kind(options.program, server.port, rng)
    service = Service(options.prefix + command)
    if delay is None:
        service.wait_main()
    else:
        service.wait_ready()
        time.sleep(delay)
    clean = service.stop()
    if want is None:
        want = service.accepted()
    else:
        os.close(service.out)
    got, how = server.result()
    # Where SIGTERM comes while the shell connects it may give that up.
    if kind is farewell_early and service.status != 0 and got == 0:
        return None
    if (got, how) == (want, "end") and clean and service.status == 0:
        return None
    return f"{kind.__name__}{' slow' if server.slow else ''}: {got} of " \
        f"{want} bytes, {how}, status {service.status}, " \
        f"{'' if clean else 'had to be killed'}"


def work(options, worker, runs):
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    context = None
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.options &= ~(1 << 7)    # an end without close_notify is told
        context.load_cert_chain(options.tls + ".pem", options.tls + ".key")
    failed = 0
    for run in runs:
        rng = random.Random(options.seed * 100000 + run)
        kind = KINDS[(run * 7) % len(KINDS)]
        missing = run_one(options, context, kind, rng)
        if missing:
            print(f"run {run}: {missing}", flush=True)
            failed += 1
    return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--tls")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("program")
    parser.add_argument("prefix", nargs="+")
    options = parser.parse_args()
    failed, pids = 0, []
    for worker in range(WORKERS):
        pid = os.fork()
        if pid == 0:
            runs = range(worker, options.runs, WORKERS)
            os._exit(min(work(options, worker, runs), 100))
        pids.append(pid)
    for pid in pids:
        _, status = os.waitpid(pid, 0)
        failed += os.waitstatus_to_exitcode(status)
    print(f"{options.runs} runs, {options.runs - failed} whole")
    sys.exit(failed != 0)


main()
