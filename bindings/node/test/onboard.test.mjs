// Every behaviour of the ancestor's module, through `baton-lock/onboard`.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { BusyError, ContentError, UnsafeError } from "../lib/index.mjs";
import * as ancestor from "./programs/ancestor.mjs";
import { PACKAGE, directory, program, run } from "./support.mjs";

const require = createRequire(import.meta.url);

/** The module as it is when it is loaded with an empty home. */
function fresh({ port } = {}) {
  const home = directory();
  return { home, ...load(home, port) };
}

/** Loads it anew, as tests do that reset modules. */
function load(home, port = "") {
  process.env.HOME = home;
  process.env.NEMOCLAW_GATEWAY_PORT = port;
  const file = require.resolve("../lib/onboard.cjs");
  delete require.cache[file];
  const module = require(file);
  onTestFinished(() => module.releaseOnboardLock());
  return module;
}

const dead = () => {
  const { pid } = JSON.parse(execFileSync(process.execPath, ["-p", "JSON.stringify({ pid: process.pid })"]));
  return pid;
};
const record = (pid, startedAt = new Date().toISOString(), command = "nemoclaw onboard") =>
  JSON.stringify({ pid, startedAt, command }, null, 2);
function put(onboard, text, age = 0) {
  fs.mkdirSync(onboard.SESSION_DIR, { recursive: true, mode: 0o700 });
  fs.writeFileSync(onboard.LOCK_FILE, text, { mode: 0o600 });
  const then = new Date(Date.now() - age);
  fs.utimesSync(onboard.LOCK_FILE, then, then);
}

test("files are under HOME as it is at load", () => {
  const { home, ...onboard } = fresh();
  expect(onboard.SESSION_DIR).toBe(join(home, ".nemoclaw"));
  expect(onboard.LOCK_FILE).toBe(join(home, ".nemoclaw", "onboard.lock"));
  expect(onboard.SESSION_FILE).toBe(join(home, ".nemoclaw", "onboard-session.json"));
  expect(load("").SESSION_DIR).toBe("/tmp/.nemoclaw");
  expect(load("/h", "8080").SESSION_DIR).toBe("/h/.nemoclaw");
  expect(load("/h", "9123").SESSION_DIR).toBe("/h/.nemoclaw/gateways/9123");
  expect(() => load("/h", "nine")).toThrow("NEMOCLAW_GATEWAY_PORT");
});

