//! The thread that drives everything that goes on between this process and the cluster.
//!
//! It is one thread with an asynchronous runtime of its own, so that renewals go on whatever the caller's thread does,
//! and the interface outside is a blocking one. No signal is ever delivered to it: those are the caller's.

use std::{future::Future, io, sync::mpsc, thread};

use nix::sys::signal::{SigSet, SigmaskHow};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

use crate::Error;

/// The running thread; dropped, it ends.
#[derive(Debug)]
pub(crate) struct Engine {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Engine {
    pub(crate) fn start() -> Result<Self, Error> {
        let failed = |error| Error::io("start the thread that speaks to etcd", error);
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        // A new thread inherits the mask of its parent, so it is the parent's that is changed for the moment.
        let before = SigSet::all()
            .thread_swap_mask(SigmaskHow::SIG_BLOCK)
            .map_err(|errno| failed(io::Error::from(errno)))?;
        let spawned = thread::Builder::new().name("baton-etcd".into()).spawn(move || {
            match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => {
                    let _ = tell.send(Ok(runtime.handle().clone()));
                    // An error means that the engine is gone, which is the same.
                    let _ = runtime.block_on(stopped);
                }
                Err(error) => drop(tell.send(Err(error))),
            }
        });
        // Fails only for a mask that is none.
        let _ = before.thread_set_mask();
        let thread = spawned.map_err(failed)?;
        let handle = told.recv().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())).map_err(failed)?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }

    /// Waits for it in the caller's thread. Not to be called by what is itself waited for so.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.handle.block_on(future)
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
