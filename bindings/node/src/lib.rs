//! The native part of the Node package `baton-lock`: as little as possible.
//!
//! What JavaScript can do as well is in `../lib`: promises, classes, abort signals, what happens at the process's exit. Here is only
//! what needs the library. Compound values cross over as JSON text, which costs a few microseconds and needs no second description
//! of every type; what an acquisition alone needs crosses over as it is.
//!
//! | question | module |
//! |---|---|
//! | which lock | `options` |
//! | trying and looking | `attempt` |
//! | waiting, without the event loop | `waiting` |
//! | holding and its end | `hold` |
//! | the ancestor's session | `onboard` |
//! | failures, as JavaScript gets them | `failure` |
//! | answers as JSON | `json` |
#![deny(unsafe_code)]
#![expect(unreachable_pub, reason = "`napi` takes only what is `pub`, and this library has no Rust callers")]
#![expect(clippy::needless_pass_by_value, reason = "what crosses over from JavaScript is owned here")]

mod attempt;
mod failure;
mod hold;
mod json;
mod onboard;
mod options;
mod waiting;
