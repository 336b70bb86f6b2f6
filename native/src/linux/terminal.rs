//! A pseudo terminal of the container's own devpts, pty(7).

use super::sys::open_resolved;
use crate::common::sys::{check, duplicate_to, owned};
use crate::failure::{At, Outcome};
use crate::spec::Window;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Opens a terminal of this size in the current root and makes it stdin, stdout, stderr and the controlling terminal of
/// this session leader. Returns the master.
pub fn take_terminal(window: Window) -> Outcome<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY;
    // A container's root could have replaced /dev/ptmx; what is not a pty multiplexer fails the ioctls below.
    let master =
        open_resolved(libc::AT_FDCWD, "/dev/ptmx", flags, libc::RESOLVE_NO_MAGICLINKS).at("open", "/dev/ptmx")?;
    let unlocked: libc::c_int = 0;
    // SAFETY: the ioctl reads one int that outlives the call.
    check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &unlocked) }.into())
        .at("ioctl TIOCSPTLCK", "/dev/ptmx")?;
    let size = libc::winsize { ws_row: window.rows, ws_col: window.columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the ioctl reads a winsize that outlives the call.
    check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &size) }.into())
        .at("ioctl TIOCSWINSZ", "/dev/ptmx")?;
    // By descriptor, not by /dev/pts/N: that path is the container's to change.
    // SAFETY: the argument is an integer.
    let slave = owned(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags | libc::O_CLOEXEC) }.into())
        .at("ioctl TIOCGPTPEER", "/dev/ptmx")?;
    // SAFETY: the argument is an integer.
    check(unsafe { libc::ioctl(slave.as_raw_fd(), libc::TIOCSCTTY, 0) }.into()).at("ioctl TIOCSCTTY", "terminal")?;
    for standard in 0..=2 {
        duplicate_to(slave.as_fd(), standard).at("dup2", "terminal")?;
    }
    Ok(master)
}
