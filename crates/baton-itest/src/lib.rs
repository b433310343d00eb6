//! Harness of the integration tests: what runs contenders against each other and says whether they
//! ever were two.
//!
//! Nothing here knows Baton's protocol. The contenders themselves say when they are in
//! and when they leave, in shared memory that has nothing to do with the files or locks they contend for, so that a
//! mistake in the lock cannot also be a mistake in its judge. Helper programs are real executables in
//! `src/bin`; each says in its header whom it imitates.
#![forbid(unsafe_code)]

pub mod ancestor;
pub mod answers;
pub mod board;
pub mod bystander;
pub mod caller;
pub mod command;
pub mod contender;
pub mod etcd;
pub mod fifo;
pub mod footprint;
pub mod handwritten;
pub mod heir;
pub mod interrupted;
pub mod job;
pub mod kernel_locks;
pub mod ledger;
pub mod oracle;
pub mod places;
pub mod programs;
pub mod puppet;
pub mod race;
pub mod scene;
pub mod skip;
pub mod stream;
pub mod terminal;
pub mod theirs;
pub mod torture;
