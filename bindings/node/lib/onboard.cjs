// The ancestor's module, with its names and its results. onboard.d.cts describes it.
//
// Its state is under $HOME/.nemoclaw as HOME is when this module is loaded; a gateway at another port than the default has a
// directory of its own. The session functions are the library's. What changes the session uses the lock that this process holds, or
// else takes it for that moment without waiting, and throws `BusyError` if somebody else has it.

"use strict";

const fs = require("node:fs");
const path = require("node:path");

const { BusyError, ContentError, UnsafeError, UsageError } = require("./errors.cjs");
const { Hold } = require("./hold.cjs");
const { lockSync } = require("./index.cjs");
const { addon, call } = require("./native.cjs");

const DEFAULT_PORT = 8080;

const SESSION_DIR = addon.onboardDirectory(process.env.HOME, otherPort(process.env.NEMOCLAW_GATEWAY_PORT));
const LOCK_FILE = path.join(SESSION_DIR, "onboard.lock");
const SESSION_FILE = path.join(SESSION_DIR, "onboard-session.json");

function otherPort(text) {
  const port = Number(text || DEFAULT_PORT);
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new UsageError(`NEMOCLAW_GATEWAY_PORT is \`${text}\`, which is no port`);
  }
  return port === DEFAULT_PORT ? undefined : port;
}

// Tests load this module anew and expect the process to hold what it held.
const HELD = Symbol.for("baton-lock.onboard");
const holds = (globalThis[HELD] ??= new Map());

function currentHold() {
  return holds.get(LOCK_FILE) ?? null;
}

function ensureDirectory() {
  fs.mkdirSync(SESSION_DIR, { recursive: true, mode: 0o700 });
}

function acquireOnboardLock(command = null) {
  ensureDirectory();
  // As text, since it is one: it is not to be quoted as an argument.
  const said = typeof command === "string" ? { commandText: command } : {};
  try {
    const hold = lockSync(LOCK_FILE, { wait: false, agesOut: true, ...said });
    holds.set(LOCK_FILE, hold);
    return { acquired: true, lockFile: LOCK_FILE, stale: false, outcome: hold.outcome, previous: hold.previous };
  } catch (error) {
    if (!(error instanceof BusyError)) throw error;
    return refusal(error);
  }
}

function refusal({ holder, message, hint }) {
  const base = { acquired: false, lockFile: LOCK_FILE, reason: message, advice: hint };
  // Somebody is there who can't be named: what the ancestor answers when it has tried often enough.
  if (holder === null) return { ...base, stale: true };
  return {
    ...base,
    stale: false,
    holderPid: holder.pid,
    holderStartedAt: holder.startedAt,
    holderCommand: holder.command,
  };
}

function releaseOnboardLock() {
  const hold = currentHold();
  holds.delete(LOCK_FILE);
  try {
    if (hold) hold.release();
    else removeOwnForeign();
  } catch {
    // The lock is given back in any case; the ancestor's callers expect no exception at the end.
  }
}

/** Removes a lock file that code of the ancestor's has written in this very process. */
function removeOwnForeign() {
  if (!fs.lstatSync(LOCK_FILE).isFile()) return;
  const record = JSON.parse(fs.readFileSync(LOCK_FILE, "utf8"));
  if (record.pid === process.pid && record.baton === undefined) fs.unlinkSync(LOCK_FILE);
}

function isOnboardLockHeldByCurrentProcess() {
  const hold = currentHold();
  if (!hold?.isHeld) return false;
  try {
    return hold.verify().state === "intact" && fs.lstatSync(LOCK_FILE).nlink === 1;
  } catch {
    return false;
  }
}

/** Undefined members are left out, as everywhere in JSON. */
function json(value) {
  return JSON.stringify(value ?? null);
}

function createSession(overrides = {}) {
  return JSON.parse(call(() => addon.createSession(json(overrides))));
}

function normalizeSession(data) {
  const session = call(() => addon.normalizeSession(json(data)));
  return session == null ? null : JSON.parse(session);
}

const warned = new Set();

/** Reads the session; one that can't be read is none, and a warning says why. */
function loadSession() {
  try {
    const session = call(() => addon.loadSession(SESSION_DIR));
    return session == null ? null : JSON.parse(session);
  } catch (error) {
    if (!(error instanceof ContentError) && !(error instanceof UnsafeError)) throw error;
    if (!warned.has(error.message)) {
      warned.add(error.message);
      process.emitWarning(`${error.message}; ${error.hint}`, { type: "BatonWarning", code: error.code });
    }
    return null;
  }
}

function change(act) {
  ensureDirectory();
  const hold = currentHold();
  const native = hold?.isHeld ? Hold.nativeOf(hold) : null;
  return call(() => act(native));
}

/** The session after a change; somebody else's lock is no answer here. */
function changed(act) {
  const answer = change(act);
  if (answer.kind === "busy") throw new BusyError(JSON.parse(answer.busy), { timedOut: false });
  return answer.session == null ? null : JSON.parse(answer.session);
}

function saveSession(session) {
  return changed((hold) => addon.saveSession(SESSION_DIR, hold, json(session)));
}

function clearSession() {
  changed((hold) => addon.clearSession(SESSION_DIR, hold));
}

/** As the library calls it: from JSON to JSON. A mutator changes its argument, or returns another session. */
function mutating(mutator) {
  return (text) => {
    const session = JSON.parse(text);
    return json(mutator(session) || session);
  };
}

function updateSession(mutator) {
  return changed((hold) => addon.updateSession(SESSION_DIR, hold, mutating(mutator)));
}

function compareAndSwapSession(matches, mutator) {
  const expected = (text) => Boolean(matches(JSON.parse(text)));
  return change((hold) => addon.compareAndSwapSession(SESSION_DIR, hold, expected, mutating(mutator))).kind;
}

function mark(step, what, details = {}) {
  return changed((hold) => addon.markStep(SESSION_DIR, hold, step, what, details));
}

function markStepStarted(step) {
  return mark(step, "Started");
}

function markStepComplete(step, updates = {}) {
  return mark(step, "Complete", { updates: json(updates) });
}

function markStepFailed(step, message = null, { interrupted = false } = {}) {
  return mark(step, "Failed", { message: message ?? undefined, interrupted });
}

function markStepSkipped(step) {
  return mark(step, "Skipped");
}

function completeSession(updates = {}) {
  return changed((hold) => addon.completeSession(SESSION_DIR, hold, json(updates)));
}

function filterSafeUpdates(updates) {
  return JSON.parse(addon.filterUpdates(json(updates)));
}

function redactSensitiveText(value) {
  return typeof value === "string" ? addon.redactFailure(value) : null;
}

function redactUrl(value) {
  return typeof value === "string" ? addon.redactUrl(value) : null;
}

function sanitizeFailure(input) {
  return JSON.parse(addon.sanitize(json(input)));
}

function summarizeForDebug(session = loadSession()) {
  const summary = session ? call(() => addon.summarizeSession(json(session))) : null;
  return summary == null ? null : JSON.parse(summary);
}

module.exports = {
  LOCK_FILE,
  SESSION_DIR,
  SESSION_FILE,
  acquireOnboardLock,
  releaseOnboardLock,
  isOnboardLockHeldByCurrentProcess,
  createSession,
  normalizeSession,
  loadSession,
  saveSession,
  clearSession,
  updateSession,
  compareAndSwapSession,
  markStepStarted,
  markStepComplete,
  markStepFailed,
  markStepSkipped,
  completeSession,
  filterSafeUpdates,
  redactSensitiveText,
  redactUrl,
  sanitizeFailure,
  summarizeForDebug,
};
