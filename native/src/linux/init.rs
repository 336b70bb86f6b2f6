//! The container's pid 1: makes the root file system, then adopts and reaps what the payload leaves behind.

use super::mount::RootDirectory;
use super::root::enter_root;
use super::sys::{close_range, release_code, set_not_dumpable};
use crate::common::report::{Report, report};
use crate::common::sys::{check, set_signal_action};
use crate::failure::{At, Outcome};
use crate::spec::Jail;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

/// Runs as pid 1 of new namespaces and never returns. The outcome of the set-up goes to `channel`.
pub fn run_init(jail: &Jail, channel: OwnedFd) -> ! {
    match prepare(jail, &channel) {
        Ok(root) => report(&channel, &Report::Ready, Some(root.as_fd())),
        Err(failure) => {
            report(&channel, &Report::Failed(failure), None);
            // SAFETY: ends this process without running the parent's exit handlers.
            unsafe { libc::_exit(1) }
        }
    }
    drop(channel);
    release_code();
    loop {
        // SAFETY: no arguments. Signals from inside are not delivered to a pid 1 without handlers, orphans are reaped by
        // the kernel since SIGCHLD is ignored; SIGKILL from outside ends it, and with it all that is in the namespace.
        unsafe { libc::pause() };
    }
}

fn prepare(jail: &Jail, channel: &OwnedFd) -> Outcome<RootDirectory> {
    set_signal_action(libc::SIGCHLD, libc::SIG_IGN);
    // SAFETY: the name is a C string of less than 16 bytes.
    check(unsafe { libc::prctl(libc::PR_SET_NAME, c"klee-init".as_ptr()) }.into()).at("prctl", "PR_SET_NAME")?;
    let root = enter_root(jail)?;
    let name = jail.hostname.as_bytes();
    // SAFETY: pointer and length are of one live slice.
    check(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) }.into()).at("sethostname", &jail.hostname)?;
    // It keeps all capabilities, more than any process of the container has: none can trace it or see its files.
    set_not_dumpable().at("prctl", "PR_SET_DUMPABLE")?;
    // Neither the payload's stdio nor the supervisor's socket may be held open from here.
    close_all_but(channel.as_raw_fd(), root.as_fd().as_raw_fd()).at("close_range", "")?;
    Ok(root)
}

fn close_all_but(one: RawFd, other: RawFd) -> io::Result<()> {
    let (low, high) = (one.min(other), one.max(other));
    close_range(0, low - 1)?;
    close_range(low + 1, high - 1)?;
    close_range(high + 1, RawFd::MAX)
}
