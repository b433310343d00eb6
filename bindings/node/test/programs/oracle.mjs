// Who is inside alone leaves no trace; two at once are written down. It knows nothing of locks: a file that must not be there yet.

import fs from "node:fs";
import { setImmediate as turn } from "node:timers/promises";

const TURNS = 20;

/** Until all have come: a program that is done before the next one has started meets nobody. */
export async function together(ledger) {
  console.log("ready");
  while (!fs.existsSync(`${ledger}.go`)) await turn();
}

export async function inside(ledger) {
  const mark = `${ledger}.inside`;
  try {
    fs.closeSync(fs.openSync(mark, "wx"));
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    fs.appendFileSync(ledger, `${process.pid} met ${fs.readFileSync(mark, { encoding: "utf8", flag: "a+" })}\n`);
    return;
  }
  // Long enough for another one to come by.
  for (let count = 0; count < TURNS; count += 1) await turn();
  fs.appendFileSync(ledger, ".");
  fs.unlinkSync(mark);
}
