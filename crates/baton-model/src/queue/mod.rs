//! The queue of `docs/protocol.md` (W1–W7) as a model of its own: who waits, in what order, and what becomes of it when waiters are
//! killed, are stopped, or give up.
//!
//! That at most one holds rests on the kernel locks, which the first model is about; here they are one lock, and what matters of it is
//! the kernel's queue for it ([`kernel`]). Time passes only when nobody who runs has anything to do: so whoever is not stopped comes in less than
//! a second, and only of those who do I8 speaks.
//!
//! | module | |
//! |---|---|
//! | [`state`] | tickets, processes, and the normal form |
//! | [`kernel`] | the kernel's queue for the guard |
//! | [`turn`] | the steps of one who asks for the lock |
//! | [`model`] | who may do what, and the properties |
//! | [`probe`] | whether a free lock is got, and whether anything stays |
//! | [`variant`] | what can be set, and what can be wrong |
//! | [`cases`] | what is checked, and what comes out |
//! | [`trace`] | a counterexample to be read |

pub mod cases;
pub mod kernel;
pub mod model;
pub mod probe;
pub mod state;
pub mod trace;
pub mod turn;
pub mod variant;
