//! The session: the persisted state of one multi-step job, so that the next runner carries on where the last one fell.
//!
//! What happened and where we are are two types, [`Event`] and [`Session`], joined by one pure function, [`next`]: it knows
//! no file, no clock and no lock, and an event that is not legal leaves everything as it was. Around it a [`Writer`] puts
//! each new session on disk, whole and durable, before it says so. A step is recorded as started *before* it runs; so after a
//! crash at any moment the file says what was done for certain, and the one step that may be half done.
//!
//! Every change takes [`Held`](crate::Held) and carries its token: a runner that lost its lock without knowing is refused as
//! soon as its successor wrote once. Secrets never reach the disk: [`next`] redacts messages and withholds facts, see
//! `facts`.
//!
//! The file is specified in `docs/session.md`.
//!
//! | question | module |
//! |---|---|
//! | what a session says | `model`, `steps` |
//! | what may become of a published fact | `facts` |
//! | what can happen | `event` |
//! | what follows from it | `machine`, `attempts`, `changes` |
//! | what the bytes mean | `document`, `migrate`, `blocks`, `pieces` |
//! | where it is kept and who may change it | `store`, `writer`, `swap` |
//! | what keeps its bytes | `shelf`, `file` |
//!
//! # Examples
//!
//! ```
//! use baton_lock::session::{Actor, Begin, Event, PlannedStep, Status, Store};
//! use baton_lock::{Attempt, Lock};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let state = directory.path();
//! let store = Store::in_directory(state, "deploy")?;
//! # std::fs::create_dir(state.join("locks"))?;
//! let Attempt::Held(held) = Lock::open(store.lock_path())?.try_lock()? else { return Ok(()) };
//!
//! let mut writer = store.open(&held)?;
//! let steps = vec![PlannedStep::new("build"), PlannedStep::new("ship")];
//! let begin = Begin::new("deploy", "/srv/deploy.toml", steps, Actor::of(&held));
//! let event = if writer.session().is_some() { Event::AttemptBegun(begin) } else { Event::fresh_start(begin)? };
//! writer.apply(&held, event)?;
//! for step in ["build", "ship"] {
//!     writer.apply(&held, Event::step_started(step))?; // on disk before the step runs
//!     // … run it …
//!     writer.apply(&held, Event::step_completed(step, [("version", "1.2")]))?;
//! }
//! let session = writer.apply(&held, Event::SessionCompleted)?;
//! assert_eq!(session.status(), Status::Complete);
//! held.release()?;
//! # Ok(())
//! # }
//! ```

mod attempts;
mod blocks;
mod changes;
mod document;
mod error;
mod event;
mod facts;
mod file;
mod machine;
mod migrate;
mod model;
pub mod onboard;
mod pieces;
mod shelf;
mod steps;
mod store;
mod swap;
#[cfg(test)]
mod tests;
mod writer;

pub use changes::PlanChange;
pub use document::{MAX_SIZE, VERSION};
pub use error::Error;
pub use event::{Actor, Begin, Context, Event, IllegalTransition, PlanChanges, PlannedStep};
pub use facts::Fact;
pub use machine::next;
pub use model::{Attempt, AttemptOutcome, Cause, End, Failure, Purpose, Session, Status, Step, StepStatus};
pub use shelf::{Keeper, Replaced, Shelf};
pub use store::Store;
pub use swap::{Expected, Swap, Using};
pub use writer::{CounterLost, Writer};
