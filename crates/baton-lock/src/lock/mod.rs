//! The lock protocol of `docs/protocol.md`, one module per step, in the order of the steps.
//!
//! Two kernel locks on two files, either of which suffices: the guard, which contenders lock and wait on, and the
//! record, which says who the holder is and is locked from before it has its name. Whichever of the two somebody
//! deletes, the other still excludes (I1), and nobody has to guess whether a holder lives.
//!
//! | step | module |
//! |---|---|
//! | names of the files | [`naming`] |
//! | 1 the directory | [`directory`] |
//! | 2, 3 the guard | [`guard`] |
//! | the other naming | [`companion`] |
//! | 4 judging the record | [`judge`], [`ancestor`] |
//! | 5 the token | [`token`] |
//! | 6 publishing | [`publish`] |
//! | all seven, once | [`acquire`] |
//! | the same for one who shares the lock | [`sharing`], [`group`] |
//! | again and again, asleep in between | [`wait`], [`doze`] |
//! | whose turn it is | [`queue`], [`ticket`], [`grace`] |
//! | giving up a wait from outside | [`cancel`] |
//! | holding and releasing | [`held`], [`shared`] |
//! | asking without taking | [`observe`] |
//! | ending somebody else's hold | [`breaking`] |
//! | which locks there are, and pruning them | [`survey`], [`prune`], [`floor`] |

mod acquire;
mod ancestor;
#[cfg(feature = "tokio")]
mod asynchronous;
mod breaking;
mod cancel;
mod companion;
mod directory;
mod doze;
mod floor;
mod grace;
mod group;
mod guard;
mod handle;
mod held;
mod judge;
mod naming;
mod observe;
mod prune;
mod publish;
mod queue;
mod shared;
mod sharing;
mod survey;
mod ticket;
mod token;
mod wait;

pub use breaking::{Broken, Ending};
pub use cancel::Cancel;
pub use handle::{Identity, Lock, Options};
#[cfg(test)]
pub(crate) use held::Parts;
pub use held::{Held, Integrity, Outcome};
pub use judge::Malformed;
pub use naming::Naming;
pub use prune::{Kept, Pruned, Pruning};
pub use shared::{HeldShared, NotDowngraded};
pub use wait::Attempt;
