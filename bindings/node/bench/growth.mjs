// Whether descriptors or memory grow over 100,000 acquisitions; fails if they do. Run it with --expose-gc.

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { lock, lockSync, tryLockSync } from "../lib/index.mjs";

const CYCLES = 100_000;
/** Of these, each of which starts a thread, a tenth is enough. */
const WAITS = 10_000;
/** What a heap may differ by from one moment to another; a leak of 200 bytes for each cycle is more. */
const ALLOWED = 20 * 1024 * 1024;

const place = mkdtempSync(join(tmpdir(), "baton-bench-"));
const path = join(place, "a.lock");

function cycle() {
  const hold = lockSync(path);
  tryLockSync(path);
  hold.release();
}

async function wait() {
  const hold = lockSync(path);
  const waiting = lock(path);
  hold.release();
  (await waiting).release();
}

async function measured() {
  for (let count = 0; count < 5; count += 1) {
    globalThis.gc();
    await pause(20);
  }
  return { descriptors: readdirSync("/proc/self/fd").length, memory: process.memoryUsage().rss };
}

async function run(part) {
  for (let count = 0; count < CYCLES / part; count += 1) {
    cycle();
    // What has been collected is finalized between two turns of the event loop.
    if (count % 1000 === 0) await pause(0);
  }
  for (let count = 0; count < WAITS / part; count += 1) await wait();
  return measured();
}

// The heap itself grows to its size within the first ten thousands.
const before = await run(3);
const after = await run(1);
rmSync(place, { recursive: true });
const growth = after.memory - before.memory;
console.log(`${CYCLES} cycles, each with a refused try, and ${WAITS} waits`);
console.log(`  descriptors  ${before.descriptors} before, ${after.descriptors} after`);
console.log(`  memory       ${(growth / 1024).toFixed(0)} KiB more`);
process.exitCode = after.descriptors > before.descriptors || growth > ALLOWED ? 1 : 0;
