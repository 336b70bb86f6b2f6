//! The klee at the other end of the socket.

use crate::failure::{At, Failure, Outcome};
use crate::spec::{Command, Event, Spec};
use crate::wire;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// How long a client has to take its container down, once it was told of the end. On a busy machine that takes a while.
const LEAVING: Duration = Duration::from_secs(5);

/// The klee that asked for this container or process. It may be gone at any time, which changes nothing for them.
pub struct Client {
    socket: Option<OwnedFd>,
    /// It said that it has taken the container down.
    pub took_down: bool,
    /// It said that it leaves, and the process is to go on.
    pub detached: bool,
}

impl Client {
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket: Some(socket), took_down: false, detached: false }
    }

    pub fn spec(&self) -> Outcome<Spec> {
        let gone = || Failure::refusal("spec", "", "the client is gone");
        let socket = self.socket.as_ref().ok_or_else(gone)?;
        let (json, _) = wire::receive(socket.as_fd()).at("recvmsg", "spec")?.ok_or_else(gone)?;
        serde_json::from_slice(&json).map_err(|error| Failure::refusal("spec", "", &error.to_string()))
    }

    pub fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    pub fn descriptor(&self) -> RawFd {
        self.socket.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    /// A client that cannot be told hears the end of the connection instead: it waits for the one or the other. What it
    /// said before is still to be heard.
    pub fn send(&self, event: &Event, attached: Option<BorrowedFd<'_>>) {
        let (Some(socket), Ok(json)) = (&self.socket, serde_json::to_vec(event)) else { return };
        if wire::send(socket.as_fd(), &json, attached).is_err() {
            // SAFETY: no pointers. It fails only when the connection has ended already.
            unsafe { libc::shutdown(socket.as_raw_fd(), libc::SHUT_WR) };
        }
    }

    /// Carries one command out, a signal to the process by `signal`, or notes the end of the client.
    pub fn serve(&mut self, signal: Option<&dyn Fn(i32)>) {
        let message = self.socket.as_ref().map(|socket| wire::receive(socket.as_fd()));
        let Some(Ok(Some((json, _)))) = message else {
            self.socket = None;
            return;
        };
        match (serde_json::from_slice(&json), signal) {
            (Ok(Command::Signal { number }), Some(signal)) => signal(number),
            (Ok(Command::TakenDown), _) => self.took_down = true,
            (Ok(Command::Detached), _) => self.detached = true,
            _ => {}
        }
    }

    /// Waits until it has left, but not for ever: one that is stopped, or hangs, keeps its container's addresses from
    /// nobody. Should it take the container down later, after all, it finds that done.
    pub fn wait_gone(&mut self) {
        let deadline = Instant::now() + LEAVING;
        while let Some(socket) = &self.socket {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut polled = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one pollfd, which outlives the call.
            match unsafe { libc::poll(&mut polled, 1, left.as_millis() as libc::c_int) } {
                0 => self.socket = None,
                // A signal came.
                -1 if Instant::now() < deadline => {}
                _ => self.serve(None),
            }
        }
    }
}
