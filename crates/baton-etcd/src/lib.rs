//! The same lock and the same session on an etcd cluster, for runners on more than one machine.
//!
//! What is promised and why it holds is specified in `docs/etcd.md`.
//!
//! | what | module |
//! |---|---|
//! | where the store is, and who we are to it | `address`, `credentials` |
//! | what goes over the wire, one call of it | `wire`, `member`, `answer` |
//! | whichever member answers | `cluster` |
//! | the thread that does it | `engine` |
//! | for how long a lease is believed in | `clock`, `tenure`, `keeper` |
//! | the keys, a place in the queue, what a holder leaves | `keys`, `claim`, `marker` |
//! | acquiring, holding | `acquire`, `interrupt`, `hold` |
//! | asking, breaking | `observe`, `breaking` |
//! | the session | `session` |
//! | trying it out | `doctor` |
//! | the interface of `baton-lock` | `store`, `lock`, `place` |
#![forbid(unsafe_code)]

mod acquire;
mod address;
mod answer;
mod breaking;
mod claim;
mod clock;
mod cluster;
mod credentials;
mod doctor;
mod engine;
mod error;
mod hold;
mod interrupt;
mod keeper;
mod keys;
mod lock;
mod marker;
mod member;
mod observe;
mod place;
mod session;
mod store;
mod tenure;
mod wire;

pub use address::Address;
pub use credentials::Credentials;
pub use error::{Error, Loss};
pub use store::{EtcdStore, LEASE, SHORTEST_LEASE};
