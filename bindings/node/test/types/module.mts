// Compiled, never run: what the types promise to users of ES modules.

import baton, { BusyError, lock, lockSync, status, tryLock, withLock, type Hold, type Status } from "baton-lock";
import * as onboard from "baton-lock/onboard";
import lockfile, { lock as properLock } from "baton-lock/proper-lockfile";

export async function own(signal: AbortSignal): Promise<number> {
  await using hold = await lock("./a.lock", { purpose: "types", wait: 100, signal });
  const previous: number | undefined = hold.previous?.pid;
  const tried: Hold | null = await tryLock("a");
  const seen: Status = await status("a", { flock: true });
  const result: string = await withLock("a", async (held) => `${held.token}${seen.reason}${previous}`);
  tried?.release();
  using other = baton.lockSync("b", { wait: false });
  // @ts-expect-error: a synchronous wait can't be aborted
  lockSync("c", { signal });
  return result.length + other.token;
}

export function told(error: unknown): string {
  return error instanceof BusyError ? `${error.holder?.command}${error.status.advice}` : "";
}

export function ancestor(): string {
  const result = onboard.acquireOnboardLock("nemoclaw onboard");
  if (!result.acquired) return `${result.holderPid}${result.reason}`;
  onboard.updateSession((session) => {
    session.steps.gateway.status = "complete";
  });
  return onboard.markStepComplete("gateway", { model: null }).sessionId;
}

export async function proper(): Promise<void> {
  const release: () => Promise<void> = await properLock("file", { retries: { retries: 5 }, realpath: false });
  await release();
  await lockfile("file");
  lockfile.unlockSync("file");
}
