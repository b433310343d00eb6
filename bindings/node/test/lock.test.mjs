// The package's own interface, within one process.

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

import { expect, test } from "vitest";

import baton, {
  BusyError,
  ContentError,
  UnsafeError,
  UsageError,
  lock,
  lockSync,
  status,
  statusSync,
  tryLock,
  tryLockSync,
  withLock,
  withLockSync,
} from "../lib/index.mjs";
import { LIB, directory, until } from "./support.mjs";

const lockPath = () => join(directory(), "a.lock");
const rejected = (promise) => promise.then(expect.unreachable, (error) => error);
const descriptors = () => readdirSync("/proc/self/fd").length;

test("lock is exclusive until it is released", async () => {
  const path = lockPath();
  const first = await tryLock(path, { purpose: "first" });
  expect(first).toMatchObject({ outcome: "fresh", previous: null, path, isHeld: true });
  expect(await tryLock(path)).toBeNull();
  expect(tryLockSync(path)).toBeNull();
  const refused = await rejected(lock(path, { wait: false }));
  expect(refused).toBeInstanceOf(BusyError);
  expect(refused).toMatchObject({ code: "BATON_BUSY", timedOut: false });
  expect(refused.holder).toMatchObject({ pid: process.pid, baton: { purpose: "first", token: first.token } });
  expect(refused.message).toContain(`pid ${process.pid}`);
  first.release();
  expect(existsSync(path)).toBe(false);
  const second = await tryLock(path);
  expect(second.token).toBeGreaterThan(first.token);
  second.release();
});

test("released hold says so and is not released twice", () => {
  const path = lockPath();
  const hold = lockSync(path);
  hold.release();
  const next = lockSync(path);
  hold.release();
  expect(hold.isHeld).toBe(false);
  expect(tryLockSync(path)).toBeNull();
  expect(() => hold.verify()).toThrow(UsageError);
  next.release();
});

test("secrets in the command do not reach the record", () => {
  const path = lockPath();
  const hold = lockSync(path, { command: ["deploy", "--token", "hunter2"] });
  expect(readFileSync(path, "utf8")).not.toContain("hunter2");
  expect(hold.record.command).toBe("deploy --token '<REDACTED>'");
  hold.release();
});

test("waiter gets the lock when it is released", async () => {
  const path = lockPath();
  const first = lockSync(path);
  const waiting = lock(path);
  await until(async () => (await status(path)).queue.length === 1);
  first.release();
  const second = await waiting;
  expect(second.outcome).toBe("fresh");
  second.release();
});

test("many waiters leave the event loop and the threads of libuv free, and come in their order", async () => {
  const path = lockPath();
  const first = lockSync(path);
  const order = [];
  const waiters = [];
  for (let number = 0; number < 12; number += 1) {
    waiters.push(withLock(path, () => order.push(number)));
    await until(() => statusSync(path).queue.length === number + 1);
  }
  // Each of these goes through one of the four threads that libuv has.
  await Promise.all(Array.from({ length: 8 }, () => readFile(import.meta.filename ?? join(LIB, "index.cjs"))));
  first.release();
  await Promise.all(waiters);
  expect(order).toEqual([...order.keys()]);
  expect(order).toHaveLength(12);
});

test("wait ends in time with who has the lock", async () => {
  const path = lockPath();
  const hold = lockSync(path, { purpose: "long" });
  const late = await rejected(lock(path, { wait: 20 }));
  expect(late).toMatchObject({ code: "BATON_BUSY", timedOut: true, holder: { baton: { purpose: "long" } } });
  expect(() => lockSync(path, { wait: 20 })).toThrow(BusyError);
  expect((await status(path)).queue).toEqual([]);
  hold.release();
});

test("aborted wait is rejected with the reason and leaves the queue", async () => {
  const path = lockPath();
  const hold = lockSync(path);
  const controller = new AbortController();
  const waiting = rejected(lock(path, { signal: controller.signal }));
  await until(async () => (await status(path)).queue.length === 1);
  const reason = new Error("enough");
  controller.abort(reason);
  expect(await waiting).toBe(reason);
  await until(async () => (await status(path)).queue.length === 0);
  hold.release();
  lockSync(path, { wait: false }).release();
});

test("signal that is aborted already touches nothing", async () => {
  const path = lockPath();
  expect((await rejected(lock(path, { signal: AbortSignal.abort() }))).name).toBe("AbortError");
  expect(existsSync(`${path}.guard`)).toBe(false);
});

