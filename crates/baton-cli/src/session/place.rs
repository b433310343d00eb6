//! Where the files of a session are, and that there is one.

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use baton_lock::session::{self, Session};
use baton_lock::store::{Intent, Store, StoredLock};
use baton_lock::{Lock, escape};

use crate::exit;
use crate::failure::Failure;
use crate::history::{History, ReadError};
use crate::notice;

/// The files of one job in the state directory.
#[derive(Clone, Debug)]
pub(super) struct Place {
    state: PathBuf,
    url: Option<String>,
    pub(super) lock: Arc<dyn StoredLock>,
    pub(super) store: session::Store,
}

impl Place {
    /// By the name that was typed.
    pub(super) fn of(name: &str, store: &dyn Store) -> Result<Self, Failure> {
        Self::with(store.session(name)?, store)
    }

    fn with(session: session::Store, store: &dyn Store) -> Result<Self, Failure> {
        let lock = store.lock(session.name().as_ref(), Lock::options(), Intent::Look)?;
        let url = store.url().map(str::to_owned);
        Ok(Self { state: state_directory(store)?, url, lock: lock.into(), store: session })
    }

    /// In another state directory.
    #[cfg(test)]
    pub(super) fn in_directory(state: &Path, name: &str) -> Self {
        Self::of(name, &baton_lock::store::Directory::at(state)).expect("a name")
    }

    /// All that have a session, by name.
    pub(super) fn all(store: &dyn Store) -> Result<Vec<Self>, Failure> {
        // Without one there are none, which is no answer.
        state_directory(store)?;
        store.sessions()?.into_iter().map(|session| Self::with(session, store)).collect()
    }

    pub(super) fn name(&self) -> &str {
        self.store.name()
    }

    /// The URL of the store, where it is not a directory.
    pub(super) fn url(&self) -> Option<&str> {
        self.url.as_deref()
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

fn state_directory(store: &dyn Store) -> Result<PathBuf, Failure> {
    let unset = || Failure {
        code: exit::USAGE,
        message: "BATON_DIR, XDG_STATE_HOME and HOME are all unset, so that no sessions are known".to_owned(),
        hint: Some("set BATON_DIR to the state directory".to_owned()),
    };
    let state = store.state().ok_or_else(unset)?;
    // Absolute, because it is printed and typed elsewhere; what has no working directory has no relative files either.
    Ok(std::path::absolute(&state).unwrap_or(state))
}
