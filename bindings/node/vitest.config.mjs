import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.mjs"],
    // The suite that this is a part of counts by the format of Rust's tests; alone, a person reads it.
    reporters: process.env.BATON_REPORT === "libtest" ? ["./test/libtest-reporter.mjs"] : ["default"],
    // Only what hangs takes so long: nothing here is timed.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Node itself loads the package, as it does for its users.
    server: { deps: { external: [/\/lib\/[^/]+\.[cm]js$/] } },
    // Real processes and files: threads would share the working directory and the environment.
    pool: "forks",
  },
});
