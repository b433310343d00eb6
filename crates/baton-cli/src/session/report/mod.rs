//! `baton session report`: one HTML page that tells a job's story, for somebody who was not there.
//!
//! One file: no network, no script, and a policy that forbids both, so that it can be mailed, archived and opened years later. It is
//! read on screens of any width, in light and dark, on paper and by ear: what a colour says, a shape and a word say too, and
//! the time line has its events as text.
//!
//! All of its content was written by others. Only texts of this program itself can become markup, see `page`.
//!
//! | question | module |
//! |---|---|
//! | markup and text, never mixed up | `page` |
//! | what is where on the time line | `layout` |
//! | the time line | `chart` |
//! | the parts of the page, in their order | `parts`, `tables`, `failures` |
//! | the end of a log | `tail` |
//! | signs | `signs` |

mod chart;
mod failures;
mod layout;
mod page;
mod parts;
mod signs;
mod tables;
mod tail;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::SystemTime;

use baton_lock::store::Store;
use baton_lock::{clock, escape};

use super::output::Output;
use super::place::Place;
use super::show::Shown;
use crate::args::SessionReportArgs;
use crate::exit;
use crate::failure::Failure;
use crate::notice;

/// Writes the page, and says where it is.
pub(super) fn report(args: &SessionReportArgs, store: &dyn Store) -> Result<u8, Failure> {
    let place = Place::of(&args.name, store)?;
    let html = html(&place, &Shown::of(&place)?, SystemTime::now());
    let default = || format!("{}-report.html", place.name()).into();
    let path = args.output.clone().unwrap_or_else(default);
    let output = Output::of(&path);
    output.write(&html)?;
    if output != Output::Standard {
        notice::line(&format!("the report is {}", escape::path(&absolute(&path))));
    }
    Ok(exit::DONE)
}

/// As it can be opened from elsewhere.
fn absolute(path: &Path) -> std::path::PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The page, made at that time.
pub(super) fn html(place: &Place, shown: &Shown, now: SystemTime) -> String {
    parts::whole(place, shown, &clock::format(now))
}
