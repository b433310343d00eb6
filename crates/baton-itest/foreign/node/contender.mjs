// A contender that uses proper-lockfile, with its least staleness of 2 s and a try per millisecond.
//
// `node contender.mjs MODULES LOCK HOLD_MS`, started by a race: standard input is the board of `src/board.rs`, by whose layout this
// goes. It ends when its parent is gone.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';

const [modules, path, hold] = process.argv.slice(2);
const lockfile = createRequire(`${modules}/x`)('proper-lockfile');
const seat = Number(process.env.BATON_ITEST_SEAT);
const parent = process.ppid;
const [OUTSIDE, WAITING, INSIDE, LEAVING] = [0, 1, 2, 3];
const [SEATS, MARKS, PAGE] = [256, 256, 4096 + 256 * seat];
const [CLOSING, STAYING] = [0, 8];
const [ACQUISITIONS, OVERLAPS] = [8, 16];

function number(offset) {
  const bytes = Buffer.alloc(8);
  fs.readSync(0, bytes, 0, 8, offset);
  return bytes.readBigUInt64LE();
}

function count(which) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(number(PAGE + which) + 1n);
  fs.writeSync(0, bytes, 0, 8, PAGE + which);
}

function setPhase(phase) {
  fs.writeSync(0, Buffer.from([phase]), 0, 1, MARKS + 4 * seat);
}

function enter() {
  setPhase(INSIDE);
  const marks = Buffer.alloc(4 * SEATS);
  fs.readSync(0, marks, 0, marks.length, MARKS);
  count(ACQUISITIONS);
  for (let other = 0; other < SEATS; other++) {
    if (other !== seat && marks[4 * other] === INSIDE && marks[4 * other + 1] === 0) {
      count(OVERLAPS);
      break;
    }
  }
}

const isOn = () => number(CLOSING) === 0n && process.ppid === parent;

// It wants a file to lock, and makes a directory beside it.
fs.closeSync(fs.openSync(path, 'a'));
while (isOn()) {
  setPhase(WAITING);
  let release;
  try {
    release = await lockfile.lock(path, { stale: 2000, realpath: false, onCompromised: () => {} });
  } catch (error) {
    setPhase(OUTSIDE);
    await sleep(1);
    continue;
  }
  enter();
  do {
    await sleep(Number(hold));
  } while (number(STAYING) !== 0n && isOn());
  setPhase(LEAVING);
  // A lock that was lost meanwhile can't be released: that is counted where somebody else is inside.
  await release().catch(() => {});
  setPhase(OUTSIDE);
}
process.exit(0);
