//! The ancestor's session, `onboard-session.json` version 1: loaded, carried on and saved without loss.
//!
//! Its seven steps and its fields are fixed; the file lies beside its lock, `onboard.lock`. It has no token: who lost the lock
//! is kept out by looking at it, and by finding the file changed.
//!
//! **Reading is lenient**, as the ancestor's is: a field of the wrong type has its default, a step's record that makes no
//! sense is pending again. **Nothing unknown is lost**: what later versions of the ancestor add is written again, behind the
//! rest. **A file of another version, or one that can't be read, is not replaced**: the ancestor took it for absent and
//! overwrote it. Whoever wants to start anew sets it aside.
//!
//! Values come in and go out as JSON text, since this is what a binding for another language has. A member that is not in
//! the text is what JavaScript calls `undefined`.
//!
//! | the ancestor's | here |
//! |---|---|
//! | `createSession`, `normalizeSession` | [`Session::create`], [`Session::normalize`] |
//! | `loadSession`, `saveSession`, `clearSession` | [`Store::load`], [`Store::save`], [`Store::clear`] |
//! | `updateSession`, `compareAndSwapSession` | [`Store::update`], [`Store::compare_and_swap`] |
//! | `markStepStarted`, `markStepComplete`, `markStepFailed`, `markStepSkipped`, `completeSession` | [`Session::step_started`], [`Session::step_complete`], [`Session::step_failed`], [`Session::step_skipped`], [`Session::completed`], each within [`Store::update`] |
//! | `filterSafeUpdates` | [`Updates::filter`] |
//! | `sanitizeFailure`, `summarizeForDebug` | [`sanitize_failure`], [`Session::summary`] |
//! | `redactUrl`, `redactSensitiveText` | [`redact_url`], [`crate::redact::failure`] |

mod document;
mod failure;
mod marks;
mod names;
mod store;
#[cfg(test)]
mod tests;
mod updates;

pub use document::{STEPS, Session, redact_url};
pub use failure::sanitize_failure;
pub use store::{Change, Store, directory};
pub use updates::Updates;
