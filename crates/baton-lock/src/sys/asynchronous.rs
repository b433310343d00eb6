//! `poll` by a tokio runtime.

use std::future::poll_fn;
use std::io;
use std::os::fd::BorrowedFd;
use std::task::Poll;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Until one of the descriptors is readable; at once if there is none.
pub(crate) async fn until_readable(descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let watched: Vec<_> =
        descriptors.iter().map(|&descriptor| watch(descriptor)).collect::<io::Result<_>>()?;
    poll_fn(|context| {
        for descriptor in &watched {
            if let Poll::Ready(ready) = descriptor.poll_read_ready(context) {
                return Poll::Ready(ready.map(drop));
            }
        }
        if watched.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await
}

fn watch(descriptor: BorrowedFd<'_>) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
    // SAFETY: a borrowed descriptor stays open for as long as the borrow, which the result keeps, and is always the same number.
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }?)
}
