// The interface of proper-lockfile over this package's locks, so that a program changes by changing its import.
//
// There the lock is a directory whose age has to be refreshed, here a file that the kernel keeps locked: nothing goes stale, so
// `stale` and `update` mean nothing for it, and nothing is ever compromised by a sleep or a busy event loop. Both have the same name, so that they
// exclude each other: a directory there is a lock of the old kind. It counts as the old kind counts it, that is as left over
// once it is older than `stale`, and is removed then; that is as safe as the old kind is among its own, and no safer.

"use strict";

const nodeFs = require("node:fs");
const path = require("node:path");
const { setTimeout: pause } = require("node:timers/promises");

const { BusyError, LockError, UnsafeError } = require("./errors.cjs");
const baton = require("./index.cjs");
const { addon, call } = require("./native.cjs");

/** What this thread holds, by the file's canonical path. */
const locks = new Map();

const LEAST_STALE = 2000;

function failed(code, message, file, cause) {
  return Object.assign(new Error(message, cause ? { cause } : undefined), { code, file });
}

const elocked = (file, cause) => failed("ELOCKED", "Lock file is already being held", file, cause);

/** Other failures have the system's code, where one caused it. */
function translated(error, file) {
  if (error instanceof BusyError) return elocked(file, error);
  if (error instanceof LockError) return failed(error.systemCode ?? error.code, error.message, file, error);
  return error;
}

function settled(options = {}) {
  const stale = Math.max(options.stale ?? 10_000, LEAST_STALE);
  return { realpath: true, fs: nodeFs, ...options, stale };
}

function lockPath(file, options) {
  return path.resolve(options.lockfilePath || `${file}.lock`);
}

function canonical(file, { realpath, fs }) {
  if (!realpath) return path.resolve(file);
  return new Promise((resolve, reject) => {
    fs.realpath(file, (error, found) => (error ? reject(error) : resolve(found)));
  });
}

function canonicalSync(file, { realpath, fs }) {
  return realpath ? fs.realpathSync(file) : path.resolve(file);
}

/** The pauses between the attempts of the old kind, in milliseconds; they add up to how long is waited here. */
function pauses(retries) {
  const { forever = false, ...given } = typeof retries === "object" && retries ? retries : { retries: retries || 0 };
  const { retries: count = 10, factor = 2, minTimeout = 1000, maxTimeout = Infinity } = given;
  const at = (attempt) => Math.min(Math.max(minTimeout, 1) * factor ** attempt, maxTimeout);
  return { forever, at, count: forever ? Infinity : count };
}

function patience({ forever, at, count }) {
  if (forever) return true;
  let sum = 0;
  // Ends early too: once it is for ever, it stays.
  for (let attempt = 0; attempt < count && Number.isFinite(sum); attempt += 1) sum += at(attempt);
  return sum;
}

/** What a directory at the lock's path is worth: 'none', 'held' or 'stale'. */
function oldKind(target, { stale, fs }) {
  let stat;
  try {
    stat = fs.statSync(target);
  } catch (error) {
    if (error.code === "ENOENT") return "none";
    throw error;
  }
  if (!stat.isDirectory()) return "none";
  return stat.mtime.getTime() < Date.now() - stale ? "stale" : "held";
}

function removeOldKind(target, { fs }) {
  try {
    fs.rmdirSync(target);
  } catch (error) {
    // Somebody else has removed it.
    if (error.code !== "ENOENT") throw error;
  }
}

/** Whether a failure was due to a left-over directory, which is removed; one that is held is said so. */
function clearsTheWay(error, target, options) {
  if (!(error instanceof UnsafeError)) throw error;
  const found = oldKind(target, options);
  if (found === "held") throw new BusyError(oldStatus(target), { timedOut: false });
  if (found === "stale") removeOldKind(target, options);
  return found === "stale";
}

function oldStatus(target) {
  const reason = `${target} is a directory: a lock of proper-lockfile's`;
  return { lock: target, reason, advice: "wait for its holder to end", record: null, obtainable: false };
}

async function acquire(file, options) {
  const target = lockPath(file, options);
  const schedule = pauses(options.retries);
  for (let attempt = 0; ; ) {
    try {
      return await baton.lock(target, { wait: patience(schedule) || false });
    } catch (error) {
      try {
        // Once for each directory that somebody leaves there.
        if (clearsTheWay(error, target, options)) continue;
        throw error;
      } catch (reason) {
        const isOldKind = reason instanceof BusyError && reason !== error;
        if (!isOldKind || attempt >= schedule.count) throw translated(reason, file);
        // Nobody tells when a directory goes: its own kind looks at these times too.
        await pause(schedule.at(attempt));
        attempt += 1;
      }
    }
  }
}

function acquireSync(file, options) {
  const target = lockPath(file, options);
  try {
    try {
      return baton.lockSync(target, { wait: false });
    } catch (error) {
      if (!clearsTheWay(error, target, options)) throw error;
      return baton.lockSync(target, { wait: false });
    }
  } catch (error) {
    throw translated(error, file);
  }
}

/** Notes what is held, and returns what ends it. */
function noted(file, hold) {
  const entry = { hold, isReleased: false };
  locks.set(file, entry);
  return () => {
    if (entry.isReleased) throw failed("ERELEASED", "Lock is already released", file);
    end(file);
  };
}

function end(file) {
  const entry = locks.get(file);
  if (!entry) throw failed("ENOTACQUIRED", "Lock is not acquired/owned by you", file);
  entry.isReleased = true;
  locks.delete(file);
  try {
    entry.hold.release();
  } catch (error) {
    throw translated(error, file);
  }
}

async function lock(file, options) {
  const chosen = settled(options);
  const real = await canonical(file, chosen);
  const release = noted(real, await acquire(real, chosen));
  return async () => release();
}

function lockSync(file, options) {
  const { retries } = options ?? {};
  const count = typeof retries === "object" && retries ? retries.retries : retries;
  if (count > 0) throw failed("ESYNC", "Cannot use retries with the sync api", file);
  const chosen = settled(options);
  const real = canonicalSync(file, chosen);
  return noted(real, acquireSync(real, chosen));
}

async function unlock(file, options) {
  end(await canonical(file, settled(options)));
}

function unlockSync(file, options) {
  end(canonicalSync(file, settled(options)));
}

function isLocked(file, options) {
  const target = lockPath(file, options);
  const found = oldKind(target, options);
  if (found !== "none") return found === "held";
  try {
    const status = JSON.parse(call(() => addon.glanceSync(target)));
    if (status.state === "unsafe" || status.state === "not_a_lock_file") throw failed("EINVAL", status.reason, file);
    return !status.obtainable;
  } catch (error) {
    throw translated(error, file);
  }
}

async function check(file, options) {
  const chosen = settled(options);
  return isLocked(await canonical(file, chosen), chosen);
}

function checkSync(file, options) {
  const chosen = settled(options);
  return isLocked(canonicalSync(file, chosen), chosen);
}

module.exports = lock;
Object.assign(module.exports, { lock, unlock, lockSync, unlockSync, check, checkSync });
