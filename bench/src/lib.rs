//! What benchmarks have in common: samples of several sides, taken in turn, the tables of them, and the plots.
#![forbid(unsafe_code)]

use std::error::Error;

pub mod place;
pub mod plot;
pub mod report;
pub mod sample;

/// Whatever a benchmark fails by is only ever told.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;
