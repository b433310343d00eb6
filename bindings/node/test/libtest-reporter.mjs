// Reports as Rust's test programs do, so that `cargo xtask test` counts these tests with the others.

export default class LibtestReporter {
  onInit(vitest) {
    this.isFiltered = Boolean(vitest.config.testNamePattern);
  }

  onTestRunEnd(modules, errors) {
    const tests = [...modules].flatMap((module) => [...module.children.allTests()]);
    const of = (state) => tests.filter((test) => test.result().state === state);
    const failures = of("failed").map((test) => ({ name: nameOf(test), errors: test.result().errors }));
    const broken = [...modules].filter((module) => module.errors().length > 0);
    failures.push(...broken.map((module) => ({ name: module.relativeModuleId, errors: module.errors() })));
    if (errors.length > 0) failures.push({ name: "outside of any test", errors });

    // Those that a filter leaves out are skipped too, and have no reason.
    const skipped = of("skipped").filter((test) => !this.isFiltered || test.result().note);
    const passed = of("passed");
    print("     Running baton-lock for Node (bindings/node-0)");
    print(`\nrunning ${passed.length + skipped.length + failures.length} tests`);
    for (const test of passed) print(`test ${nameOf(test)} ... ok`);
    for (const test of skipped) print(`test ${nameOf(test)} ... ignored, ${test.result().note ?? "ignored"}`);
    for (const { name } of failures) print(`test ${name} ... FAILED`);
    if (failures.length > 0) print("\nfailures:\n");
    for (const failure of failures) print(`---- ${failure.name} stdout ----\n${words(failure.errors)}\n`);
    if (failures.length > 0) print("\nfailures:");
    for (const { name } of failures) print(`    ${name}`);
    const word = failures.length > 0 ? "FAILED" : "ok";
    print(
      `\ntest result: ${word}. ${passed.length} passed; ${failures.length} failed; ${skipped.length} ignored; ` +
        "0 measured; 0 filtered out; finished\n",
    );
  }
}

function nameOf(test) {
  return `${test.module.relativeModuleId}: ${test.fullName}`;
}

function words(errors) {
  return errors.map((error) => error.stack ?? error.message ?? String(error)).join("\n");
}

function print(line) {
  process.stdout.write(`${line}\n`);
}