test("lock that arrives with the abort is given back", async () => {
  const path = lockPath();
  for (let round = 0; round < 50; round += 1) {
    const hold = lockSync(path);
    const controller = new AbortController();
    const waiting = lock(path, { signal: controller.signal }).then(
      (late) => late.release(),
      () => {},
    );
    hold.release();
    controller.abort();
    await waiting;
    lockSync(path, { wait: 10_000 }).release();
  }
});

test("withLock releases whatever becomes of the work", async () => {
  const path = lockPath();
  expect(await withLock(path, async (hold) => hold.isHeld)).toBe(true);
  const failure = new Error("work");
  expect(await rejected(withLock(path, () => Promise.reject(failure)))).toBe(failure);
  expect(() => withLockSync(path, () => { throw failure; })).toThrow(failure);
  expect(statusSync(path).state).toBe("free");
});

test("hold is disposed of by its symbols", async () => {
  const path = lockPath();
  const first = lockSync(path);
  await first[Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]();
  const second = lockSync(path, { wait: false });
  second[Symbol.dispose ?? Symbol.for("Symbol.dispose")]();
  expect(statusSync(path).state).toBe("free");
});

test("abandoned lock is recovered, with the record of who abandoned it", () => {
  const path = lockPath();
  lockSync(path, { purpose: "half done" }).abandon();
  const next = lockSync(path, { wait: false });
  expect(next).toMatchObject({ outcome: "recovered", previous: { pid: process.pid } });
  next.release();
  expect(next.previous.baton.purpose).toBe("half done");
});

test("damage and loss are told", () => {
  const path = lockPath();
  const hold = lockSync(path);
  expect(hold.verify()).toEqual({ state: "intact", reason: null });
  rmSync(`${path}.guard`);
  expect(hold.verify().state).toBe("damaged");
  expect(tryLockSync(path)).toBeNull();
  rmSync(path);
  expect(hold.verify()).toMatchObject({ state: "lost", reason: expect.stringContaining("a.lock") });
  hold.release();
});

test("status disturbs nothing and says what the command says", async () => {
  const path = lockPath();
  expect(await status(path)).toMatchObject({ lock: path, state: "free", obtainable: true, record: null });
  expect(existsSync(`${path}.guard`)).toBe(false);
  const hold = lockSync(path);
  const seen = await status(path);
  expect(seen).toMatchObject({ state: "held", obtainable: false, naming: "record" });
  expect(seen.record).toEqual(hold.record);
  expect(seen.processes.map(({ pid }) => pid)).toEqual([process.pid]);
  hold.release();
});

test("flock naming excludes flock(1) and writes nothing to the file", () => {
  const path = join(directory(), "data");
  writeFileSync(path, "precious");
  const hold = lockSync(path, { flock: true });
  expect(() => execFileSync("flock", ["--nonblock", path, "true"])).toThrow();
  hold.release();
  execFileSync("flock", ["--nonblock", path, "true"]);
  expect(readFileSync(path, "utf8")).toBe("precious");
});

test("failures are classes with a code, the file and a hint", async () => {
  const place = directory();
  const script = join(place, "deploy.sh");
  writeFileSync(script, "#!/bin/sh\n");
  const foreign = await rejected(lock(script));
  expect(foreign).toBeInstanceOf(ContentError);
  expect(foreign).toMatchObject({ code: "BATON_CONTENT", name: "ContentError", hint: expect.any(String) });
  expect(foreign.message).toContain(script);
  execFileSync("mkfifo", [join(place, "fifo")]);
  expect(() => lockSync(join(place, "fifo"))).toThrow(UnsafeError);
  const missing = await rejected(tryLock(join(place, "none", "a.lock")));
  expect(missing).toMatchObject({ code: "BATON_UNSAFE", systemCode: "ENOENT" });
  expect(await rejected(lock(".hidden"))).toBeInstanceOf(UsageError);
  expect(await rejected(lock(7))).toBeInstanceOf(UsageError);
  expect(await rejected(lock("./a", { wait: -1 }))).toBeInstanceOf(UsageError);
});

test("CommonJS and ES modules are one and the same", () => {
  const required = createRequire(import.meta.url)("../lib/index.cjs");
  expect(required.lock).toBe(lock);
  expect(baton).toBe(required);
});

test("descriptors do not grow", async () => {
  const path = lockPath();
  const cycle = async () => {
    const hold = lockSync(path);
    const waiting = lock(path, { wait: 1 }).catch(() => null);
    expect(tryLockSync(path)).toBeNull();
    await waiting;
    hold.release();
    (await lock(path)).release();
  };
  await cycle();
  await until(() => descriptors() <= 40);
  const before = descriptors();
  for (let count = 0; count < 200; count += 1) await cycle();
  // A thread that has just delivered its answer may still be about to close its descriptors.
  await until(() => descriptors() <= before);
});
