//! The `baton` command as a library, so that another executable (another store) can be the same command.
#![forbid(unsafe_code)]

pub mod exit;
pub mod time;
