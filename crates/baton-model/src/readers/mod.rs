//! Shared locks (R1–R4, leaving, downgrade, in `docs/protocol.md`) as a model of their own: readers that form groups, writers, a user who
//! deletes one of the two files, and kills.
//!
//! Whose turn it is, is the queue's affair, which has a model too: here everybody tries, and goes when it is refused. What the first
//! model is about is one step here: that a record is whole and locked when it gets its name, and that an exchange is looked at. A
//! token is the number of the hold that it was given to.
//!
//! | module | |
//! |---|---|
//! | [`state`] | files, locks, processes |
//! | [`turn`] | the steps |
//! | [`model`] | who may do what, and the properties |
//! | [`variant`] | what can be set, and what can be wrong |
//! | [`cases`] | what is checked, and what comes out |
//! | [`trace`] | a counterexample to be read |

pub mod cases;
pub mod model;
pub mod state;
pub mod trace;
pub mod turn;
pub mod variant;
