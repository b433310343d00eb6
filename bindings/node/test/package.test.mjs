// The package as its users get it: its types, and its tarball in an empty project.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { PACKAGE, directory } from "./support.mjs";

const package_ = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8"));

function output(command, args, options) {
  return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], ...options });
}

test("types hold what the programs of their users say", () => {
  const tsc = join(PACKAGE, "node_modules", "typescript", "bin", "tsc");
  try {
    output(process.execPath, [tsc, "--project", join(PACKAGE, "test", "types")]);
  } catch (error) {
    expect.fail(error.stdout);
  }
});

test.each([".", "./onboard", "./proper-lockfile"])("types of %s name what there is, and no more", async (entry) => {
  const files = package_.exports[entry];
  const declared = readFileSync(join(PACKAGE, files.require.types), "utf8");
  const names = [...declared.matchAll(/^\s*(?:export )?(?:declare )?(?:function|const|class) (\w+)/gm)].map(([, name]) => name);
  const { default: all, ...named } = await import(join(PACKAGE, files.import.default));
  expect([...new Set(names)].sort()).toEqual(Object.keys(named).sort());
  expect(Object.keys(all).sort()).toEqual(Object.keys(named).sort());
});

test("tarball works in an empty project, without a script or a download", () => {
  const place = directory();
  // npm keeps what it writes here.
  const npmEnv = { ...process.env, npm_config_cache: join(place, "cache"), npm_config_update_notifier: "false" };
  const npm = (args, cwd) => output("npm", [...args, "--ignore-scripts", "--no-audit", "--no-fund"], { cwd, env: npmEnv });
  npm(["pack", "--pack-destination", place], PACKAGE);
  const tarball = readdirSync(place).find((name) => name.endsWith(".tgz"));
  const project = join(place, "project");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "empty", version: "1.0.0" }));
  npm(["install", "--offline", join(place, tarball)], project);

  const text = "const hold = lockSync('./a.lock'); console.log(hold.outcome, acquireOnboardLock().acquired, checkSync('.'));";
  const modules = ["baton-lock", "baton-lock/onboard", "baton-lock/proper-lockfile"];
  const [own, onboard, proper] = modules.map((module) => JSON.stringify(module));
  const required = `const { lockSync } = require(${own}); const { acquireOnboardLock } = require(${onboard});
    const { checkSync } = require(${proper}); ${text}`;
  const imported = `import { lockSync } from ${own}; import { acquireOnboardLock } from ${onboard};
    import { checkSync } from ${proper}; ${text}`;
  const env = { ...process.env, HOME: place };
  expect(output(process.execPath, ["-e", required], { cwd: project, env })).toBe("fresh true false\n");
  expect(output(process.execPath, ["--input-type=module", "-e", imported], { cwd: project, env })).toBe("fresh true false\n");

  const shipped = readdirSync(join(project, "node_modules", "baton-lock"));
  expect(shipped.sort()).toEqual(["LICENSE-APACHE", "LICENSE-MIT", "README.md", "lib", "native", "package.json"]);
});
