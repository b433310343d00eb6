// A contender in Node: proper-lockfile, or the ancestor's algorithm written anew. Obeys the orders that src/worker.rs describes.

import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";

const [kind, file] = process.argv.slice(2);
const now = () => process.hrtime.bigint();
const say = (line) => fs.writeSync(1, `${line}\n`);

function properLockfile() {
  const lockfile = createRequire(import.meta.url)("proper-lockfile");
  fs.closeSync(fs.openSync(file, "a"));
  // A waiter asks again every millisecond, which the package offers; its default is a second.
  const options = { retries: { retries: 1_000_000, minTimeout: 1, maxTimeout: 1 } };
  return async (work) => {
    const release = await lockfile.lock(file, options);
    await work();
    await release();
  };
}

// The merged fix: a file that exists is the lock; one whose process is gone is removed if it is still the same inode.
function ancestor() {
  const tryOnce = () => {
    try {
      const descriptor = fs.openSync(file, "wx", 0o600);
      fs.writeFileSync(descriptor, JSON.stringify({ pid: process.pid, startedAt: new Date().toISOString(), command: "bench" }));
      fs.closeSync(descriptor);
      return true;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    try {
      const { ino } = fs.statSync(file);
      const { pid } = JSON.parse(fs.readFileSync(file, "utf8"));
      if (!isAlive(pid) && fs.statSync(file).ino === ino) fs.unlinkSync(file);
    } catch {
      // Gone or half written: the next try tells.
    }
    return false;
  };
  return async (work) => {
    // It retries a few times at once, as the ancestor does, and then every 100 ms.
    for (let tries = 1; !tryOnce(); tries++) if (tries % 5 === 0) await sleep(100);
    await work();
    fs.unlinkSync(file);
  };
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

async function contend(hold, seconds) {
  const ownerFile = path.join(path.dirname(file), `${path.parse(file).name}.owner`);
  const owner = fs.openSync(ownerFile, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
  const myself = Buffer.alloc(8);
  myself.writeUInt32LE(process.pid);
  const last = Buffer.alloc(8);
  let count = 0;
  let changes = 0;
  const deadline = now() + BigInt(Math.round(seconds * 1e9));
  while (now() < deadline) {
    await hold(() => {
      const length = fs.readSync(owner, last, 0, 8, 0);
      count++;
      if (length > 0 && !last.equals(myself)) changes++;
      fs.writeSync(owner, myself, 0, 8, 0);
    });
  }
  return [count, changes];
}

const hold = { "proper-lockfile": properLockfile, "ancestor v1": ancestor }[kind]();
const orders = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
for (let next = await orders.next(); !next.done; next = await orders.next()) {
  const [order, number] = next.value.split(" ");
  if (order === "acquire") {
    let released;
    await hold(async () => {
      say(`held ${now()}`);
      await orders.next();
      released = now();
    });
    say(`released ${released}`);
  } else if (order === "cycle") {
    const taken = [];
    for (let i = 0; i < Number(number); i++) {
      const started = now();
      await hold(() => {});
      taken.push(now() - started);
    }
    say(taken.join(" "));
  } else if (order === "loop") {
    say((await contend(hold, Number(number))).join(" "));
  }
}