test("acquired lock has the ancestor's file and result", () => {
  const onboard = fresh();
  expect(onboard.acquireOnboardLock("nemoclaw onboard")).toEqual({
    acquired: true,
    lockFile: onboard.LOCK_FILE,
    stale: false,
    outcome: "fresh",
    previous: null,
  });
  const text = fs.readFileSync(onboard.LOCK_FILE, "utf8");
  expect(JSON.parse(text)).toMatchObject({ pid: process.pid, command: "nemoclaw onboard" });
  expect(JSON.parse(text).startedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  expect(text).toMatch(/^\{\n {2}"pid": .*\}$/s);
  expect(fs.statSync(onboard.LOCK_FILE).mode & 0o777).toBe(0o600);
  expect(fs.statSync(onboard.SESSION_DIR).mode & 0o777).toBe(0o700);
  onboard.releaseOnboardLock();
  expect(fs.existsSync(onboard.LOCK_FILE)).toBe(false);
});

test("second acquisition is refused with the holder, also in the same process", () => {
  const onboard = fresh();
  onboard.acquireOnboardLock("first");
  const { startedAt } = JSON.parse(fs.readFileSync(onboard.LOCK_FILE, "utf8"));
  const refused = {
    acquired: false,
    lockFile: onboard.LOCK_FILE,
    stale: false,
    holderPid: process.pid,
    holderStartedAt: startedAt,
    holderCommand: "first",
  };
  expect(onboard.acquireOnboardLock("second")).toMatchObject(refused);
  expect(onboard.acquireOnboardLock("second").reason).toContain(`pid ${process.pid}`);
  expect(onboard.isOnboardLockHeldByCurrentProcess()).toBe(true);
});

test("live ancestor is busy with its fields, a dead one is recovered", () => {
  const onboard = fresh();
  put(onboard, record(process.ppid, new Date().toISOString(), "theirs"));
  expect(onboard.acquireOnboardLock()).toMatchObject({
    acquired: false,
    stale: false,
    holderPid: process.ppid,
    holderCommand: "theirs",
  });
  const pid = dead();
  put(onboard, record(pid));
  expect(onboard.acquireOnboardLock()).toMatchObject({ acquired: true, outcome: "recovered", previous: { pid } });
});

test("pid that another process has by now is recovered from, one that can't be judged is not", () => {
  const onboard = fresh();
  put(onboard, record(process.ppid, "2001-01-01T00:00:00.000Z"));
  expect(onboard.acquireOnboardLock().acquired).toBe(true);
  onboard.releaseOnboardLock();
  put(onboard, record(process.ppid, null));
  expect(onboard.acquireOnboardLock()).toMatchObject({ acquired: false, holderPid: process.ppid });
});

test("strong identity, host and namespace of the ancestor's later records are honoured", () => {
  const onboard = fresh();
  const elsewhere = { hostIdentity: "another-machine" };
  put(onboard, JSON.stringify({ ...JSON.parse(record(dead())), ...elsewhere }));
  expect(onboard.acquireOnboardLock()).toMatchObject({ acquired: false, stale: false });
  const reused = { processStartIdentity: "linux:00000000-0000-0000-0000-000000000000:1" };
  put(onboard, JSON.stringify({ ...JSON.parse(record(process.ppid)), ...reused }));
  expect(onboard.acquireOnboardLock().acquired).toBe(true);
});

test.each([["empty", ""], ["NUL", "\0\0"], ["cut off", '{"pid": 1'], ["not JSON", "what?"], ["another's", "[1]"]])(
  "malformed file (%s) is left alone while it is young, and taken over when it is old",
  (_, text) => {
    const onboard = fresh();
    put(onboard, text);
    const refused = onboard.acquireOnboardLock();
    expect(refused).toMatchObject({ acquired: false, stale: true, lockFile: onboard.LOCK_FILE });
    expect(refused).not.toHaveProperty("holderPid");
    expect(fs.readFileSync(onboard.LOCK_FILE, "utf8")).toBe(text);
    put(onboard, text, 60_000);
    expect(onboard.acquireOnboardLock().acquired).toBe(true);
  },
);

test("what can't be a lock file is refused unread and left alone", () => {
  const onboard = fresh();
  fs.mkdirSync(onboard.LOCK_FILE, { recursive: true });
  expect(() => onboard.acquireOnboardLock()).toThrow(UnsafeError);
  fs.rmdirSync(onboard.LOCK_FILE);
  execFileSync("mkfifo", [onboard.LOCK_FILE]);
  expect(() => onboard.acquireOnboardLock()).toThrow(UnsafeError);
  fs.rmSync(onboard.LOCK_FILE);
  fs.symlinkSync("/etc/passwd", onboard.LOCK_FILE);
  expect(() => onboard.acquireOnboardLock()).toThrow(UnsafeError);
  expect(fs.readlinkSync(onboard.LOCK_FILE)).toBe("/etc/passwd");
});

test("release leaves alone what is not its own, and never throws", () => {
  const onboard = fresh();
  onboard.releaseOnboardLock();
  put(onboard, record(process.ppid));
  onboard.releaseOnboardLock();
  expect(fs.existsSync(onboard.LOCK_FILE)).toBe(true);
  put(onboard, "malformed");
  onboard.releaseOnboardLock();
  expect(fs.existsSync(onboard.LOCK_FILE)).toBe(true);
  put(onboard, record(process.pid));
  onboard.releaseOnboardLock();
  expect(fs.existsSync(onboard.LOCK_FILE)).toBe(false);
});

test("release does not remove what has taken the file's place", () => {
  const onboard = fresh();
  onboard.acquireOnboardLock();
  // Renamed, since a file that is removed may give its inode number to the next.
  fs.writeFileSync(`${onboard.LOCK_FILE}.new`, record(process.ppid));
  fs.renameSync(`${onboard.LOCK_FILE}.new`, onboard.LOCK_FILE);
  expect(onboard.isOnboardLockHeldByCurrentProcess()).toBe(false);
  onboard.releaseOnboardLock();
  expect(JSON.parse(fs.readFileSync(onboard.LOCK_FILE, "utf8")).pid).toBe(process.ppid);
});

test("held by this process only while it is, and the path is its one and only name", () => {
  const { home, ...onboard } = fresh();
  expect(onboard.isOnboardLockHeldByCurrentProcess()).toBe(false);
  onboard.acquireOnboardLock();
  expect(onboard.isOnboardLockHeldByCurrentProcess()).toBe(true);
  expect(load(home).isOnboardLockHeldByCurrentProcess()).toBe(true);
  fs.linkSync(onboard.LOCK_FILE, join(home, "second-name"));
  expect(onboard.isOnboardLockHeldByCurrentProcess()).toBe(false);
  fs.unlinkSync(join(home, "second-name"));
  onboard.releaseOnboardLock();
  expect(onboard.isOnboardLockHeldByCurrentProcess()).toBe(false);
});

test("killed holder leaves nothing in the way, and its session goes on where it fell", async () => {
  const { home, ...onboard } = fresh();
  const text = `
    baton.acquireOnboardLock("nemoclaw onboard");
    baton.markStepComplete("preflight");
    baton.markStepStarted("gateway");
    console.log("in the middle");
    setInterval(() => {}, 1000);
  `;
  const holder = program(text, { entry: "onboard.mjs", env: { HOME: home, NEMOCLAW_GATEWAY_PORT: "" } });
  await holder.line();
  expect(onboard.acquireOnboardLock()).toMatchObject({ acquired: false, holderPid: holder.pid });
  expect(onboard.compareAndSwapSession(() => true, () => {})).toBe("busy");
  expect(() => onboard.markStepComplete("gateway")).toThrow(BusyError);
  holder.kill("SIGKILL");
  await holder.ended;
  expect(onboard.acquireOnboardLock()).toMatchObject({ acquired: true, previous: { pid: holder.pid } });
  expect(onboard.loadSession()).toMatchObject({ lastStepStarted: "gateway", lastCompletedStep: "preflight" });
});

test("this package and the ancestor's algorithm exclude each other", async () => {
  const { home, ...onboard } = fresh();
  fs.mkdirSync(onboard.SESSION_DIR, { mode: 0o700 });
  const ledger = join(home, "ledger");
  const programs = join(PACKAGE, "test", "programs");
  const env = { HOME: home, NEMOCLAW_GATEWAY_PORT: "" };
  const rounds = "40";
  const contenders = [0, 1].flatMap(() => [
    run(process.execPath, [join(programs, "ancestor.mjs"), onboard.LOCK_FILE, rounds, ledger], { env }),
    run(process.execPath, [join(programs, "contender.mjs"), rounds, ledger], { env }),
  ]);
  for (const contender of contenders) expect(await contender.line()).toBe("ready");
  fs.writeFileSync(`${ledger}.go`, "");
  for (const contender of contenders) expect(await contender.line()).toBe("done");
  expect(fs.readFileSync(ledger, "utf8")).toBe(".".repeat(4 * Number(rounds)));
});

test("the ancestor sees this package's holder as alive", () => {
  const onboard = fresh();
  onboard.acquireOnboardLock("ours");
  expect(ancestor.acquire(onboard.LOCK_FILE)).toMatchObject({
    acquired: false,
    stale: false,
    holderPid: process.pid,
    holderCommand: "ours",
  });
});

const STEPS = ["preflight", "gateway", "sandbox", "provider_selection", "inference", "openclaw", "policies"];
const PENDING = { status: "pending", startedAt: null, completedAt: null, error: null };

test("new session has the ancestor's fields and defaults", () => {
  const onboard = fresh();
  const session = onboard.createSession();
  expect(session).toEqual({
    version: 1,
    sessionId: expect.stringMatching(/^\d+-\w+$/),
    resumable: true,
    status: "in_progress",
    mode: "interactive",
    startedAt: expect.any(String),
    updatedAt: expect.any(String),
    lastStepStarted: null,
    lastCompletedStep: null,
    failure: null,
    sandboxName: null,
    provider: null,
    model: null,
    endpointUrl: null,
    credentialEnv: null,
    preferredInferenceApi: null,
    nimContainer: null,
    webSearchConfig: null,
    policyPresets: null,
    metadata: { gatewayName: "nemoclaw" },
    steps: Object.fromEntries(STEPS.map((step) => [step, PENDING])),
  });
  expect(onboard.createSession({ mode: "non-interactive", model: "m" })).toMatchObject({ mode: "non-interactive", model: "m" });
});

test("what is no session of version 1 is none, and nothing unknown is lost from one that is", () => {
  const onboard = fresh();
  for (const data of [null, undefined, 7, "x", [], {}, { version: 2 }]) expect(onboard.normalizeSession(data)).toBeNull();
  const session = onboard.normalizeSession({ version: 1, model: 7, later: { kept: [1] }, steps: { gateway: "odd" } });
  expect(session).toMatchObject({ model: null, later: { kept: [1] }, steps: { gateway: PENDING } });
});

test("session is saved whole, 0600, with the time of the save, and loads as it was", () => {
  const onboard = fresh();
  expect(onboard.loadSession()).toBeNull();
  const saved = onboard.saveSession(onboard.createSession({ sandboxName: "s", updatedAt: "then" }));
  expect(saved).toMatchObject({ sandboxName: "s", updatedAt: expect.not.stringMatching("then") });
  expect(onboard.loadSession()).toEqual(saved);
  expect(fs.readFileSync(onboard.SESSION_FILE, "utf8")).toBe(JSON.stringify(saved, null, 2));
  expect(fs.statSync(onboard.SESSION_FILE).mode & 0o777).toBe(0o600);
  expect(fs.readdirSync(onboard.SESSION_DIR).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  onboard.clearSession();
  expect(onboard.loadSession()).toBeNull();
  onboard.clearSession();
});

test("session that can't be read is none, with a warning, and is not overwritten", async () => {
  const onboard = fresh();
  fs.mkdirSync(onboard.SESSION_DIR, { mode: 0o700 });
  const warnings = [];
  const listen = (warning) => warnings.push(warning);
  process.on("warning", listen);
  for (const text of ["{broken", '{"version": 2}']) {
    fs.writeFileSync(onboard.SESSION_FILE, text, { mode: 0o600 });
    expect(onboard.loadSession()).toBeNull();
    expect(() => onboard.saveSession(onboard.createSession())).toThrow(ContentError);
    expect(fs.readFileSync(onboard.SESSION_FILE, "utf8")).toBe(text);
  }
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", listen);
  expect(warnings.map(({ name, code }) => `${name} ${code}`)).toEqual(Array(2).fill("BatonWarning BATON_CONTENT"));
  onboard.clearSession();
  onboard.saveSession(onboard.createSession());
});

test("steps are marked as the ancestor marks them", () => {
  const onboard = fresh();
  const started = onboard.markStepStarted("gateway");
  expect(started).toMatchObject({ lastStepStarted: "gateway", status: "in_progress", failure: null });
  expect(started.steps.gateway).toEqual({ ...PENDING, status: "in_progress", startedAt: expect.any(String) });

  const failed = onboard.markStepFailed("gateway", "boom: OPENAI_API_KEY=abc123");
  expect(failed.steps.gateway).toMatchObject({ status: "failed", completedAt: null, error: "boom: OPENAI_API_KEY=<REDACTED>" });
  expect(failed).toMatchObject({ status: "failed", failure: { step: "gateway", message: "boom: OPENAI_API_KEY=<REDACTED>" } });
  expect(onboard.markStepFailed("gateway", "ctrl-c", { interrupted: true }).failure.interrupted).toBe(true);
  expect(onboard.markStepFailed("gateway").steps.gateway.error).toBeNull();

  onboard.markStepStarted("gateway");
  const done = onboard.markStepComplete("gateway", { model: "m", apiKey: "no", metadata: { gatewayName: "g", token: "no" } });
  expect(done.steps.gateway).toMatchObject({ status: "complete", completedAt: expect.any(String), startedAt: expect.any(String) });
  expect(done).toMatchObject({ lastCompletedStep: "gateway", model: "m", metadata: { gatewayName: "g" }, failure: null });
  expect(done).not.toHaveProperty("apiKey");
  expect(done.metadata).not.toHaveProperty("token");

  expect(onboard.markStepSkipped("gateway").steps.gateway.status).toBe("complete");
  expect(onboard.markStepSkipped("policies").steps.policies).toEqual({ ...PENDING, status: "skipped" });
  const { updatedAt: _, ...before } = onboard.loadSession();
  expect(onboard.markStepStarted("no such step")).toMatchObject(before);

  const complete = onboard.completeSession({ provider: "p", model: null });
  expect(complete).toMatchObject({ status: "complete", resumable: false, failure: null, provider: "p", model: null });
  expect(onboard.markStepFailed("policies", "late").status).toBe("complete");
});

test("update changes in place or by a new session, and one that throws changes nothing", () => {
  const onboard = fresh();
  expect(onboard.updateSession((session) => void (session.model = "in place")).model).toBe("in place");
  expect(onboard.updateSession((session) => ({ ...session, model: "new" })).model).toBe("new");
  const before = onboard.loadSession();
  const failure = new Error("mutator");
  const change = () => onboard.updateSession(() => { throw failure; });
  expect(change).toThrow(failure);
  expect(onboard.loadSession()).toEqual(before);
  // The lock that was taken for it was given back.
  expect(onboard.acquireOnboardLock().acquired).toBe(true);
  expect(change).toThrow(failure);
  expect(onboard.isOnboardLockHeldByCurrentProcess()).toBe(true);
  expect(() => onboard.updateSession(() => ({ version: 3 }))).toThrow("version 1");
  expect(onboard.loadSession()).toEqual(before);
});

test("lock that is released within a change stays until that is done", () => {
  const onboard = fresh();
  onboard.acquireOnboardLock();
  const session = onboard.updateSession((current) => {
    onboard.releaseOnboardLock();
    current.model = "m";
  });
  expect(session.model).toBe("m");
  expect(fs.existsSync(onboard.LOCK_FILE)).toBe(false);
  expect(onboard.acquireOnboardLock()).toMatchObject({ acquired: true, outcome: "fresh" });
});

test("compare and swap updates, finds a mismatch, or is busy, under the lock that is held or without", () => {
  const onboard = fresh();
  const isNamed = (model) => (session) => session.model === model;
  const rename = (model) => (session) => void (session.model = model);
  expect(onboard.compareAndSwapSession(() => true, rename("a"))).toBe("mismatch");
  onboard.saveSession(onboard.createSession({ model: "a" }));
  expect(onboard.compareAndSwapSession(isNamed("b"), rename("c"))).toBe("mismatch");
  expect(onboard.compareAndSwapSession(isNamed("a"), rename("b"))).toBe("updated");
  onboard.acquireOnboardLock();
  expect(onboard.compareAndSwapSession(isNamed("b"), rename("c"))).toBe("updated");
  expect(onboard.isOnboardLockHeldByCurrentProcess()).toBe(true);
  expect(onboard.loadSession().model).toBe("c");
  onboard.releaseOnboardLock();
  put(onboard, record(process.ppid));
  expect(onboard.compareAndSwapSession(isNamed("c"), rename("d"))).toBe("busy");
  expect(() => onboard.saveSession(onboard.createSession())).toThrow(BusyError);
  expect(onboard.loadSession().model).toBe("c");
});

test("updates keep what is allowed", () => {
  const onboard = fresh();
  const updates = { model: null, provider: "p", sandboxName: 7, endpointUrl: "https://u:p@h/x?sig=s#f", policyPresets: ["a", 1], apiKey: "k" };
  expect(onboard.filterSafeUpdates({ ...updates, nimContainer: undefined })).toEqual({
    model: null,
    provider: "p",
    endpointUrl: "https://h/x?sig=<REDACTED>",
    policyPresets: ["a"],
  });
});

test("texts, URLs and failures are redacted as the ancestor does", () => {
  const onboard = fresh();
  expect(onboard.redactSensitiveText("Bearer abcdefghijkl nvapi-0123456789ab")).toBe("Bearer <REDACTED> <REDACTED>");
  expect(onboard.redactSensitiveText("x".repeat(300))).toHaveLength(240);
  expect(onboard.redactSensitiveText(null)).toBeNull();
  expect(onboard.redactUrl("https://a:b@h/p?n=1&access_token=t#f")).toBe("https://h/p?n=1&access_token=<REDACTED>");
  expect(onboard.redactUrl(undefined)).toBeNull();
  expect(onboard.sanitizeFailure(null)).toBeNull();
  expect(onboard.sanitizeFailure({ step: "s", message: "FOO_TOKEN=x", recordedAt: "then" })).toEqual({
    step: "s",
    message: "FOO_TOKEN=<REDACTED>",
    recordedAt: "then",
  });
});

test("summary has what helps and nothing secret", () => {
  const onboard = fresh();
  expect(onboard.summarizeForDebug()).toBeNull();
  onboard.saveSession(onboard.createSession({ model: "m", metadata: { gatewayName: "g" }, later: 1 }));
  const summary = onboard.summarizeForDebug();
  expect(summary).toMatchObject({ version: 1, model: "m", steps: { gateway: PENDING } });
  expect(summary).not.toHaveProperty("metadata");
  expect(summary).not.toHaveProperty("later");
  expect(onboard.summarizeForDebug(null)).toBeNull();
});
