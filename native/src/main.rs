//! klee-supervisor: one per running container, and one per `exec`. Started by the addon only, see `host::supervisor`.

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

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::process::ExitCode;

/// The client's socket.
const SOCKET: RawFd = 3;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(2);
    // SAFETY: fcntl only asks whether the descriptor is open.
    let connected = unsafe { libc::fcntl(SOCKET, libc::F_GETFD) } != -1;
    let Some(held) = arguments.next().and_then(|held| held.parse().ok()).filter(|_| connected) else {
        eprintln!("usage: klee-supervisor CONTAINER HELD; klee starts it, with a socket as descriptor 3");
        return ExitCode::from(2);
    };
    // SAFETY: whoever started us opened it for us, and nothing else here knows of it.
    let client = unsafe { OwnedFd::from_raw_fd(SOCKET) };
    match host::supervisor::supervise(client, held) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
