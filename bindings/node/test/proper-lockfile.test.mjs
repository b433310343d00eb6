// `baton-lock/proper-lockfile` and the module whose interface it has, by the same tests; then both together.

import fs from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

import { describe, expect, onTestFinished, test } from "vitest";

import { lockSync as batonLockSync, statusSync } from "../lib/index.mjs";
import { LIB, PACKAGE, directory, run, until } from "./support.mjs";

const require = createRequire(import.meta.url);
const theirs = require("proper-lockfile");
const ours = require("../lib/proper-lockfile.cjs");

const OLD_AGE = 60_000;

function file() {
  const path = join(directory(), "file");
  fs.writeFileSync(path, "");
  return path;
}
const code = (promise) => promise.then(() => "none", (error) => error.code);
function codeSync(act) {
  try {
    act();
    return "none";
  } catch (error) {
    return error.code;
  }
}

describe.each([
  ["this package", ours],
  ["proper-lockfile itself", theirs],
])("%s", (_, lockfile) => {
  test("locks, refuses and releases", async () => {
    const path = file();
    const release = await lockfile.lock(path);
    expect(fs.existsSync(`${path}.lock`)).toBe(true);
    expect(await code(lockfile.lock(path))).toBe("ELOCKED");
    expect(await lockfile.check(path)).toBe(true);
    expect(lockfile.checkSync(path)).toBe(true);
    await release();
    expect(fs.existsSync(`${path}.lock`)).toBe(false);
    expect(await lockfile.check(path)).toBe(false);
    expect(await code(release())).toBe("ERELEASED");
  });

  test("is a function itself, and has sync twins", async () => {
    const path = file();
    await (await lockfile(path))();
    const release = lockfile.lockSync(path);
    expect(codeSync(() => lockfile.lockSync(path))).toBe("ELOCKED");
    release();
    expect(codeSync(release)).toBe("ERELEASED");
    lockfile.lockSync(path);
    lockfile.unlockSync(path);
    expect(lockfile.checkSync(path)).toBe(false);
    expect(codeSync(() => lockfile.lockSync(path, { retries: 1 }))).toBe("ESYNC");
    expect(codeSync(() => lockfile.lockSync(path, { retries: { retries: 1 } }))).toBe("ESYNC");
  });

  test("unlocks what is held here, and nothing else", async () => {
    const path = file();
    expect(await code(lockfile.unlock(path))).toBe("ENOTACQUIRED");
    expect(codeSync(() => lockfile.unlockSync(path))).toBe("ENOTACQUIRED");
    const release = await lockfile.lock(path);
    await lockfile.unlock(path);
    expect(await code(release())).toBe("ERELEASED");
    expect(await code(lockfile.unlock(path))).toBe("ENOTACQUIRED");
  });

  test("resolves links unless told not to, and needs the file to exist then", async () => {
    const path = file();
    const link = `${path}-link`;
    fs.symlinkSync(path, link);
    const release = await lockfile.lock(link);
    expect(await code(lockfile.lock(path))).toBe("ELOCKED");
    expect(await lockfile.check(link, { realpath: false })).toBe(false);
    await release();
    const missing = `${path}-missing`;
    expect(await code(lockfile.lock(missing))).toBe("ENOENT");
    expect(await code(lockfile.check(missing))).toBe("ENOENT");
    expect(codeSync(() => lockfile.lockSync(missing))).toBe("ENOENT");
    await (await lockfile.lock(missing, { realpath: false }))();
    expect(await code(lockfile.lock(join(path, "..", "none", "file"), { realpath: false }))).toBe("ENOENT");
  });

  test("takes another path for its lock", async () => {
    const path = file();
    const lockfilePath = `${path}.other`;
    const release = await lockfile.lock(path, { lockfilePath });
    expect(fs.existsSync(lockfilePath)).toBe(true);
    expect(await lockfile.check(path)).toBe(false);
    expect(await lockfile.check(path, { lockfilePath })).toBe(true);
    await release();
  });

  test("waits for as long as its retries take", async () => {
    const path = file();
    const retries = { retries: 500, factor: 1, minTimeout: 20, maxTimeout: 20 };
    const release = await lockfile.lock(path);
    const waiting = lockfile.lock(path, { retries });
    await release();
    await (await waiting)();
    const hold = await lockfile.lock(path);
    expect(await code(lockfile.lock(path, { retries: { retries: 1, minTimeout: 10 } }))).toBe("ELOCKED");
    await hold();
  });

  test("leaves nothing in the way at a normal end", async () => {
    const path = file();
    const module = lockfile === ours ? join(LIB, "proper-lockfile.cjs") : "proper-lockfile";
    const holder = run(process.execPath, ["-e", `require(process.argv[1]).lockSync(process.argv[2])`, module, path], {
      cwd: PACKAGE,
    });
    expect(await holder.ended).toMatchObject({ code: 0 });
    expect(lockfile.checkSync(path)).toBe(false);
  });
});

