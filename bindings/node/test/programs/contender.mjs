// `HOME=… node contender.mjs ROUNDS LEDGER`: acquires and releases the onboard lock that often, among others who do.

import { setImmediate as turn } from "node:timers/promises";

import { acquireOnboardLock, releaseOnboardLock } from "../../lib/onboard.mjs";
import { inside, together } from "./oracle.mjs";

const [rounds, ledger] = process.argv.slice(2);
await together(ledger);
for (let round = 0; round < Number(rounds); ) {
  if (acquireOnboardLock("contender").acquired) {
    await inside(ledger);
    releaseOnboardLock();
    round += 1;
  }
  await turn();
}
console.log("done");
