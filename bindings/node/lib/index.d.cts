/** How a lock was got: from nobody, or from a holder that did not end cleanly. */
export type Outcome = "fresh" | "recovered";

/** What a lock's file says of its holder. */
export interface LockRecord {
  pid: number;
  /** ISO-8601, UTC. */
  startedAt: string | null;
  command: string | null;
  /** What only Baton writes; missing in a record of the ancestor's. */
  baton?: {
    version: number;
    token?: number;
    bootId?: string | null;
    host?: string | null;
    user?: string | null;
    processStart?: number | null;
    pidNamespace?: string | null;
    purpose?: string;
  };
}

/** A process that has the lock. */
export interface HoldingProcess {
  pid: number;
  user: string;
  command: string | null;
  startedAt: string | null;
}

/** The state of a lock at one moment. */
export interface Status {
  /** Its absolute path. */
  lock: string;
  naming: "record" | "flock";
  /** `free`, `left_over`, `held`, …: the words of the command's `status --json`. */
  state: string;
  /** Whether the next one who tries gets it. */
  obtainable: boolean;
  /** Who holds it, since when, or what is wrong, in a line. */
  reason: string;
  /** What to do about it, in a line. */
  advice: string;
  /** The holder's record, or that of a holder that died. Whoever can write to the directory may have written it. */
  record: LockRecord | null;
  processes: HoldingProcess[];
  /** Those who wait, in their order. */
  queue: LockRecord[];
}

/** Which lock, and what its record says. */
export interface LockOptions {
  /** Why, for the record; secrets are redacted. */
  purpose?: string;
  /** The command and its arguments, for the record; by default the command line of this process. */
  command?: string[];
  /**
   * The path is any file or directory, and is locked itself, so that programs that use `flock` on it are excluded too; nothing is
   * written to it. All users of a path have to agree.
   */
  flock?: boolean;
  /** Filesystems that are accepted though they are not known to be local, by name, such as `nfs`. */
  allowFilesystems?: string[];
}

/** How long to wait, when nobody aborts. */
export interface WaitOptions extends LockOptions {
  /** `true` (the default) for as long as it takes, `false` not at all, or a number of milliseconds. */
  wait?: boolean | number;
}

export interface AsyncWaitOptions extends WaitOptions {
  /** Gives up the wait; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * A lock that is held. It belongs to this object, not to the process. Nothing but its end ends it: no garbage collection, no sleep,
 * no busy event loop. It does not keep the process alive.
 *
 * At the exit of the process with code 0 it is released; with another one it is abandoned.
 */
export class Hold implements AsyncDisposable, Disposable {
  private constructor();
  /** Larger than that of every earlier holder. */
  readonly token: number;
  readonly outcome: Outcome;
  /** The record of the holder that did not end cleanly; null if there was none, or none to be read. */
  readonly previous: LockRecord | null;
  /** Absolute. */
  readonly path: string;
  readonly record: LockRecord;
  readonly isHeld: boolean;
  /**
   * Whether its files are still what was locked. `damaged`: one of them is gone, and it is still exclusive. `lost`: both are, or the
   * directory is.
   */
  verify(): { state: "intact" | "damaged" | "lost"; reason: string | null };
  /** Ends it cleanly. A second time does nothing. */
  release(): void;
  /** Ends it uncleanly: the next holder is told `recovered`, with this record. */
  abandon(): void;
  [Symbol.dispose](): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Acquires a lock, waiting for it unless told otherwise. A text with a `/` is a path; any other is a name in the state directory.
 *
 * Waiting blocks neither the event loop nor one of libuv's threads, and looks at nothing until the kernel wakes it. It keeps
 * the process alive. Waiters get the lock in the order in which they came.
 *
 * Rejects with `BusyError` if it is not to be had in time, with the signal's reason, or with what makes it impossible.
 */
export function lock(path: string, options?: AsyncWaitOptions): Promise<Hold>;
/** The same; waiting, it blocks this thread, signal handlers included. */
export function lockSync(path: string, options?: WaitOptions): Hold;
/** Acquires a lock if nobody has it; else null. */
export function tryLock(path: string, options?: LockOptions): Promise<Hold | null>;
export function tryLockSync(path: string, options?: LockOptions): Hold | null;
/** Runs `work` while the lock is held, and releases it, whether that succeeds or throws. */
export function withLock<T>(
  path: string,
  work: (hold: Hold) => T | PromiseLike<T>,
  options?: AsyncWaitOptions,
): Promise<T>;
/** The same for work that is done when it returns. */
export function withLockSync<T>(path: string, work: (hold: Hold) => T, options?: WaitOptions): T;
/** Says what state a lock is in. Takes nothing and creates nothing, so that it disturbs nobody. */
export function status(path: string, options?: Pick<LockOptions, "flock" | "allowFilesystems">): Promise<Status>;
export function statusSync(path: string, options?: Pick<LockOptions, "flock" | "allowFilesystems">): Status;

/** What goes wrong with a lock or a session. */
export class LockError extends Error {
  readonly code: string;
  /** What to do, in a line. */
  readonly hint: string | null;
  /** What the system answered, such as `ENOENT`, if that was the cause. */
  readonly systemCode: string | null;
}

/** The lock is not to be had. */
export class BusyError extends LockError {
  readonly code: "BATON_BUSY";
  readonly status: Status;
  /** The record of who has it, where it can be told. */
  readonly holder: LockRecord | null;
  /** Whether it was waited for. */
  readonly timedOut: boolean;
}

/** What was asked for makes no sense. */
export class UsageError extends LockError {
  readonly code: "BATON_USAGE";
}
/** A file has the wrong content: it is no lock, or no session. */
export class ContentError extends LockError {
  readonly code: "BATON_CONTENT";
}
/** The filesystem can't do what a lock needs. */
export class UnsupportedError extends LockError {
  readonly code: "BATON_UNSUPPORTED";
}
/** A file or directory is unsafe, or can't be used or created. */
export class UnsafeError extends LockError {
  readonly code: "BATON_UNSAFE";
}
/** The lock was lost while it was held. */
export class LostError extends LockError {
  readonly code: "BATON_LOST";
}
