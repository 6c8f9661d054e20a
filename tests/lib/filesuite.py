# SPDX-License-Identifier: MIT
"""Runs suites whose tests are files.

    filesuite.py [--timeout SECONDS] [--jobs N] [--by COMMAND] FILE...

Each FILE is run by COMMAND (words, to which the file is added; flags in a
line "// Flags: ..." of the file come between).  One line a file on stdout: "ok
FILE", "failed FILE", "hung FILE", "skipped FILE" (it says 1..0); what it had to
say, where it failed, on stderr.
"""

import argparse
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import tempfile


def flags_of(path):
    with open(path, errors="replace") as file:
        found = re.search(r"^// Flags:(.*)", file.read(4000), re.M)
    return found.group(1).split() if found else []


def run(path, command, timeout):
    with tempfile.TemporaryFile("w+", errors="replace") as out:
        process = subprocess.Popen(
            command + flags_of(path) + [path], stdin=subprocess.DEVNULL,
            stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status = process.wait(timeout)
            verdict = "failed" if status else "ok"
        except subprocess.TimeoutExpired:
            verdict = "hung"
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        out.seek(0)
        said = out.read()
    if verdict == "ok" and re.search(r"^1\.\.0\b", said, re.M):
        verdict = "skipped"
    if verdict == "ok" and re.search(r"^not ok (?!.*# ?TODO)", said, re.M):
        verdict = "failed"
    return verdict, said


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--by", default="")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        results = pool.map(
            lambda path: (path, *run(path, args.by.split(), args.timeout)),
            args.files)
        for path, verdict, said in results:
            name = os.path.relpath(path)
            print(verdict, name, flush=True)
            if verdict in ("failed", "hung"):
                print(f"--- {name}: {verdict}\n{said}", file=sys.stderr)


if __name__ == "__main__":
    main()
