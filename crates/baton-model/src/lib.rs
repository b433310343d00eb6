//! The lock protocol of `docs/protocol.md` as a model: every order of every system call of several processes, with crashes, users who
//! delete files, and the ancestor's clients, explored to the end by [stateright].
//!
//! It is written from the specification and shares no code with the library: what both get wrong in the same way, only both
//! authors' error explains. What it shows and what it does not is in `docs/verification.md`.
//!
//! | module | |
//! |---|---|
//! | [`state`] | files, names, processes |
//! | [`normal_form`] | the reduction by symmetry |
//! | [`contender`], [`ending`] | our protocol's steps |
//! | [`ancestor`] | the ancestor's |
//! | [`variant`] | what can be set, and what can be wrong |
//! | [`probe`] | whether a free lock can be had |
//! | [`model`] | who may do what, and the properties |
//! | [`queue`] | who waits, and in what order: a model of its own |
//! | [`lease`] | locks on etcd, with leases and clocks: another one |
//! | [`readers`] | those who share it: another model of its own |
//! | [`check`] | checking any |
//! | [`catalogue`] | what is checked, and what comes out |
//! | [`trace`] | a counterexample to be read |

#![expect(
    missing_docs,
    reason = "steps and fields are named as in `docs/protocol.md`, and say no more there"
)]
#![expect(clippy::missing_panics_doc, reason = "a panic is a fault of the model, and ends the check")]
#![expect(
    clippy::struct_excessive_bools,
    reason = "which kernel locks one has, and what has happened, are independent"
)]

pub mod ancestor;
pub mod catalogue;
pub mod check;
pub mod contender;
pub mod ending;
pub mod lease;
pub mod model;
pub mod normal_form;
pub mod probe;
pub mod queue;
pub mod readers;
pub mod state;
pub mod trace;
pub mod variant;
