//! The shipped code of the lock protocol, explored: every interleaving of its system calls over a simulated kernel, with crashes and
//! failing calls.
//!
//! The model (`baton-model`) shows that the protocol is right, and shares no code with the library. Here nothing is modelled but the kernel:
//! `build.rs` copies the library's source and puts simulated system calls behind it, so that what runs is what is shipped. What that shows
//! and what not is in `docs/verification.md`; why the scheduler is our own, in `docs/decisions/0016`.
//!
//! | what | module |
//! |---|---|
//! | the copy of the library | `shipped` |
//! | its system calls, simulated | `twin`, over `kernel` |
//! | processes, one call at a time | `sim` |
//! | what may come next, and what is chosen | [`explore`] |
//! | who comes, and what is promised to them | [`scenario`], [`story`] |
//! | a session's file, with power cuts | [`power`] |
//! | the simulated kernel beside the real one | [`conformance`] |
//! | what is wrong on purpose | [`mutants`] |
#![deny(unsafe_code)]

pub mod catalogue;
pub mod conformance;
pub mod explore;
mod kernel;
pub mod mutants;
pub mod power;
pub mod scenario;
#[expect(unreachable_pub, reason = "the copy of the library has them in public signatures")]
mod sim;
pub mod story;
mod twin;

/// The library, over simulated system calls.
#[expect(
    unused,
    unreachable_pub,
    reason = "a part of the library's interface is used here, and nobody reaches the rest"
)]
mod shipped {
    include!(concat!(env!("OUT_DIR"), "/shipped/lib.rs"));
}

/// The library's real system calls.
#[expect(unused, reason = "only some of them are compared")]
mod real {
    include!(concat!(env!("OUT_DIR"), "/real/mod.rs"));
}
