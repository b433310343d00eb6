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

// Whatever the exit code, as there: nobody here is told how the last holder ended, and a file that stays could not be removed by
// one of the old kind, ever. First of all listeners, since another one would end the holds uncleanly.
process.prependListener("exit", () => {
  for (const { hold } of locks.values()) {
    try {
      hold.release();
    } catch {
      // Nobody is left to be told; the lock itself is given back in any case.
    }
  }
});

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
    // Somebody else has removed it, and a lock of this package's may have its name by now: that is no directory, and not removed.
    if (error.code !== "ENOENT" && error.code !== "ENOTDIR") throw error;
  }
}

/** What the library says where a directory has the lock's name. */
const IS_DIRECTORY = "it is a directory, where the lock's record would be";

/**
 * Returns if the attempt is to be made again: a directory was in the way, and was left over, or is gone. One that is held is said so, and
 * every other failure goes on. That ends, since each round needs somebody of the old kind who has come or gone meanwhile.
 */
function clearsTheWay(error, target, options) {
  if (!(error instanceof UnsafeError) || !error.message.includes(IS_DIRECTORY)) throw error;
  const found = oldKind(target, options);
  if (found === "held") throw new BusyError(oldStatus(target), { timedOut: false });
  if (found === "stale") removeOldKind(target, options);
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
        clearsTheWay(error, target, options);
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
  for (;;) {
    try {
      return baton.lockSync(target, { wait: false });
    } catch (error) {
      try {
        clearsTheWay(error, target, options);
      } catch (reason) {
        throw translated(reason, file);
      }
    }
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
