//! Waiting for the end of a cgroup's last process, on a thread of its own.

use super::sys::no_thread;
use crate::cgroup::Events;
use napi::Result;
use napi::bindgen_prelude::{FnArgs, Function};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use std::thread;
use std::time::{Duration, Instant};

/// Tells `done(errno, empty)` once nobody is left in the cgroup, or at the deadline.
#[napi]
pub fn wait_cgroup_empty(path: String, timeout_ms: f64, done: Function<FnArgs<(i32, bool)>, ()>) -> Result<()> {
    let done =
        done.build_threadsafe_function::<(i32, bool)>().build_callback(|outcome| Ok(FnArgs::from(outcome.value)))?;
    let deadline = Instant::now() + Duration::from_millis(timeout_ms.max(0.0) as u64);
    let waiting = thread::Builder::new().spawn(move || {
        let outcome = match Events::open(&path).and_then(|events| events.wait_empty(deadline)) {
            Ok(empty) => (0, empty),
            Err(error) => (error.raw_os_error().unwrap_or(libc::EINVAL), false),
        };
        done.call(outcome, ThreadsafeFunctionCallMode::NonBlocking);
    });
    waiting.map(drop).map_err(no_thread)
}
