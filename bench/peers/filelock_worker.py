"""A contender with Python's filelock; obeys the orders that src/worker.rs describes."""

import os
import sys
import time

from filelock import FileLock, SoftFileLock

KINDS = {"filelock": FileLock, "filelock, soft": SoftFileLock}


def say(line):
    print(line, flush=True)


def main(kind, path):
    for order in sys.stdin:
        words = order.split()
        if words[0] == "acquire":
            with KINDS[kind](path):
                say(f"held {time.monotonic_ns()}")
                sys.stdin.readline()
                released = time.monotonic_ns()
            say(f"released {released}")
        elif words[0] == "cycle":
            taken = []
            for _ in range(int(words[1])):
                started = time.monotonic_ns()
                with KINDS[kind](path):
                    pass
                taken.append(time.monotonic_ns() - started)
            say(" ".join(map(str, taken)))
        elif words[0] == "loop":
            say("{} {}".format(*contend(KINDS[kind], path, float(words[1]))))


def contend(kind, path, seconds):
    owner = os.open(os.path.splitext(path)[0] + ".owner", os.O_RDWR | os.O_CREAT, 0o600)
    myself = os.getpid().to_bytes(8, sys.byteorder)
    count = changes = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with kind(path):
            last = os.pread(owner, 8, 0)
            count += 1
            changes += bool(last) and last != myself
            os.pwrite(owner, myself, 0)
    return count, changes


main(*sys.argv[1:])
