//! Linux's own calls that std has no safe form of.

use crate::common::sys::{check, owned, text};
use std::io;
use std::os::fd::{OwnedFd, RawFd};

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
