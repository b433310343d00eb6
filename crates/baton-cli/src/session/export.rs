//! `baton session export`: a session and its history as one JSON document.
//!
//! Both are as they are on disk, with all members, those too that this version doesn't know. A session that can't be understood is
//! refused: half a truth would be taken for all of it.

use std::io::Read as _;
use std::path::Path;
use std::time::SystemTime;

use baton_lock::session::MAX_SIZE;
use baton_lock::{clock, escape};
use serde_json::{Value, json};

use super::output::Output;
use super::place::{Place, untold};
use crate::args::SessionExportArgs;
use crate::failure::Failure;
use crate::history::History;
use crate::{exit, json, notice, plain_file};

/// Writes the document.
pub(super) fn export(args: &SessionExportArgs) -> Result<u8, Failure> {
    let place = Place::of(&args.name)?;
    let document = document(&place)?;
    let output = args.output.as_deref().map_or(Output::Standard, Output::of);
    output.write(&json::text(&document))?;
    Ok(exit::DONE)
}

pub(super) fn document(place: &Place) -> Result<Value, Failure> {
    place.load()?;
    let session = read(place.store.path())?;
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

fn read(path: &Path) -> Result<Value, Failure> {
    let mut bytes = Vec::new();
    plain_file::open(path)
        .and_then(|file| file.take(MAX_SIZE as u64).read_to_end(&mut bytes))
        .and_then(|_| Ok(serde_json::from_slice(&bytes)?))
        .map_err(|error| Failure {
            code: exit::CONTENT,
            message: format!("cannot read the session {}: {error}", escape::path(path)),
            hint: Some("it was whole a moment ago; try again".to_owned()),
        })
}
