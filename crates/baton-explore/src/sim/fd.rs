//! What `std::os::fd` is to the copied library: descriptors of the simulated kernel.

use std::marker::PhantomData;

/// A descriptor's number, which means something in one process only.
pub type RawFd = i32;

/// A descriptor that is closed when dropped, unless its process has been killed meanwhile: then the kernel has closed it.
#[derive(Debug, PartialEq, Eq)]
pub struct Handle(pub(crate) RawFd);

/// The same under the standard library's name.
pub type OwnedFd = Handle;

/// A descriptor that somebody else closes.
#[derive(Clone, Copy, Debug)]
pub struct BorrowedFd<'a>(pub(crate) RawFd, PhantomData<&'a Handle>);

/// Can be borrowed as a descriptor.
pub trait AsFd {
    /// The descriptor.
    fn as_fd(&self) -> BorrowedFd<'_>;
}

/// Has a descriptor's number.
pub trait AsRawFd {
    /// The number.
    fn as_raw_fd(&self) -> RawFd;
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        BorrowedFd(self.0, PhantomData)
    }
}

impl AsRawFd for Handle {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

impl AsRawFd for BorrowedFd<'_> {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        super::close(self.0);
    }
}