test("lock of a killed holder is free at once, whatever its age", async () => {
  const path = file();
  const text = "require(process.argv[1]).lockSync(process.argv[2]); console.log('held'); setInterval(() => {}, 1000)";
  const holder = run(process.execPath, ["-e", text, join(LIB, "proper-lockfile.cjs"), path]);
  await holder.line();
  expect(await ours.check(path)).toBe(true);
  holder.kill("SIGKILL");
  await holder.ended;
  expect(await ours.check(path)).toBe(false);
  await (await ours.lock(path))();
});

test("retries are one wait in the queue, in its order", async () => {
  const path = file();
  const release = await ours.lock(path);
  const order = [];
  const waiters = [];
  for (const number of [1, 2, 3]) {
    const waiting = ours.lock(path, { retries: { retries: 10, minTimeout: 10_000 } });
    waiters.push(waiting.then((done) => (order.push(number), done())));
    await until(() => statusSync(`${path}.lock`).queue.length === number);
  }
  await release();
  await Promise.all(waiters);
  expect(order).toEqual([1, 2, 3]);
});

test("lock does not go stale with its age", async () => {
  const path = file();
  const release = await ours.lock(path, { stale: 2000, update: 1000, onCompromised: expect.unreachable });
  const then = new Date(Date.now() - OLD_AGE);
  fs.utimesSync(`${path}.lock`, then, then);
  expect(await ours.check(path)).toBe(true);
  expect(await code(ours.lock(path))).toBe("ELOCKED");
  await release();
});

test("holder of the old kind is busy, and this package's is for the old kind", async () => {
  const path = file();
  const releaseOld = await theirs.lock(path);
  expect(await ours.check(path)).toBe(true);
  expect(await code(ours.lock(path))).toBe("ELOCKED");
  expect(codeSync(() => ours.lockSync(path))).toBe("ELOCKED");
  const waiting = ours.lock(path, { retries: { forever: true, minTimeout: 5, factor: 1 } });
  await releaseOld();
  const release = await waiting;
  expect(await theirs.check(path)).toBe(true);
  expect(await code(theirs.lock(path))).toBe("ELOCKED");
  // Even when the old kind takes it for stale, it can't remove it.
  const then = new Date(Date.now() - OLD_AGE);
  fs.utimesSync(`${path}.lock`, then, then);
  expect(await code(theirs.lock(path))).toBe("ENOTDIR");
  await release();
  await (await theirs.lock(path))();
});

test("directory that a holder of the old kind left is removed when that would do so", async () => {
  const path = file();
  for (const acquire of [() => ours.lock(path), async () => ours.lockSync(path)]) {
    fs.mkdirSync(`${path}.lock`);
    expect(await code(acquire())).toBe("ELOCKED");
    const then = new Date(Date.now() - OLD_AGE);
    fs.utimesSync(`${path}.lock`, then, then);
    expect(ours.checkSync(path)).toBe(false);
    await (await acquire())();
  }
  fs.mkdirSync(`${path}.lock/with-content`, { recursive: true });
  const then = new Date(Date.now() - OLD_AGE);
  fs.utimesSync(`${path}.lock`, then, then);
  expect(await code(ours.lock(path))).toBe("ENOTEMPTY");
});

test("what is no lock at all is refused and left alone", async () => {
  const path = file();
  fs.writeFileSync(`${path}.lock`, "precious");
  expect(await code(ours.lock(path))).toBe("BATON_CONTENT");
  expect(await code(ours.check(path))).toBe("EINVAL");
  expect(fs.readFileSync(`${path}.lock`, "utf8")).toBe("precious");
});

test("its locks are this package's locks", async () => {
  const path = file();
  const hold = batonLockSync(`${path}.lock`, { purpose: "own" });
  onTestFinished(() => hold.release());
  const refused = await ours.lock(path).catch((error) => error);
  expect(refused).toMatchObject({ code: "ELOCKED", file: path });
  expect(refused.cause.holder.baton.purpose).toBe("own");
  await until(() => ours.check(path));
});
