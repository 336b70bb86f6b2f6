//! The end of a container that nobody else takes down.

use super::sys::{check, open};
use crate::failure::{At, Outcome};
use crate::spec::Run;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;

/// Waits for the lock on the container and becomes the program that takes it down, if `wanted` says then that this is
/// still to be done.
pub fn take_down(run: &Run, wanted: impl FnOnce() -> bool) -> Outcome<()> {
    let lock = open(&run.lock, libc::O_RDWR).at("open", &run.lock)?;
    loop {
        // SAFETY: no pointers.
        match check(unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX) }.into()) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => {
                result.at("flock", &run.lock)?;
                break;
            }
        }
    }
    if !wanted() {
        return Ok(());
    }
    let Some((program, arguments)) = run.teardown.split_first() else { return Ok(()) };
    // The lock is close-on-exec: the teardown takes it itself.
    let error = std::process::Command::new(program).args(arguments).exec();
    Err(error).at("execve", program)
}
