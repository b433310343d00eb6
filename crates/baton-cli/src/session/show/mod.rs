//! `baton session show`: one session in full.
//!
//! | for whom | module |
//! |---|---|
//! | people | `text` |
//! | programs | `document` |

mod document;
mod text;

use std::io::{self, Write as _};

use baton_lock::session::Session;
use baton_lock::store::Store;

use super::next::Next;
use super::place::Place;
use super::runner::Runner;
use super::story::Story;
use crate::args::SessionShowArgs;
use crate::exit;
use crate::failure::Failure;
use crate::json;

/// All that is shown.
pub(super) struct Shown {
    pub(super) session: Session,
    pub(super) story: Story,
    pub(super) runner: Runner,
    pub(super) next: Next,
    /// Lines of the history that could not be read, and those of a newer version.
    pub(super) skipped: (usize, usize),
}

/// Prints it.
pub(super) fn show(args: &SessionShowArgs, store: &dyn Store) -> Result<u8, Failure> {
    let shown = Shown::of(&Place::of(&args.name, store)?)?;
    let text = if args.json { json::text(&document::document(&shown)) } else { text::text(&shown) };
    // Nobody may be reading any more.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(exit::DONE)
}

impl Shown {
    /// Reads all of it.
    pub(super) fn of(place: &Place) -> Result<Self, Failure> {
        // The runner first: one that ends meanwhile has written its end before it let go.
        let runner = Runner::of(place);
        let session = place.load()?;
        let history = place.history();
        let story = Story::of(&session, &history, &runner);
        let next = Next::of(&session, &runner, place.url());
        Ok(Self { session, story, runner, next, skipped: (history.unreadable, history.newer) })
    }

    #[cfg(test)]
    pub(super) fn as_text(&self) -> String {
        text::text(self)
    }

    #[cfg(test)]
    pub(super) fn as_json(&self) -> serde_json::Value {
        document::document(self)
    }
}
