// What acquiring and releasing costs from Node, against the same from Rust, in one run: batches of both in turn, medians.
//
// `npm run bench`; needs the published build (`npm run build`), and builds bench/cycle.rs.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { lock, tryLockSync } from "../lib/index.mjs";

const ROUNDS = 41;
const BATCH = 200;

const { addon } = createRequire(import.meta.url)("../lib/native.cjs");
const package_ = dirname(dirname(fileURLToPath(import.meta.url)));
const place = mkdtempSync(join(tmpdir(), "baton-bench-"));

const cargo = ["--package", "baton-node", "--example", "cycle", "--release", "--locked", "--quiet"];
execFileSync("cargo", ["build", ...cargo], { cwd: package_, stdio: "inherit" });
const rust = spawn("cargo", ["run", ...cargo, "--", join(place, "rust.lock"), ROUNDS, BATCH], {
  cwd: package_,
  stdio: ["pipe", "pipe", "inherit"],
});
const closed = once(rust, "close");
const answers = createInterface({ input: rust.stdout })[Symbol.asyncIterator]();

const median = (figures) => figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)];
async function perCall(act) {
  const start = process.hrtime.bigint();
  for (let count = 0; count < BATCH; count += 1) await act();
  return Number(process.hrtime.bigint() - start) / 1000 / BATCH;
}
function perCallSync(act) {
  const start = process.hrtime.bigint();
  for (let count = 0; count < BATCH; count += 1) act();
  return Number(process.hrtime.bigint() - start) / 1000 / BATCH;
}

const path = join(place, "node.lock");
const figures = { rust: [], call: [], sync: [], async: [] };
const held = addon.lockSync(join(place, "held.lock"), {}, 0);
for (let round = 0; round < ROUNDS; round += 1) {
  rust.stdin.write("next\n");
  figures.rust.push(Number((await answers.next()).value));
  figures.call.push(perCallSync(() => held.isRecovered()));
  figures.sync.push(perCallSync(() => tryLockSync(path).release()));
  figures.async.push(await perCall(async () => (await lock(path)).release()));
}
held.release();
rust.stdin.end();
await closed;
rmSync(place, { recursive: true });

const [fromRust, call, sync, async] = Object.values(figures).map(median);
const limit = 1.5 * fromRust + call;
console.log(`acquire and release, median of ${ROUNDS} batches of ${BATCH}, in microseconds`);
console.log(`  from Rust                 ${fromRust.toFixed(1)}`);
console.log(`  an empty native call      ${call.toFixed(2)}`);
console.log(`  from Node, tryLockSync    ${sync.toFixed(1)}   (at most ${limit.toFixed(1)})`);
console.log(`  from Node, await lock     ${async.toFixed(1)}   (with a thread to wait on)`);
