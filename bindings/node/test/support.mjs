// What the tests have in common: a directory of their own, and programs of their own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { onTestFinished } from "vitest";

export const PACKAGE = dirname(dirname(fileURLToPath(import.meta.url)));
export const LIB = join(PACKAGE, "lib");

/** An empty directory that is gone after the test. */
export function directory() {
  const path = mkdtempSync(join(tmpdir(), "baton-node-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/**
 * Runs Node with a text as an ES module, which may use what index.mjs exports; `node` are options for Node, `args` follow in
 * `process.argv` from 1 on. It is killed at the end of the test if it still runs.
 */
export function program(text, { args = [], node = [], env = {}, entry = "index.mjs" } = {}) {
  const head = `import * as baton from ${JSON.stringify(join(LIB, entry))};\n`;
  return run(process.execPath, [...node, "--input-type=module", "--eval", head + text, "--", ...args], { env });
}

/** Runs a program; its standard output is read line by line. */
export function run(command, args, { env = {}, cwd } = {}) {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let errors = "";
  child.stderr.on("data", (data) => (errors += data));
  const ended = once(child, "close").then(([code, signal]) => ({ code, signal, errors }));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return {
    pid: child.pid,
    kill: (signal) => child.kill(signal),
    ended,
    /** The next line that it prints. */
    async line() {
      const { value, done } = await lines.next();
      if (done) throw new Error(`the program ended instead of printing a line: ${(await ended).errors}`);
      return value;
    },
  };
}

/** Asks until the answer is yes; what is waited for is another process, and the test's own limit is the limit. */
export async function until(question) {
  while (!(await question())) await new Promise((resolve) => setTimeout(resolve, 5));
}
