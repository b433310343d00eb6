// What can go wrong, as classes: each with a `code`, a message that names the file, and where there is one a `hint` of what to do.

"use strict";

const { getSystemErrorName } = require("node:util");

/** Starts the message of an error that the native part makes; see src/failure.rs. */
const MARK = "baton:";

class LockError extends Error {
  constructor(code, message, { hint = null, errno = null, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
    // The system's answer, such as "ENOENT", if that was the cause.
    this.systemCode = errno === null ? null : getSystemErrorName(-errno);
  }

  get name() {
    return this.constructor.name;
  }
}

/** The lock is not to be had: somebody has it, and `status` says who. */
class BusyError extends LockError {
  constructor(status, { timedOut }) {
    const message = timedOut ? `waited in vain: ${status.reason}` : status.reason;
    super("BATON_BUSY", message, { hint: status.advice });
    this.status = status;
    this.holder = status.record;
    this.timedOut = timedOut;
  }
}

/** What was asked for makes no sense. */
class UsageError extends LockError {
  constructor(message, details) {
    super("BATON_USAGE", message, details);
  }
}

/** A file has the wrong content: it is no lock, or no session. */
class ContentError extends LockError {
  constructor(message, details) {
    super("BATON_CONTENT", message, details);
  }
}

/** The filesystem can't do what a lock needs. */
class UnsupportedError extends LockError {
  constructor(message, details) {
    super("BATON_UNSUPPORTED", message, details);
  }
}

/** A file or directory is unsafe, or can't be used or created. */
class UnsafeError extends LockError {
  constructor(message, details) {
    super("BATON_UNSAFE", message, details);
  }
}

/** The lock was lost while it was held. */
class LostError extends LockError {
  constructor(message, details) {
    super("BATON_LOST", message, details);
  }
}

const CLASSES = {
  usage: UsageError,
  content: ContentError,
  unsupported: UnsupportedError,
  unsafe: UnsafeError,
  lost: LostError,
};

/** Makes one of these of an error of the native part; any other stays as it is. */
function ofNative(error) {
  if (!(error instanceof Error) || !error.message.startsWith(MARK)) return error;
  const told = JSON.parse(error.message.slice(MARK.length));
  const cause = told.cause === null ? undefined : new Error(told.cause);
  const message = told.cause === null ? told.message : `${told.message}: ${told.cause}`;
  return new CLASSES[told.kind](message, { hint: told.hint, errno: told.errno, cause });
}

module.exports = { LockError, BusyError, UsageError, ContentError, UnsupportedError, UnsafeError, LostError, ofNative };
