import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { BusyError, lock, tryLock } from "../lib/index.mjs";

let directory;
let path;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "baton-node-"));
  path = join(directory, "a.lock");
});
afterEach(() => rmSync(directory, { recursive: true }));

test("lock is exclusive until it is released", async () => {
  const first = await tryLock(path, { purpose: "first" });
  expect(first.outcome).toBe("fresh");
  expect(await tryLock(path)).toBeNull();
  const refused = await lock(path, { wait: false }).catch((error) => error);
  expect(refused).toBeInstanceOf(BusyError);
  expect(refused.holder).toMatchObject({ pid: process.pid, baton: { purpose: "first", token: first.token } });
  first.release();
  expect(existsSync(path)).toBe(false);
  const second = await tryLock(path);
  expect(second.token).toBeGreaterThan(first.token);
  second.release();
});
