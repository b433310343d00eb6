//! Plan files: multi-step jobs described in TOML, read, checked and digested.
//!
//! A plan is judged whole before anything of it runs: a slip in the last step must not show when the first ones have
//! changed the world. So [`Plan::load`] either yields a plan in which every name, type, time and fact is right, or all
//! that is wrong with it, each with line, column and what was expected.
//!
//! | question | module |
//! |---|---|
//! | is it a file that may be read | `read`, `load` |
//! | what is wrong, and where | `finding`, `source`, `error` |
//! | values of the right type | `table`, `names` |
//! | what each key means | `document`, `defaults`, `step` |
//! | `${facts.key}`, and who may use which fact | `template`, `declared` |
//! | what the runner gets | `model`, `command`, `invocation` |
//! | what a step has published | [`facts`] |
//! | which values are to be seen nowhere | `secrets` |
//! | has a finished step changed since | `fingerprint`, `changes` |
//!
//! Every key is described in `docs/plan.md`, for editors in `plan.schema.json`. Elsewhere: running a plan, and the session
//! that remembers how far it got.

mod changes;
mod command;
mod declared;
mod defaults;
mod document;
mod error;
pub mod facts;
mod finding;
mod fingerprint;
mod invocation;
mod load;
mod model;
mod names;
mod read;
mod secrets;
mod source;
mod step;
mod table;
mod template;
#[cfg(test)]
mod tests;

pub use changes::{Change, StepChange};
pub use command::{Command, FACT_PREFIX};
pub use error::Error;
pub(crate) use finding::did_you_mean;
pub use finding::{Finding, Findings};
pub use fingerprint::{Field, Fingerprint};
pub use invocation::{Facts, Invocation, MissingFact, Role};
pub use load::MAX_FILE;
pub use model::{Plan, Repeat, Step};
pub use template::Template;

/// The JSON Schema of plan files, draft 7, for editors.
pub const SCHEMA: &str = include_str!("../../plan.schema.json");
