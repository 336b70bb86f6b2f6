//! Kernel calls that std has no safe form of, each with the kernel's answer as an io::Error; those that both hosts have.

use std::ffi::CString;
use std::io::{self, Error, ErrorKind};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// -1 becomes errno.
pub fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result == -1 { Err(Error::last_os_error()) } else { Ok(result) }
}

/// A string for the kernel; one with a NUL inside is EINVAL.
pub fn text(value: &str) -> io::Result<CString> {
    CString::new(value).map_err(|_| Error::from_raw_os_error(libc::EINVAL))
}

/// Takes ownership of the descriptor that a call returned.
pub fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    let fd = check(result)?;
    // SAFETY: the kernel has just returned this descriptor to us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// open(2) with O_CLOEXEC.
pub fn open(path: &str, flags: libc::c_int) -> io::Result<OwnedFd> {
    let path = text(path)?;
    // SAFETY: path is a NUL-terminated string that outlives the call.
    owned(unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) }.into())
}

/// Both ends of a connected, close-on-exec AF_UNIX stream.
pub fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    // SAFETY: ends has room for the two descriptors.
    check(
        unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0, ends.as_mut_ptr()) }.into(),
    )?;
    // SAFETY: the kernel has just returned both descriptors to us alone.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// The reading and the writing end of a pipe, both close-on-exec.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    // SAFETY: ends has room for the two descriptors.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }.into())?;
    // SAFETY: the kernel has just returned both descriptors to us alone.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// Makes `target` refer to what `fd` refers to; it stays open across exec.
pub fn duplicate_to(fd: BorrowedFd<'_>, target: RawFd) -> io::Result<()> {
    // SAFETY: plain descriptor numbers; whoever owned `target` means it to be replaced.
    check(unsafe { libc::dup2(fd.as_raw_fd(), target) }.into()).map(drop)
}

/// Waits for an exclusive lock on an open file, flock(2). It goes with the last descriptor of it.
pub fn lock(file: BorrowedFd<'_>) -> io::Result<()> {
    loop {
        // SAFETY: no pointers.
        match check(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) }.into()) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result.map(drop),
        }
    }
}

pub fn set_signal_action(number: libc::c_int, action: libc::sighandler_t) {
    // SAFETY: action is SIG_DFL or SIG_IGN, no handler of ours ever runs. A signal that cannot be set keeps its default.
    unsafe { libc::signal(number, action) };
}
