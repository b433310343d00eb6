import lockfile = require("./proper-lockfile.cjs");

export type LockOptions = lockfile.LockOptions;
export type CheckOptions = lockfile.CheckOptions;
export type UnlockOptions = lockfile.UnlockOptions;
export type RetryOptions = lockfile.RetryOptions;
export declare const lock: typeof lockfile.lock;
export declare const unlock: typeof lockfile.unlock;
export declare const check: typeof lockfile.check;
export declare const lockSync: typeof lockfile.lockSync;
export declare const unlockSync: typeof lockfile.unlockSync;
export declare const checkSync: typeof lockfile.checkSync;
export default lockfile;
