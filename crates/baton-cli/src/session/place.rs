//! Where the files of a session are, and that there is one.

use std::error::Error as _;
use std::path::{Path, PathBuf};

use baton_lock::session::{Session, Store};
use baton_lock::{escape, state_dir};

use crate::exit;
use crate::failure::Failure;
use crate::history::{History, ReadError};
use crate::notice;

/// The files of one job in the state directory.
#[derive(Clone, Debug)]
pub(super) struct Place {
    state: PathBuf,
    pub(super) store: Store,
}

impl Place {
    /// By the name that was typed.
    pub(super) fn of(name: &str) -> Result<Self, Failure> {
        let store = Store::named(name)?;
        Ok(Self { state: state_directory()?, store })
    }

    /// In another state directory.
    #[cfg(test)]
    pub(super) fn in_directory(state: &Path, name: &str) -> Self {
        Self { state: state.to_owned(), store: Store::in_directory(state, name).expect("a name") }
    }

    /// All that have a session, by name.
    pub(super) fn all() -> Result<Vec<Self>, Failure> {
        let state = state_directory()?;
        let stores = Store::list(&state)?;
        Ok(stores.into_iter().map(|store| Self { state: state.clone(), store }).collect())
    }

    pub(super) fn name(&self) -> &str {
        self.store.name()
    }

    pub(super) fn state(&self) -> &Path {
        &self.state
    }

    /// The directory of what its steps printed.
    pub(super) fn logs(&self) -> PathBuf {
        self.state.join("logs").join(self.name())
    }

    /// Reads the session; one that is missing is a failure.
    pub(super) fn load(&self) -> Result<Session, Failure> {
        self.store.load()?.ok_or_else(|| self.missing())
    }

    pub(super) fn missing(&self) -> Failure {
        Failure {
            code: exit::CONTENT,
            message: format!(
                "there is no session `{}`: {} is missing",
                self.name(),
                escape::path(self.store.path())
            ),
            hint: Some(
                "`baton session list` names those that are there; `baton apply PLAN` begins one".to_owned(),
            ),
        }
    }

    /// Reads the history; one that can't be read is told, and as good as none.
    pub(super) fn history(&self) -> History {
        History::load(&self.state, self.name()).unwrap_or_else(|error| {
            notice::warning(&untold(&error));
            History::default()
        })
    }
}

/// What is lost with a history that can't be read.
pub(super) fn untold(error: &ReadError) -> String {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}; the session alone says less of earlier attempts")
}

fn state_directory() -> Result<PathBuf, Failure> {
    let unset = || Failure {
        code: exit::USAGE,
        message: "BATON_DIR, XDG_STATE_HOME and HOME are all unset, so that no sessions are known".to_owned(),
        hint: Some("set BATON_DIR to the state directory".to_owned()),
    };
    let state = state_dir::state_directory().ok_or_else(unset)?;
    // Absolute, because it is printed and typed elsewhere; what has no working directory has no relative files either.
    Ok(std::path::absolute(&state).unwrap_or(state))
}
