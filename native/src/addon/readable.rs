//! Waiting until a descriptor is readable, on a thread of its own: a queue of events, a process's descriptor.

use super::sys::no_thread;
use napi::Result;
use napi::bindgen_prelude::{FnArgs, Function};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use std::io::Error;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::thread;
use std::time::{Duration, Instant};

/// The longest that poll(2) is asked for at once.
const SLICE_MS: u128 = 60_000;

/// Tells `done(errno, readable)` once there is something to read, or at the deadline; infinity: there is none.
///
/// The thread has a copy of the descriptor: the number may be closed, and be another's, meanwhile.
#[napi]
pub fn wait_readable(fd: i32, timeout_ms: f64, done: Function<FnArgs<(i32, bool)>, ()>) -> Result<()> {
    let done =
        done.build_threadsafe_function::<(i32, bool)>().build_callback(|outcome| Ok(FnArgs::from(outcome.value)))?;
    let deadline = timeout_ms.is_finite().then(|| Instant::now() + Duration::from_millis(timeout_ms.max(0.0) as u64));
    let copy = duplicate(fd);
    let waiting = thread::Builder::new().spawn(move || {
        let outcome = match copy.and_then(|copy| wait(&copy, deadline)) {
            Ok(readable) => (0, readable),
            Err(error) => (error.raw_os_error().unwrap_or(libc::EINVAL), false),
        };
        done.call(outcome, ThreadsafeFunctionCallMode::NonBlocking);
    });
    waiting.map(drop).map_err(no_thread)
}

fn duplicate(fd: RawFd) -> std::result::Result<OwnedFd, Error> {
    // SAFETY: no pointers; the copy is new, and this one's.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
    // SAFETY: as above.
    if copy < 0 { Err(Error::last_os_error()) } else { Ok(unsafe { OwnedFd::from_raw_fd(copy) }) }
}

fn wait(fd: &OwnedFd, deadline: Option<Instant>) -> std::result::Result<bool, Error> {
    loop {
        let left = deadline.map_or(SLICE_MS, |at| at.saturating_duration_since(Instant::now()).as_millis() + 1);
        let mut polled = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd, which outlives the call.
        let count = unsafe { libc::poll(&raw mut polled, 1, left.min(SLICE_MS) as libc::c_int) };
        if count > 0 {
            return Ok(true);
        }
        let error = Error::last_os_error();
        if count < 0 && error.raw_os_error() != Some(libc::EINTR) {
            return Err(error);
        }
        if deadline.is_some_and(|at| Instant::now() >= at) {
            return Ok(false);
        }
    }
}
