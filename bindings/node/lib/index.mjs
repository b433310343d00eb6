// The same objects as for `require`, so that both kinds of modules share what is held.

import baton from "./index.cjs";

export const {
  lock,
  lockSync,
  tryLock,
  tryLockSync,
  withLock,
  withLockSync,
  status,
  statusSync,
  Hold,
  LockError,
  BusyError,
  UsageError,
  ContentError,
  UnsupportedError,
  UnsafeError,
  LostError,
} = baton;
export default baton;
