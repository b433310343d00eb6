//! `baton session export`: a session and its history as one JSON document.
//!
//! Both are as they are on disk, with all members, those too that this version doesn't know. A session that can't be understood is
//! refused: half a truth would be taken for all of it.

use std::time::SystemTime;

use baton_lock::clock;
use baton_lock::store::Store;
use serde_json::{Value, json};

use super::output::Output;
use super::place::{Place, untold};
use crate::args::SessionExportArgs;
use crate::failure::Failure;
use crate::history::History;
use crate::{exit, json, notice};

/// Writes the document.
pub(super) fn export(args: &SessionExportArgs, store: &dyn Store) -> Result<u8, Failure> {
    let place = Place::of(&args.name, store)?;
    let document = document(&place)?;
    let output = args.output.as_deref().map_or(Output::Standard, Output::of);
    output.write(&json::text(&document))?;
    Ok(exit::DONE)
}

pub(super) fn document(place: &Place) -> Result<Value, Failure> {
    let (_, bytes) = place.store.load_with_bytes()?.ok_or_else(|| place.missing())?;
    // What was understood is JSON.
    let session: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let (history, unreadable) = History::documents(place.state(), place.name()).unwrap_or_else(|error| {
        notice::warning(&untold(&error));
        (Vec::new(), 0)
    });
    Ok(json!({
        "schema": json::SCHEMA,
        "name": place.name(),
        "exportedAt": clock::format(SystemTime::now()),
        "session": session,
        "history": history,
        "unreadableHistoryLines": unreadable,
    }))
}
