#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A terminal with a job-controlling shell in it, driven step by step.

    terminal.py STEP... -- COMMAND...

Runs the command with a pseudo-terminal as its controlling terminal.  Steps:

    say=TEXT        type TEXT (\\n, \\x1a mean what they do in Python)
    wait=TEXT       until TEXT was on the screen since the last wait, at most
                    20 seconds
    touch=FILE      make that file
    eof             end the input; then wait for the command

Prints what was on the screen; the exit status is the command's, or 1 where
something did not come.
"""
import os
import pty
import select
import sys
import time


class Terminal:
    def __init__(self, command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)
        self.seen, self.looked = b"", 0

    def read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 4096)
        except OSError:
            data = b""
        self.seen += data
        return bool(data)

    def step_say(self, text):
        os.write(self.fd, text.encode().decode("unicode_escape").encode())

    def step_wait(self, text):
        deadline = time.monotonic() + 20
        while text.encode() not in self.seen[self.looked:]:
            if time.monotonic() > deadline or not self.read(0.1):
                raise TimeoutError(f"{text!r} did not come")
        self.looked = self.seen.index(text.encode(), self.looked) + len(text)

    def step_touch(self, path):
        with open(path, "w", encoding="ascii"):
            pass

    def step_eof(self, _):
        self.step_say("\\x04")
        while self.read(20):
            pass


def main():
    cut = sys.argv.index("--")
    terminal = Terminal(sys.argv[cut + 1:])
    status = 0
    try:
        for step in sys.argv[1:cut]:
            name, _, arg = step.partition("=")
            getattr(terminal, "step_" + name)(arg)
    except TimeoutError as error:
        print(error)
        status = 1
    os.close(terminal.fd)
    print(terminal.seen.decode(errors="replace"))
    ended = os.waitstatus_to_exitcode(os.waitpid(terminal.pid, 0)[1])
    sys.exit(status or ended)


if __name__ == "__main__":
    main()
