//! The torture: every contestant, on every filesystem, killed, stopped, woken all at once, its files deleted, in one run and one table.
//!
//! | question | module |
//! |---|---|
//! | who contends | `contestants` |
//! | where | `grounds` |
//! | what is done to them, and for how long | `trial` |
//! | what came of it | `table` |
//!
//! Processes, kills and counting are in [`crate::race`]. Each trial stops by itself. Run by `cargo xtask torture`; a bounded part of
//! it are the tests of the same name.

mod contestants;
mod grounds;
mod table;
mod trial;

pub use contestants::{ALL, Contestant, Foreign, OURS};
pub use grounds::Ground;
pub use table::{Row, table};
pub use trial::{Limit, Ordeal, Trial, trials};
