// Builds the native part with the Rust toolchain and puts it where lib/native.cjs looks: native/PLATFORM-ARCH.node.
//
// `--dev` builds as the tests of the workspace do, which have most of it built already; without it, what is published.

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const directory = dirname(dirname(fileURLToPath(import.meta.url)));
const isForDevelopment = process.argv.includes("--dev");
const cargo = process.env.CARGO || "cargo";
const build = ["build", "--package", "baton-node", "--locked", "--message-format=json-render-diagnostics"];

const messages = execFileSync(cargo, isForDevelopment ? build : [...build, "--release"], {
  cwd: directory,
  stdio: ["ignore", "pipe", "inherit"],
  maxBuffer: 64 * 1024 * 1024,
  encoding: "utf8",
});
const artifacts = messages
  .split("\n")
  .filter((line) => line.startsWith("{"))
  .map((line) => JSON.parse(line));
const built = artifacts.find((one) => one.reason === "compiler-artifact" && one.target.name === "baton_node");
const library = built?.filenames.find((name) => name.endsWith(".so"));
if (!library) throw new Error("cargo says nothing of the library that it built");

const place = join(directory, "native", `${process.platform}-${process.arch}.node`);
mkdirSync(dirname(place), { recursive: true });
// Whole or not at all: a process may have the old one loaded, and another build may run.
const own = `${place}.${process.pid}`;
copyFileSync(library, own);
renameSync(own, place);
console.log(place);
