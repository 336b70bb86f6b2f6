//! Faults for tests. `KLEE_SIM_FAULT=N:ENOMEM` fails the Nth call of a process, counted from 1, before it does anything;
//! `N:kill` kills the process there, `N:killed-after` right after the call took effect, `N:stop` stops it there, SIGSTOP,
//! `N:stopped-after` after the call. A call's name in place of N means each call of that name. With `:NAME` after it, only in processes of the program NAME. `KLEE_SIM_CALLS` names a file that every call is appended to: the program's name, the
//! process, the call's number and name.

use crate::errno::{Answer, Errno, by_name};
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

enum Fault {
    Fail(Errno),
    Kill,
    KillAfter,
    Stop,
    StopAfter,
}

/// The call that it happens at.
enum Place {
    Number(u32),
    Name(String),
}

impl Place {
    fn is(&self, number: u32, call: &str) -> bool {
        match self {
            Self::Number(wanted) => *wanted == number,
            Self::Name(wanted) => wanted == call,
        }
    }
}

static MADE: AtomicU32 = AtomicU32::new(0);
static FAULT: OnceLock<Option<(Place, Fault)>> = OnceLock::new();

/// File name of this process's program, as whoever executed it says: a supervisor's own file is in no directory.
fn program() -> String {
    let line = std::fs::read("/proc/self/cmdline").unwrap_or_default();
    let first = line.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(first).rsplit('/').next().unwrap_or_default().to_owned()
}

fn wanted() -> Option<(Place, Fault)> {
    let text = std::env::var("KLEE_SIM_FAULT").ok()?;
    let mut parts = text.split(':');
    let (place, what) = (parts.next()?, parts.next()?);
    if parts.next().is_some_and(|name| name != program()) {
        return None;
    }
    let fault = match what {
        "kill" => Fault::Kill,
        "killed-after" => Fault::KillAfter,
        "stop" => Fault::Stop,
        "stopped-after" => Fault::StopAfter,
        name => Fault::Fail(by_name(name)?),
    };
    Some((place.parse().map_or_else(|_| Place::Name(place.to_owned()), Place::Number), fault))
}

/// To be called before each call; gives its number.
pub fn before(call: &str) -> Answer<u32> {
    let number = MADE.fetch_add(1, Ordering::Relaxed) + 1;
    if let Some(path) = std::env::var_os("KLEE_SIM_CALLS") {
        let _ = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path)
            .and_then(|mut file| writeln!(file, "{} {} {number} {call}", program(), std::process::id()));
    }
    match FAULT.get_or_init(wanted) {
        Some((at, Fault::Fail(errno))) if at.is(number, call) => Err(*errno),
        Some((at, Fault::Kill)) if at.is(number, call) => die(),
        Some((at, Fault::Stop)) if at.is(number, call) => {
            stand_still();
            Ok(number)
        }
        _ => Ok(number),
    }
}

/// To be called when the call has taken effect.
pub fn after(number: u32) {
    if let Some(Some((Place::Number(at), Fault::KillAfter))) = FAULT.get()
        && *at == number
    {
        die();
    }
}

/// To be called once others can call the kernel again.
pub fn left(number: u32, call: &str) {
    if let Some(Some((at, Fault::StopAfter))) = FAULT.get()
        && at.is(number, call)
    {
        stand_still();
    }
}

fn stand_still() {
    // SAFETY: no pointers.
    unsafe { libc::kill(libc::getpid(), libc::SIGSTOP) };
}

fn die() -> ! {
    // SAFETY: no pointers.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    loop {
        // SAFETY: no arguments; the signal ends it.
        unsafe { libc::pause() };
    }
}
