// A lock that is held.
//
// It belongs to this object, not to the process: two of them in one process, or in two of its threads, exclude each other. Every one
// that is held is reachable from here, so that a program which does not keep it never loses its lock to a garbage collection.
//
// A process that ends with code 0 has done what it wanted, and its locks are released cleanly. One that ends with another code, by an
// exception or by a signal has not: the kernel ends its holds, the records stay, and the next holders are told *recovered*.

"use strict";

const { UsageError } = require("./errors.cjs");
const { call } = require("./native.cjs");

// One for all copies of this module in one thread, so that there is one listener, whoever loads it how often.
const HELD = Symbol.for("baton-lock.held");

/** Those that are held, by this thread. */
function held() {
  if (!globalThis[HELD]) {
    const holds = new Set();
    Object.defineProperty(globalThis, HELD, { value: holds });
    process.on("exit", (code) => {
      for (const hold of [...holds]) endAtExit(hold, code);
    });
  }
  return globalThis[HELD];
}

function endAtExit(hold, code) {
  try {
    if (code === 0) hold.release();
    else hold.abandon();
  } catch {
    // Nobody is left to be told; the lock itself is given back in any case.
  }
}

class Hold {
  #native;
  #isHeld = true;
  #previous;

  constructor(native) {
    this.#native = native;
    this.token = native.token();
    this.outcome = native.isRecovered() ? "recovered" : "fresh";
    held().add(this);
  }

  /** The record of the holder that did not end cleanly; null if there was none, or none to be read. */
  get previous() {
    if (this.#previous === undefined) {
      const json = this.outcome === "recovered" ? call(() => this.#native.previous()) : null;
      this.#previous = json === null ? null : JSON.parse(json);
    }
    return this.#previous;
  }

  get path() {
    return call(() => this.#native.path());
  }

  get record() {
    return JSON.parse(call(() => this.#native.record()));
  }

  get isHeld() {
    return this.#isHeld;
  }

  /** Looks whether the lock's files are still what was locked. */
  verify() {
    return JSON.parse(call(() => this.#native.verify()));
  }

  /** Ends it cleanly; a second time does nothing. */
  release() {
    this.#end((native) => native.release());
  }

  /** Ends it uncleanly: the next holder is told *recovered*. */
  abandon() {
    this.#end((native) => native.abandon());
  }

  [Symbol.dispose ?? Symbol.for("Symbol.dispose")]() {
    this.release();
  }

  // Node has the symbols since 20.5; compilers of `await using` look for these.
  async [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    this.release();
  }

  #end(act) {
    if (!this.#isHeld) return;
    if (this.outcome === "recovered") void this.previous;
    try {
      call(() => act(this.#native));
    } catch (error) {
      // A call that makes no sense has ended nothing; any other failure has, all the same.
      if (error instanceof UsageError) throw error;
      this.#forget();
      throw error;
    }
    this.#forget();
  }

  #forget() {
    this.#isHeld = false;
    held().delete(this);
  }

  /** For the other entries of this package. */
  static nativeOf(hold) {
    return hold.#native;
  }
}

module.exports = { Hold };
