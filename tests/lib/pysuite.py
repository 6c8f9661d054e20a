# SPDX-License-Identifier: MIT
"""Runs unittest suites so that a test that hangs or kills its process costs
itself alone, and says what became of each test.

    pysuite.py [--timeout SECONDS] MODULE...

One line a test on stdout, "ok NAME", "failed NAME", "skipped NAME", "hung
NAME", "died NAME"; what failed tests have to say on stderr.  A module runs in
a process of its own, as `python3 -m test` would run it; when a test hangs, or
ends the process, the rest run in a new one.
"""

import argparse
import faulthandler
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest


class Result(unittest.TestResult):
    """Writes what becomes of each test to a file, at once."""

    def __init__(self, out, timeout):
        super().__init__()
        self.out = out
        self.timeout = timeout

    def say(self, what, test):
        self.out.write(f"{what} {test.id()}\n")
        self.out.flush()

    def startTest(self, test):
        super().startTest(test)
        test.verdict = "ok"
        self.say("start", test)
        print(f"--- {test.id()}", file=sys.stderr, flush=True)
        faulthandler.dump_traceback_later(
            self.timeout, exit=True, file=sys.__stderr__)

    def stopTest(self, test):
        super().stopTest(test)
        self.say(test.verdict, test)
        faulthandler.cancel_dump_traceback_later()

    def judge(self, test, verdict, err=None):
        if err:
            print(self._exc_info_to_string(err, test), file=sys.stderr)
        test.verdict = verdict
        # Fixtures of classes and modules are no tests: nobody stops them.
        if isinstance(test, unittest.suite._ErrorHolder):
            self.say(verdict, test)

    def addError(self, test, err):
        self.judge(test, "failed", err)

    def addFailure(self, test, err):
        self.judge(test, "failed", err)

    def addSubTest(self, test, subtest, err):
        if err:
            self.judge(test, "failed", err)

    def addSkip(self, test, reason):
        self.judge(test, "skipped")

    def addExpectedFailure(self, test, err):
        self.judge(test, "ok")

    def addUnexpectedSuccess(self, test):
        self.judge(test, "failed")


def without(suite, names):
    """The suite without the tests of these names."""
    return type(suite)(
        without(test, names) if isinstance(test, unittest.TestSuite) else test
        for test in suite
        if isinstance(test, unittest.TestSuite) or test.id() not in names)


def run_module(module, out_name, timeout):
    with open(out_name) as file:
        done = {line.split(" ", 1)[1].strip() for line in file}
    try:
        from test import support
        # What needs the world, or much time, is no matter of ours.
        support.use_resources = ["subprocess", "walltime", "network"]
    except ImportError:
        pass
    with open(out_name, "a") as out:
        suite = unittest.defaultTestLoader.loadTestsFromName(module)
        without(suite, done).run(Result(out, timeout))
        out.write("end module\n")
        out.flush()
    # Threads and children of tests that failed are not waited for.
    sys.stderr.flush()
    os._exit(0)


def attempt(module, out_name, timeout):
    """Runs what is left of the module: its exit status, or None for one that
    had to be killed."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--timeout", str(timeout),
         "--into", out_name, module],
        stdin=subprocess.DEVNULL, stdout=2, start_new_session=True)
    status, seen, since = None, -1, time.monotonic()
    while status is None and time.monotonic() - since < timeout + 30:
        try:
            status = process.wait(1)
        except subprocess.TimeoutExpired:
            pass
        if os.path.getsize(out_name) != seen:
            seen, since = os.path.getsize(out_name), time.monotonic()
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    return status


def verdicts(out_name):
    with open(out_name) as file:
        lines = [line.strip().split(" ", 1) for line in file]
    said = {name: what for what, name in lines if what != "start"}
    begun = [name for what, name in lines
             if what == "start" and name not in said]
    return said, begun


def run_suite(module, timeout):
    """Prints what became of each test of the module."""
    with tempfile.NamedTemporaryFile("r") as out:
        before = -1
        while True:
            status = attempt(module, out.name, timeout)
            said, begun = verdicts(out.name)
            with open(out.name, "a") as file:
                for name in begun:
                    # faulthandler exits with 1.
                    file.write(f"{'hung' if status in (None, 1) else 'died'}"
                               f" {name}\n")
            if "module" in said or len(said) == before:
                break
            before = len(said)
        said, _ = verdicts(out.name)
        if said.pop("module", None) != "end":
            print("died", module)
        for name, what in sorted(said.items()):
            print(what, name)
        sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("--into")
    parser.add_argument("modules", nargs="+")
    args = parser.parse_args()
    for module in args.modules:
        if args.into:
            run_module(module, args.into, args.timeout)
        else:
            run_suite(module, args.timeout)


if __name__ == "__main__":
    main()
