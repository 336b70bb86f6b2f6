//! The end of a container that nobody else takes down.

use super::client::Client;
use super::sys::{self, open};
use crate::failure::{At, Failure, Outcome};
use crate::spec::Run;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;

/// Waits for the lock on the container and becomes the program that takes it down, if `wanted` says then that this is
/// still to be done.
pub fn take_down(run: &Run, wanted: impl FnOnce() -> bool) -> Outcome<()> {
    let lock = open(&run.lock, libc::O_RDWR).at("open", &run.lock)?;
    sys::lock(lock.as_fd()).at("flock", &run.lock)?;
    if !wanted() {
        return Ok(());
    }
    let Some((program, arguments)) = run.teardown.split_first() else { return Ok(()) };
    // The lock is close-on-exec: the teardown takes it itself.
    let error = std::process::Command::new(program).args(arguments).exec();
    Err(error).at("execve", program)
}

/// A container that was not started: its client undoes what it did for it, unless it is gone.
pub fn after_failure(client: &Client, run: &Run, failure: Failure) -> Outcome<()> {
    if !client.is_there() {
        take_down(run, || true)?;
    }
    Err(failure)
}
