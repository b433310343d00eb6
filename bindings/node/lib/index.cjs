// The package's own interface; index.d.cts describes it.

"use strict";

const errors = require("./errors.cjs");
const { Hold } = require("./hold.cjs");
const { addon, awaited, call } = require("./native.cjs");

const { BusyError, UsageError } = errors;

/** What the native part takes of the options. */
function nativeOptions({ purpose, command, commandText, flock, allowFilesystems, agesOut }) {
  return { purpose, command, commandText, flock, allowFilesystems, agesOut };
}

/** For how long to wait, in milliseconds; undefined for as long as it takes. */
function patience(wait) {
  if (wait === undefined || wait === true || wait === Infinity) return undefined;
  if (wait === false) return 0;
  if (typeof wait === "number" && wait >= 0) return wait;
  throw new UsageError("`wait` is true, false, or a number of milliseconds that is not negative");
}

function checkedPath(path) {
  if (typeof path !== "string") throw new UsageError("the lock is a path or a name, as a string");
  return path;
}

function holdOf(answer, wait) {
  if (typeof answer === "string") throw new BusyError(JSON.parse(answer), { timedOut: wait !== 0 });
  return new Hold(answer);
}

async function lock(path, options = {}) {
  const { signal } = options;
  const wait = patience(options.wait);
  checkedPath(path);
  signal?.throwIfAborted();
  const waiter = call(() => new addon.Waiter());
  const giveUp = () => waiter.cancel();
  signal?.addEventListener("abort", giveUp, { once: true });
  try {
    const answer = await awaited(() => addon.lock(path, nativeOptions(options), wait, waiter));
    if (signal?.aborted && typeof answer !== "string") answer.undo();
    signal?.throwIfAborted();
    return holdOf(answer, wait);
  } finally {
    signal?.removeEventListener("abort", giveUp);
    giveUp();
  }
}

function lockSync(path, options = {}) {
  const wait = patience(options.wait);
  checkedPath(path);
  return holdOf(call(() => addon.lockSync(path, nativeOptions(options), wait)), wait);
}

async function tryLock(path, options = {}) {
  return heldOrNull(() => lock(path, { ...options, wait: false }));
}

function tryLockSync(path, options = {}) {
  checkedPath(path);
  const answer = call(() => addon.lockSync(path, nativeOptions(options), 0));
  return typeof answer === "string" ? null : new Hold(answer);
}

async function heldOrNull(acquire) {
  try {
    return await acquire();
  } catch (error) {
    if (error instanceof BusyError) return null;
    throw error;
  }
}

async function withLock(path, work, options = {}) {
  const hold = await lock(path, options);
  try {
    return await work(hold);
  } finally {
    hold.release();
  }
}

function withLockSync(path, work, options = {}) {
  const hold = lockSync(path, options);
  try {
    return work(hold);
  } finally {
    hold.release();
  }
}

function statusSync(path, options = {}) {
  checkedPath(path);
  return JSON.parse(call(() => addon.statusSync(path, nativeOptions(options))));
}

async function status(path, options = {}) {
  checkedPath(path);
  return JSON.parse(await awaited(() => addon.status(path, nativeOptions(options))));
}

const { ofNative: _, ...classes } = errors;

module.exports = {
  lock,
  lockSync,
  tryLock,
  tryLockSync,
  withLock,
  withLockSync,
  status,
  statusSync,
  Hold,
  ...classes,
};
