// The native part. It comes with the package, built for this platform, or was built here by `npm run build`.

"use strict";

const path = require("node:path");

const { ofNative } = require("./errors.cjs");

const file = path.join(__dirname, "..", "native", `${process.platform}-${process.arch}.node`);

/** @type {any} */
let addon;
try {
  addon = require(file);
} catch (cause) {
  throw new Error(
    `baton-lock has no native part for ${process.platform}-${process.arch}, or it can't be loaded: ${file}; ` +
      "build it with Rust 1.95 by `npm run build` in the package's directory",
    { cause },
  );
}

/** Calls the native part; its failures become ours. */
function call(act) {
  try {
    return act();
  } catch (error) {
    throw ofNative(error);
  }
}

/** The same for what it promises. */
async function awaited(act) {
  try {
    return await act();
  } catch (error) {
    throw ofNative(error);
  }
}

module.exports = { addon, call, awaited };
