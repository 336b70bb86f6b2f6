//! klee-supervisor: one per running container, and one per `exec`, see `host::supervisor`; and one for each container that
//! is to start again later, see `common::later`. Started by the addon only.

mod common;
mod failure;
#[cfg(any(target_os = "freebsd", feature = "sim"))]
#[path = "freebsd/mod.rs"]
mod host;
#[cfg(not(any(target_os = "freebsd", feature = "sim")))]
#[path = "linux/mod.rs"]
mod host;
mod spec;
mod wire;

use common::later::execute_later;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::process::ExitCode;
use std::time::Duration;

/// The client's socket.
const SOCKET: RawFd = 3;

const USAGE: &str = "usage: klee-supervisor CONTAINER OUTPUTS HELD, with a socket as descriptor 3
       klee-supervisor CONTAINER later MILLISECONDS CGROUP-PROCS|- PROGRAM [ARGUMENT]...
klee starts it.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match &arguments[..] {
        [_, word, delay, cgroup_procs, program, rest @ ..] if word == "later" => delay.parse().ok().map(|delay| {
            let cgroup_procs = Some(cgroup_procs.as_str()).filter(|path| *path != "-");
            execute_later(Duration::from_millis(delay), cgroup_procs, program, rest).map(|never| match never {})
        }),
        [_, outputs, held] => start(outputs, held),
        _ => None,
    };
    match outcome {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(_)) => ExitCode::FAILURE,
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// None: not with these arguments, or not by klee.
fn start(outputs: &str, held: &str) -> Option<failure::Outcome<()>> {
    let outputs = match outputs {
        "0" => None,
        "2" => Some([SOCKET + 1, SOCKET + 2]),
        _ => return None,
    };
    let held: RawFd = held.parse().ok()?;
    let end = SOCKET + 1 + outputs.map_or(0, |_| 2) + held;
    Some(host::supervisor::supervise(client()?, outputs, end))
}

/// The socket that klee opened for this program; None when somebody else started it.
fn client() -> Option<OwnedFd> {
    // SAFETY: fcntl only asks whether the descriptor is open.
    let connected = unsafe { libc::fcntl(SOCKET, libc::F_GETFD) } != -1;
    // SAFETY: whoever started us opened it for us, and nothing else here knows of it.
    connected.then(|| unsafe { OwnedFd::from_raw_fd(SOCKET) })
}
