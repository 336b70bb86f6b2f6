//! What a log needs of Linux: inotify(7) and holes, fallocate(2).

use crate::common::sys::check;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Readable once the file was written to.
pub fn watch(path: &str) -> io::Result<OwnedFd> {
    let path = CString::new(path)?;
    // SAFETY: no pointers.
    let number = check(unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) }.into())?;
    // SAFETY: the descriptor is new and nobody else's.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number as RawFd) };
    // SAFETY: the path is a C string that outlives the call.
    check(unsafe { libc::inotify_add_watch(descriptor.as_raw_fd(), path.as_ptr(), libc::IN_MODIFY) }.into())?;
    Ok(descriptor)
}

/// Gives the bytes before an offset back to the file system.
pub fn free(file: &File, begin: u64) -> io::Result<()> {
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: no pointers.
    let result = unsafe { libc::fallocate(file.as_raw_fd(), mode, 0, begin as libc::off_t) };
    check(result.into()).map(|_| ())
}
