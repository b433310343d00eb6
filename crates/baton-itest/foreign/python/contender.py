"""A contender that uses Python's filelock, either kind, with a try per millisecond.

`contender.py FileLock|SoftFileLock LOCK HOLD_SECONDS`, started by a race: standard input is the board of `src/board.rs`, by whose
layout this goes. It ends when its parent is gone.
"""

import os
import sys
import time

import filelock

OUTSIDE, WAITING, INSIDE, LEAVING = range(4)
SEATS, MARKS = 256, 256
CLOSING, STAYING = 0, 8
ACQUISITIONS, OVERLAPS = 8, 16
SEAT = int(os.environ["BATON_ITEST_SEAT"])
PAGE = 4096 + 256 * SEAT
PARENT = os.getppid()


def number(offset):
    return int.from_bytes(os.pread(0, 8, offset), "little")


def count(which):
    os.pwrite(0, (number(PAGE + which) + 1).to_bytes(8, "little"), PAGE + which)


def set_phase(phase):
    os.pwrite(0, bytes([phase]), MARKS + 4 * SEAT)


def enter():
    set_phase(INSIDE)
    marks = os.pread(0, 4 * SEATS, MARKS)
    count(ACQUISITIONS)
    others = (seat for seat in range(SEATS) if seat != SEAT)
    if any(marks[4 * seat] == INSIDE and marks[4 * seat + 1] == 0 for seat in others):
        count(OVERLAPS)


def is_on():
    return number(CLOSING) == 0 and os.getppid() == PARENT


kind, path, hold = sys.argv[1], sys.argv[2], float(sys.argv[3])
while is_on():
    set_phase(WAITING)
    lock = getattr(filelock, kind)(path, poll_interval=0.001)
    try:
        # Bounded, so that one that can never be had lets its contender end.
        lock.acquire(timeout=1)
    except filelock.Timeout:
        set_phase(OUTSIDE)
        continue
    enter()
    time.sleep(hold)
    while number(STAYING) and is_on():
        time.sleep(hold)
    set_phase(LEAVING)
    lock.release()
    set_phase(OUTSIDE)
