// The ancestor's lock, as its users have it, written anew: a file with the holder's pid, created exclusively and written at once; one
// whose holder is dead, or that is malformed and older than 30 s, is removed if it is still the file that was looked at.
//
// As a program, `node ancestor.mjs LOCK ROUNDS LEDGER` acquires and releases it that often, among others who do.

import fs from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { inside, together } from "./oracle.mjs";

const ATTEMPTS = 5;
const MALFORMED_AGE = 30_000;

let heldDescriptor = null;

export function acquire(path, command = null) {
  const record = { pid: process.pid, startedAt: new Date().toISOString(), command };
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    try {
      const descriptor = fs.openSync(path, "wx", 0o600);
      fs.writeSync(descriptor, JSON.stringify(record, null, 2));
      heldDescriptor = descriptor;
      return { acquired: true, lockFile: path, stale: false };
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    const found = look(path);
    if (found === null) continue;
    if (found.holder && isAlive(found.holder.pid)) {
      const { pid, startedAt, command: theirs } = found.holder;
      return {
        acquired: false,
        lockFile: path,
        stale: false,
        holderPid: pid,
        holderStartedAt: startedAt,
        holderCommand: theirs,
      };
    }
    if (found.holder || Date.now() - found.stat.mtimeMs > MALFORMED_AGE) removeIfSame(path, found.stat.ino);
  }
  return { acquired: false, lockFile: path, stale: true };
}

export function release(path) {
  if (heldDescriptor === null) return;
  const { ino } = fs.fstatSync(heldDescriptor);
  removeIfSame(path, ino);
  fs.closeSync(heldDescriptor);
  heldDescriptor = null;
}

function look(path) {
  try {
    const stat = fs.statSync(path);
    const record = parsed(fs.readFileSync(path, "utf8"));
    return { stat, holder: typeof record?.pid === "number" ? record : null };
  } catch (error) {
    if (error.code === "ENOENT") return null;
    throw error;
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function removeIfSame(path, ino) {
  try {
    if (fs.statSync(path).ino === ino) fs.unlinkSync(path);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [path, rounds, ledger] = process.argv.slice(2);
  await together(ledger);
  for (let round = 0; round < Number(rounds); ) {
    if (acquire(path, "ancestor").acquired) {
      await inside(ledger);
      release(path);
      round += 1;
    }
    await turn();
  }
  console.log("done");
}
