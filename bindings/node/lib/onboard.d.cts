import type { LockRecord, Outcome } from "./index.cjs";

export type StepName =
  | "preflight"
  | "gateway"
  | "sandbox"
  | "provider_selection"
  | "inference"
  | "openclaw"
  | "policies";
export type StepStatus = "pending" | "in_progress" | "complete" | "failed" | "skipped";

export interface StepState {
  status: StepStatus;
  startedAt: string | null;
  completedAt: string | null;
  error: string | null;
  [later: string]: unknown;
}

export interface SessionFailure {
  step: string | null;
  message: string | null;
  recordedAt: string;
  interrupted?: true;
  [later: string]: unknown;
}

/** The session of `onboard-session.json`. Members of later versions are kept. */
export interface Session {
  version: 1;
  sessionId: string;
  resumable: boolean;
  status: string;
  mode: string;
  startedAt: string;
  updatedAt: string;
  lastStepStarted: string | null;
  lastCompletedStep: string | null;
  failure: SessionFailure | null;
  sandboxName: string | null;
  provider: string | null;
  model: string | null;
  endpointUrl: string | null;
  credentialEnv: string | null;
  preferredInferenceApi: string | null;
  nimContainer: string | null;
  webSearchConfig: { fetchEnabled: true; provider?: string; [later: string]: unknown } | null;
  policyPresets: string[] | null;
  metadata: { gatewayName: string; fromDockerfile?: string | null; [later: string]: unknown };
  steps: Record<StepName, StepState> & Record<string, StepState>;
  [later: string]: unknown;
}

/** What a step may tell the session; null clears a field, everything else is dropped. */
export type SessionUpdates = Partial<
  Pick<
    Session,
    | "sandboxName"
    | "provider"
    | "model"
    | "endpointUrl"
    | "credentialEnv"
    | "preferredInferenceApi"
    | "nimContainer"
    | "policyPresets"
  >
> & { metadata?: { gatewayName?: string } };

export type LockResult =
  | { acquired: true; lockFile: string; stale: false; outcome: Outcome; previous: LockRecord | null }
  | {
      acquired: false;
      lockFile: string;
      /** True if who is there can't be named; then there are no holder fields. */
      stale: boolean;
      holderPid?: number;
      holderStartedAt?: string | null;
      holderCommand?: string | null;
      /** Who, where, since when, in a line. */
      reason: string;
      /** What to do, in a line. */
      advice: string;
    };

export type CompareAndSwapResult = "updated" | "busy" | "mismatch";
type Mutator = (session: Session) => Session | void;

/** `$HOME/.nemoclaw`, as HOME was when this module was loaded. */
export const SESSION_DIR: string;
export const LOCK_FILE: string;
export const SESSION_FILE: string;

export function acquireOnboardLock(command?: string | null): LockResult;
export function releaseOnboardLock(): void;
export function isOnboardLockHeldByCurrentProcess(): boolean;

export function createSession(overrides?: Partial<Session>): Session;
/** Null if it is no session of version 1. */
export function normalizeSession(data: unknown): Session | null;
/** Null if there is none, or none that can be read; then a warning says why. */
export function loadSession(): Session | null;
/** Throws `BusyError` if somebody else has the lock, and `ContentError` if there is a file that can't be read; it is left alone. */
export function saveSession(session: Session): Session;
/** Removes the file, whatever it is. */
export function clearSession(): void;
export function updateSession(mutator: Mutator): Session;
export function compareAndSwapSession(matches: (session: Session) => boolean, mutator: Mutator): CompareAndSwapResult;
export function markStepStarted(step: string): Session;
export function markStepComplete(step: string, updates?: SessionUpdates): Session;
export function markStepFailed(step: string, message?: string | null, options?: { interrupted?: boolean }): Session;
export function markStepSkipped(step: string): Session;
export function completeSession(updates?: SessionUpdates): Session;
export function filterSafeUpdates(updates: SessionUpdates): SessionUpdates;
/** Null for what is no text. At most 240 characters. */
export function redactSensitiveText(value: unknown): string | null;
export function redactUrl(value: unknown): string | null;
export function sanitizeFailure(input: unknown): SessionFailure | null;
export function summarizeForDebug(session?: Session | null): Record<string, unknown> | null;
