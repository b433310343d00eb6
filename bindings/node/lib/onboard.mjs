import onboard from "./onboard.cjs";

export const {
  LOCK_FILE,
  SESSION_DIR,
  SESSION_FILE,
  acquireOnboardLock,
  releaseOnboardLock,
  isOnboardLockHeldByCurrentProcess,
  createSession,
  normalizeSession,
  loadSession,
  saveSession,
  clearSession,
  updateSession,
  compareAndSwapSession,
  markStepStarted,
  markStepComplete,
  markStepFailed,
  markStepSkipped,
  completeSession,
  filterSafeUpdates,
  redactSensitiveText,
  redactUrl,
  sanitizeFailure,
  summarizeForDebug,
} = onboard;
export default onboard;
