// What ends a process, a thread or a wait, and what that means for a lock.

import { join } from "node:path";
import { Worker } from "node:worker_threads";

import { expect, test } from "vitest";

import { lock, lockSync, status, tryLockSync } from "../lib/index.mjs";
import { LIB, directory, program, until } from "./support.mjs";

const lockPath = () => join(directory(), "a.lock");
const isQueued = async (path) => (await status(path)).queue.length === 1;

const HOLD = `
  const hold = baton.lockSync(process.argv[1], { purpose: "child" });
  console.log(hold.outcome);
`;
// Prints when the kernel knows of it, since only then a test may act on it.
const WAIT = `
  const waiting = baton.lock(process.argv[1]);
  waiting.then((hold) => console.log(hold.outcome));
`;
const STAY = "setInterval(() => {}, 1000);";

test("lock of a killed process is had at once by who waits, with its record", async () => {
  const path = lockPath();
  const holder = program(HOLD + STAY, { args: [path] });
  await holder.line();
  const waiting = lock(path);
  await until(() => isQueued(path));
  holder.kill("SIGKILL");
  const hold = await waiting;
  expect(hold).toMatchObject({ outcome: "recovered", previous: { pid: holder.pid } });
  hold.release();
});

test("process that holds ends normally, and its lock is released cleanly", async () => {
  const path = lockPath();
  const holder = program(HOLD, { args: [path] });
  expect(await holder.line()).toBe("fresh");
  expect(await holder.ended).toMatchObject({ code: 0 });
  const next = lockSync(path, { wait: false });
  expect(next.outcome).toBe("fresh");
  next.release();
});

test.each([
  ["another exit code", "process.exit(3);", 3],
  ["an exception", "throw new Error('in the middle');", 1],
  ["an unhandled rejection", "Promise.reject(new Error('in the middle'));", 1],
])("process that holds and ends by %s leaves its lock to be recovered", async (_, end, code) => {
  const path = lockPath();
  const holder = program(HOLD + end, { args: [path] });
  await holder.line();
  expect(await holder.ended).toMatchObject({ code });
  const next = lockSync(path, { wait: false });
  expect(next).toMatchObject({ outcome: "recovered", previous: { pid: holder.pid } });
  next.release();
});

test("process that waits stays alive for it", async () => {
  const path = lockPath();
  const hold = lockSync(path);
  const waiter = program(WAIT, { args: [path] });
  await until(() => isQueued(path));
  hold.release();
  expect(await waiter.line()).toBe("fresh");
  expect(await waiter.ended).toMatchObject({ code: 0 });
});

test.each([
  ["process.exit", "setInterval(() => {}, 5).unref(); globalThis.go = () => process.exit(5);", "SIGUSR2", { code: 5 }],
  ["a signal", "", "SIGTERM", { signal: "SIGTERM" }],
])("process that waits ends by %s without hanging, and leaves the queue", async (_, extra, signal, ending) => {
  const path = lockPath();
  const hold = lockSync(path);
  const waiter = program(`${extra}\nprocess.on("SIGUSR2", () => globalThis.go());\nconsole.log("ready");\n${WAIT}`, {
    args: [path],
  });
  await waiter.line();
  await until(() => isQueued(path));
  waiter.kill(signal);
  expect(await waiter.ended).toMatchObject(ending);
  expect((await status(path)).queue).toEqual([]);
  hold.release();
  lockSync(path, { wait: false }).release();
});

test("stopped holder loses nothing", async () => {
  const path = lockPath();
  const tell = 'process.on("SIGUSR2", () => console.log(hold.verify().state));';
  const holder = program(tell + HOLD + STAY, { args: [path] });
  await holder.line();
  holder.kill("SIGSTOP");
  expect(tryLockSync(path)).toBeNull();
  holder.kill("SIGCONT");
  holder.kill("SIGUSR2");
  expect(await holder.line()).toBe("intact");
});

test("hold that nobody keeps is not lost to a garbage collection", async () => {
  const path = lockPath();
  const text = `
    (() => void baton.lockSync(process.argv[1]))();
    await (async () => void (await baton.lock(process.argv[1] + "2")))();
    for (let count = 0; count < 20; count += 1) {
      gc();
      await new Promise((resolve) => setImmediate(resolve));
    }
    console.log("collected");
    ${STAY}
  `;
  const holder = program(text, { args: [path], node: ["--expose-gc"] });
  await holder.line();
  expect(tryLockSync(path)).toBeNull();
  expect(tryLockSync(`${path}2`)).toBeNull();
});

function worker(text, path) {
  const head = `const baton = require(${JSON.stringify(join(LIB, "index.cjs"))});
    const { parentPort, workerData: path } = require("node:worker_threads");`;
  return new Worker(head + text, { eval: true, workerData: path });
}
const message = (thread) =>
  new Promise((resolve, reject) => {
    thread.once("message", resolve);
    thread.once("error", reject);
  });

test("threads of one process exclude each other, and wait for each other", async () => {
  const path = lockPath();
  const hold = lockSync(path);
  const thread = worker("baton.lock(path).then((hold) => { hold.release(); parentPort.postMessage('had'); });", path);
  await until(() => isQueued(path));
  hold.release();
  expect(await message(thread)).toBe("had");
  await thread.terminate();
});

test("worker that ends normally releases, one that is terminated is recovered from", async () => {
  const path = lockPath();
  const normal = worker("baton.lockSync(path); parentPort.postMessage('held');", path);
  expect(await message(normal)).toBe("held");
  await until(() => tryLockSync(path)?.release() === undefined && normal.threadId === -1);
  expect((await status(path)).state).toBe("free");

  const cut = worker("baton.lockSync(path); parentPort.postMessage('held'); setInterval(() => {}, 1000);", path);
  expect(await message(cut)).toBe("held");
  expect(tryLockSync(path)).toBeNull();
  await cut.terminate();
  const next = lockSync(path, { wait: false });
  expect(next.outcome).toBe("recovered");
  next.release();
});

test("worker that is terminated while it waits leaves the queue and never gets the lock", async () => {
  const path = lockPath();
  const hold = lockSync(path);
  const thread = worker("baton.lock(path);", path);
  await until(() => isQueued(path));
  await thread.terminate();
  await until(async () => !(await isQueued(path)));
  hold.release();
  const next = lockSync(path, { wait: false });
  expect(next.outcome).toBe("fresh");
  next.release();
});
