//! What went wrong, as the command says it: one line, a hint, an exit code.

use std::error::Error as _;
use std::io::{self, Write as _};

use crate::{exit, json, notice, plan};

/// Something went wrong, so that the command ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// What went wrong with which file, and why: one line without a full stop, or for a plan all of its errors.
    pub message: String,
    /// What to do about it: one line without a full stop.
    pub hint: Option<String>,
}

impl Failure {
    /// Says what went wrong, on standard output as JSON too where that was asked for; gives back the exit code.
    pub fn tell(&self, as_json: bool) -> u8 {
        if as_json {
            // Nobody may be reading any more (`| head -1`): the exit code still tells.
            let _ = io::stdout().write_all(json::text(&json::failure(self)).as_bytes());
        }
        notice::failure(self);
        self.code
    }
}

impl From<baton_lock::Error> for Failure {
    fn from(error: baton_lock::Error) -> Self {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        Self { code: exit::of_error(error.kind()), message: format!("{error}{cause}"), hint: error.hint() }
    }
}

impl From<baton_lock::session::Error> for Failure {
    fn from(error: baton_lock::session::Error) -> Self {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        Self { code: exit::of_error(error.kind()), message: format!("{error}{cause}"), hint: error.hint() }
    }
}

impl From<plan::Error> for Failure {
    fn from(error: plan::Error) -> Self {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        Self {
            code: error.exit_code(),
            message: format!("{error}{cause}"),
            hint: error.hint().map(str::to_owned),
        }
    }
}
