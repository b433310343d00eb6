//! Baton's system calls, one after the other, with nothing in between: what the kernel takes of the time, so that the rest is Baton's own. No
//! program that keeps the protocol is faster; where that much is beyond a budget, nobody can keep it.
//!
//! They are those that `strace` shows, step by step as in `docs/protocol.md`, without the ones that only concern the process itself. Of a wait
//! only what no waiter can do without: its ticket, the sleep, a look at the queue, and its ticket made the record.
//!
//! Left out is whatever decides something: nobody asks whether what was looked at is what it should be, or whether who waits is stopped or
//! dead. Such clients exclude each other all the same, since they lock the guard and nobody removes it. They come in the order of their
//! tickets: else the one that releases would have the lock again before the one that is woken runs, and little would be handed over.

mod acquire;
mod calls;
mod find;
mod queue;

pub(crate) use acquire::{Opening, client};
pub(crate) use find::find_busy;
