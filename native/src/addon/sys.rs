//! What all of the addon's calls share: descriptors, strings and errors.

use std::ffi::{CString, c_long};
use std::io::{self, Error};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// First descriptor of those that are nobody's standard input or output.
pub const FREE: RawFd = 3;

/// The step that failed, and why.
pub type Failed = (&'static str, Error);

/// The system has no thread left for this process.
pub fn no_thread(error: Error) -> napi::Error {
    napi::Error::from_reason(format!("pthread_create: {error}; a limit of processes or threads is reached"))
}

pub fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    duplicate_above(FREE, fd)
}

/// EMFILE where no number from there on is free, and where the limit leaves none.
pub fn duplicate_above(lowest: RawFd, fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: no pointers; the descriptor that it returns is ours alone.
    unsafe { Ok(OwnedFd::from_raw_fd(check(libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, lowest).into())? as RawFd)) }
}

pub fn text(value: &str) -> io::Result<CString> {
    CString::new(value).map_err(|_| Error::from_raw_os_error(libc::EINVAL))
}

pub fn check(result: c_long) -> io::Result<c_long> {
    if result == -1 { Err(Error::last_os_error()) } else { Ok(result) }
}
