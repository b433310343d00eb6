// From SIGKILL of a holder to the lock in the hands of another process that waits: this package, and proper-lockfile as it is by
// default but for a retry every 100 ms, in one run.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { lock, status } from "../lib/index.mjs";

const package_ = dirname(dirname(fileURLToPath(import.meta.url)));
const theirs = createRequire(import.meta.url)("proper-lockfile");
const place = mkdtempSync(join(tmpdir(), "baton-bench-"));
const file = join(place, "file");
writeFileSync(file, "");

async function holder(text) {
  const child = spawn(process.execPath, ["-e", `${text}; console.log("held"); setInterval(() => {}, 1000);`], {
    cwd: package_,
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return child;
}

async function killed(child, waiting, release) {
  const start = process.hrtime.bigint();
  child.kill("SIGKILL");
  const hold = await waiting;
  const milliseconds = Number(process.hrtime.bigint() - start) / 1e6;
  await release(hold);
  return milliseconds;
}

async function ours() {
  const path = `${file}.baton`;
  const child = await holder(`require("./lib/index.cjs").lockSync(${JSON.stringify(path)})`);
  const waiting = lock(path);
  while ((await status(path)).queue.length === 0) await pause(1);
  return killed(child, waiting, (hold) => hold.release());
}

async function proper() {
  const child = await holder(`require("proper-lockfile").lockSync(${JSON.stringify(file)})`);
  const waiting = theirs.lock(file, { retries: { forever: true, factor: 1, minTimeout: 100, maxTimeout: 100 } });
  return killed(child, waiting, (release) => release());
}

async function median(rounds, measure) {
  const figures = [];
  for (let round = 0; round < rounds; round += 1) figures.push(await measure());
  return figures.toSorted((a, b) => a - b)[Math.floor(rounds / 2)];
}

console.log("from SIGKILL of the holder to the waiter holding, median in milliseconds");
console.log(`  baton-lock       ${(await median(15, ours)).toFixed(2)}`);
console.log(`  proper-lockfile  ${(await median(3, proper)).toFixed(0)}`);
rmSync(place, { recursive: true });
