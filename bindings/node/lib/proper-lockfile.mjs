import lockfile from "./proper-lockfile.cjs";

export const { lock, unlock, lockSync, unlockSync, check, checkSync } = lockfile;
export default lockfile;
