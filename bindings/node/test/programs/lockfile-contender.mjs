// `node lockfile-contender.mjs MODULE FILE ROUNDS LEDGER`: acquires and releases the lock of a file that often, by a module with
// proper-lockfile's interface.

import { createRequire } from "node:module";
import { setImmediate as turn } from "node:timers/promises";

import { done, inside, together } from "./oracle.mjs";

const [module, file, rounds, ledger] = process.argv.slice(2);
const lockfile = createRequire(import.meta.url)(module);
await together(ledger);
for (let round = 0; round < Number(rounds); ) {
  try {
    const release = lockfile.lockSync(file);
    await inside(ledger);
    release();
    round += 1;
  } catch (error) {
    if (error.code !== "ELOCKED") throw error;
  }
  await turn();
}
await done(ledger);
