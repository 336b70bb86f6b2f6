//! Kernel calls that std has no safe form of, each with the kernel's answer as an io::Error.

use std::ffi::CString;
use std::io::{self, Error};
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

/// openat2(2) with O_CLOEXEC: `resolve` says how far symlinks may lead.
pub fn open_resolved(directory: RawFd, path: &str, flags: libc::c_int, resolve: u64) -> io::Result<OwnedFd> {
    let path = text(path)?;
    // SAFETY: open_how is plain data; zero is a valid value for each field.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (flags | libc::O_CLOEXEC) as u64;
    how.resolve = resolve;
    // SAFETY: path and how outlive the call, and the size is how's own.
    owned(unsafe { libc::syscall(libc::SYS_openat2, directory, path.as_ptr(), &how, size_of::<libc::open_how>()) })
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

/// Closes descriptors from `first` to `last`, both included.
pub fn close_range(first: RawFd, last: RawFd) -> io::Result<()> {
    if first > last {
        return Ok(());
    }
    // SAFETY: a caller does this only where no owner of such a descriptor is used again.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
}

/// Marks all descriptors from `first` on close-on-exec.
pub fn close_on_exec_from(first: RawFd) -> io::Result<()> {
    // SAFETY: only flags of descriptors change.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) })
        .map(drop)
}

/// Makes `target` refer to what `fd` refers to; it stays open across exec.
pub fn duplicate_to(fd: BorrowedFd<'_>, target: RawFd) -> io::Result<()> {
    // SAFETY: plain descriptor numbers; whoever owned `target` means it to be replaced.
    check(unsafe { libc::dup2(fd.as_raw_fd(), target) }.into()).map(drop)
}

pub fn set_signal_action(number: libc::c_int, action: libc::sighandler_t) {
    // SAFETY: action is SIG_DFL or SIG_IGN, no handler of ours ever runs. A signal that cannot be set keeps its default.
    unsafe { libc::signal(number, action) };
}

/// As seen by other users of the container: neither ptrace nor /proc/PID/exe of this process, whatever their uid.
pub fn set_not_dumpable() -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) }.into()).map(drop)
}

unsafe extern "C" {
    // First byte of the program and end of its code, from the linker: end(3).
    static __executable_start: u8;
    static etext: u8;
}

/// Gives the pages of the program's code back before a long wait: they are clean, and come again from the page cache as
/// far as they are needed.
pub fn release_code() {
    let (start, end) = (&raw const __executable_start, &raw const etext);
    // SAFETY: the range lies in one mapping of the program file that nobody can write to. A refusal changes nothing.
    unsafe { libc::madvise(start.cast_mut().cast(), end.addr() - start.addr(), libc::MADV_DONTNEED) };
}
