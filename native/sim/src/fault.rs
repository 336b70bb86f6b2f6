//! Faults for tests. `KLEE_SIM_FAULT=N:ENOMEM` fails the Nth call of a process, counted from 1, before it does anything;
//! `N:kill` kills the process there, `N:killed-after` right after the call took effect. With `:NAME` after it, only in
//! processes of the program NAME. `KLEE_SIM_CALLS` names a file that every call is appended to: the program's name, the
//! process, the call's number and name.

use crate::errno::{Answer, Errno, by_name};
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

enum Fault {
    Fail(Errno),
    Kill,
    KillAfter,
}

static MADE: AtomicU32 = AtomicU32::new(0);
static FAULT: OnceLock<Option<(u32, Fault)>> = OnceLock::new();

/// File name of this process's program.
fn program() -> String {
    let path = std::fs::read_link("/proc/self/exe").unwrap_or_default();
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn wanted() -> Option<(u32, Fault)> {
    let text = std::env::var("KLEE_SIM_FAULT").ok()?;
    let mut parts = text.split(':');
    let (number, what) = (parts.next()?, parts.next()?);
    if parts.next().is_some_and(|name| name != program()) {
        return None;
    }
    let fault = match what {
        "kill" => Fault::Kill,
        "killed-after" => Fault::KillAfter,
        name => Fault::Fail(by_name(name)?),
    };
    Some((number.parse().ok()?, fault))
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
        Some((at, Fault::Fail(errno))) if *at == number => Err(*errno),
        Some((at, Fault::Kill)) if *at == number => die(),
        _ => Ok(number),
    }
}

/// To be called when the call has taken effect.
pub fn after(number: u32) {
    if let Some(Some((at, Fault::KillAfter))) = FAULT.get()
        && *at == number
    {
        die();
    }
}

fn die() -> ! {
    // SAFETY: no pointers.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    loop {
        // SAFETY: no arguments; the signal ends it.
        unsafe { libc::pause() };
    }
}
