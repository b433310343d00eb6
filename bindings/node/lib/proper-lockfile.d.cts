declare namespace lock {
  interface RetryOptions {
    retries?: number;
    factor?: number;
    minTimeout?: number;
    maxTimeout?: number;
    randomize?: boolean;
    forever?: boolean;
  }

  interface CheckOptions {
    /** From which age, in milliseconds, a directory of the old kind is left over. Default 10,000, at least 2,000. */
    stale?: number;
    /** Whether the file is to be resolved, and so has to exist. Default true. */
    realpath?: boolean;
    /** Resolves the file and looks at directories of the old kind; the lock is the kernel's. */
    fs?: any;
    /** Default: the file with `.lock` behind it. */
    lockfilePath?: string;
  }

  type UnlockOptions = Omit<CheckOptions, "stale">;

  interface LockOptions extends CheckOptions {
    /** Accepted; there is nothing to be refreshed. */
    update?: number;
    /** For how long to wait: for as long as these attempts would take. */
    retries?: number | RetryOptions;
    /** Accepted, and never called: nothing here is compromised by time. */
    onCompromised?: (error: Error) => any;
  }

  function lock(file: string, options?: LockOptions): Promise<() => Promise<void>>;
  function unlock(file: string, options?: UnlockOptions): Promise<void>;
  function check(file: string, options?: CheckOptions): Promise<boolean>;
  function lockSync(file: string, options?: LockOptions): () => void;
  function unlockSync(file: string, options?: UnlockOptions): void;
  function checkSync(file: string, options?: CheckOptions): boolean;
}

/**
 * The interface of proper-lockfile, with its error codes: ELOCKED, ENOTACQUIRED, ERELEASED, ESYNC, and the system's.
 */
declare function lock(file: string, options?: lock.LockOptions): Promise<() => Promise<void>>;
export = lock;
