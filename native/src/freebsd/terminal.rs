//! A pseudo terminal of the jail's own, posix_openpt(2): one made outside would have no name within.

use crate::common::sys::{check, duplicate_to, owned};
use crate::failure::{At, Outcome};
use crate::spec::Window;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Opens a terminal of this size in the jail and makes it stdin, stdout, stderr and the controlling terminal of this
/// session leader. Returns the master.
pub fn take_terminal(window: Window) -> Outcome<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY;
    // SAFETY: no pointers; the descriptor is new.
    let master = owned(unsafe { libc::posix_openpt(flags | libc::O_CLOEXEC) }.into()).at("posix_openpt", "")?;
    let number = master.as_raw_fd();
    // SAFETY: no pointers.
    check(unsafe { libc::grantpt(number) }.into()).at("grantpt", "terminal")?;
    // SAFETY: no pointers.
    check(unsafe { libc::unlockpt(number) }.into()).at("unlockpt", "terminal")?;
    let size = libc::winsize { ws_row: window.rows, ws_col: window.columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the ioctl reads a winsize that outlives the call.
    check(unsafe { libc::ioctl(number, libc::TIOCSWINSZ as _, &size) }.into()).at("ioctl TIOCSWINSZ", "terminal")?;
    let mut name = [0 as libc::c_char; 64];
    // SAFETY: the name has room for as much as is said.
    let named = unsafe { libc::ptsname_r(number, name.as_mut_ptr(), name.len()) };
    check(if named == 0 { 0 } else { -1 }).at("ptsname_r", "terminal")?;
    // SAFETY: ptsname_r has written a C string.
    let slave = owned(unsafe { libc::open(name.as_ptr(), flags | libc::O_CLOEXEC) }.into()).at("open", "terminal")?;
    // SAFETY: the argument is an integer.
    check(unsafe { libc::ioctl(slave.as_raw_fd(), libc::TIOCSCTTY as _, 0) }.into())
        .at("ioctl TIOCSCTTY", "terminal")?;
    for standard in 0..=2 {
        duplicate_to(slave.as_fd(), standard).at("dup2", "terminal")?;
    }
    Ok(master)
}
