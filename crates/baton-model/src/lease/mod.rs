//! The locks of `docs/etcd.md` as a model of its own: leases, clocks that drift, and an etcd that answers late or not at all.
//!
//! It is written from that page and shares no code with `baton-etcd`. What etcd promises is taken for granted here: transactions are carried
//! out whole, one after another, and a lease runs out no earlier than its time after the last keep-alive that the leader got. What
//! is asked is whether the rest follows from that, whatever is late, lost, halted or killed.
//!
//! | module | |
//! |---|---|
//! | `state` | keys, leases, contenders |
//! | `normal_form` | revisions are ranks, contenders are in an order |
//! | `variant` | what can be set, and what can be wrong |
//! | `etcd` | what a request does |
//! | `client` | the steps of a contender |
//! | `time` | ticks, and clocks that are late |
//! | `model` | who may do what, and the properties |
//! | `vacuity` | what has to be seen |
//! | `probe` | whether a dead holder is replaced in time |
//! | `cases` | what is checked, and what comes out |
//! | `trace` | a counterexample to be read |

pub mod cases;
mod client;
mod etcd;
pub mod model;
mod normal_form;
mod probe;
pub mod state;
mod time;
pub mod trace;
mod vacuity;
pub mod variant;
