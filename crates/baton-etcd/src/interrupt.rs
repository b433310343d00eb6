//! What ends a wait from outside: a deadline, or a descriptor that becomes readable.

use std::{
    future::{Future, pending},
    os::fd::{AsFd as _, OwnedFd},
    time::Instant,
};

use baton_lock::Cancel;
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::sleep_until,
};

use crate::Error;

/// A deadline and a cancellation, of which there may be neither.
#[derive(Debug)]
pub(crate) struct Interrupt {
    deadline: Option<Instant>,
    cancel: Option<Cancel>,
    event: Option<AsyncFd<OwnedFd>>,
}

impl Interrupt {
    /// Has to be called within the runtime.
    pub(crate) fn new(deadline: Option<Instant>, cancel: Option<&Cancel>) -> Result<Self, Error> {
        let failed = |error| Error::io("watch for the end of the wait", error);
        #[expect(
            deprecated,
            reason = "its successor is unsafe for types that change their descriptor; this one does not"
        )]
        let watch = |cancel: &Cancel| {
            let own = cancel.as_fd().try_clone_to_owned()?;
            AsyncFd::with_interest(own, Interest::READABLE)
        };
        let event = cancel.map(watch).transpose().map_err(failed)?;
        Ok(Self { deadline, cancel: cancel.cloned(), event })
    }

    /// Has it come already?
    pub(crate) fn has_come(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
            || self.cancel.as_ref().is_some_and(Cancel::is_cancelled)
    }

    /// What the future answers, unless this comes first.
    pub(crate) async fn or<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            // What is done is not thrown away because the time is up as well.
            biased;
            answer = future => Some(answer),
            () = self.come() => None,
        }
    }

    async fn come(&self) {
        let deadline = async {
            match self.deadline {
                Some(deadline) => sleep_until(deadline.into()).await,
                None => pending().await,
            }
        };
        let cancelled = async {
            match &self.event {
                // An error means that the runtime ends, and the wait with it.
                Some(event) => drop(event.readable().await),
                None => pending().await,
            }
        };
        tokio::select! { () = deadline => {}, () = cancelled => {} }
    }
}
