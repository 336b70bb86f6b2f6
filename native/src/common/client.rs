//! The klee at the other end of the socket.

use crate::failure::{At, Failure, Outcome};
use crate::spec::{Command, Event, Spec};
use crate::wire;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// How long a client has to say what it wants. One that is stopped before it has finds later that nothing was started.
const SPEAKING: Duration = Duration::from_secs(30);

/// How long a client has to take its container down, once it was told of the end. On a busy machine that takes a while.
const LEAVING: Duration = Duration::from_secs(5);

/// The klee that asked for this container or process. It may be gone at any time, which changes nothing for them once they
/// have started; and it may stand still at any time, even within a message: nobody waits for it without an end.
pub struct Client {
    socket: Option<OwnedFd>,
    /// What has come of messages, and was not taken in yet.
    received: Vec<u8>,
    /// It said that it has taken the container down.
    pub took_down: bool,
    /// It said that it leaves, and the process is to go on.
    pub detached: bool,
    /// It said that it reads these streams, output and error, no more.
    pub unread: [bool; 2],
}

impl Client {
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket: Some(socket), received: Vec::new(), took_down: false, detached: false, unread: [false; 2] }
    }

    pub fn spec(&mut self) -> Outcome<Spec> {
        let deadline = Instant::now() + SPEAKING;
        loop {
            if let Some(json) = wire::take_frame(&mut self.received).at("recvmsg", "spec")? {
                return serde_json::from_slice(&json).map_err(|error| Failure::refusal("spec", "", &error.to_string()));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Failure::refusal("spec", "", "the client does not say what it wants"));
            }
            if self.wait(None, Some(left)).at("poll", "spec")? {
                self.hear();
            }
            if self.socket.is_none() {
                return Err(gone("spec"));
            }
        }
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

    /// Waits until another descriptor can be read; or until the client is gone, which is a failure then.
    pub fn wait_with(&mut self, other: BorrowedFd<'_>) -> Outcome<()> {
        while self.wait(Some(other), None).at("poll", "child")? {
            self.hear();
            if self.socket.is_none() {
                return Err(gone("start"));
            }
        }
        Ok(())
    }

    /// Carries out what was said, a signal to the process by `signal`, or notes the end of the client.
    pub fn serve(&mut self, signal: Option<&dyn Fn(i32)>) {
        self.hear();
        while let Ok(Some(json)) = wire::take_frame(&mut self.received) {
            match (serde_json::from_slice(&json), signal) {
                (Ok(Command::Signal { number }), Some(signal)) => signal(number),
                (Ok(Command::TakenDown), _) => self.took_down = true,
                (Ok(Command::Detached), _) => self.detached = true,
                (Ok(Command::CloseOutput { stream: stream @ 1..=2 }), _) => self.unread[stream - 1] = true,
                _ => {}
            }
        }
    }

    /// Waits until it has left, but not for ever: one that is stopped, or hangs, keeps its container's addresses from
    /// nobody. Should it take the container down later, after all, it finds that done. False: it is still there.
    pub fn wait_gone(&mut self) -> bool {
        let deadline = Instant::now() + LEAVING;
        while self.socket.is_some() {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.wait(None, Some(left)) {
                Ok(true) => self.serve(None),
                Ok(false) if Instant::now() < deadline => {}
                _ => {
                    self.socket = None;
                    return false;
                }
            }
        }
        true
    }

    /// Waits until the client can be heard, true; or until the other descriptor can be read, a signal came or the time is
    /// over, false.
    fn wait(&self, other: Option<BorrowedFd<'_>>, time: Option<Duration>) -> io::Result<bool> {
        let slot = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut polled = [slot(other.map_or(-1, |other| other.as_raw_fd())), slot(self.descriptor())];
        loop {
            // Rounded up: a rest below a millisecond must not become a busy loop.
            let timeout = time.map_or(-1, |time| time.as_millis() as libc::c_int + 1);
            // SAFETY: pointer and length are of one live array.
            match unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, timeout) } {
                -1 if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted => {
                    return Err(io::Error::last_os_error());
                }
                -1 if time.is_none() => {}
                -1 => return Ok(false),
                _ => return Ok(polled[0].revents == 0 && polled[1].revents != 0),
            }
        }
    }

    /// Takes in what has come, however little of a message that is.
    fn hear(&mut self) {
        let Some(socket) = &self.socket else { return };
        if !matches!(wire::receive_available(socket.as_fd(), &mut self.received), Ok(true)) {
            self.socket = None;
        }
    }
}

fn gone(step: &str) -> Failure {
    Failure::refusal(step, "", "the client is gone")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    fn pair() -> (UnixStream, Client) {
        let (theirs, ours) = UnixStream::pair().unwrap();
        (theirs, Client::new(ours.into()))
    }

    #[test]
    fn half_a_message_keeps_nobody_waiting() {
        let (mut theirs, mut client) = pair();
        theirs.write_all(b"\x18\0\0\0{\"command\":").unwrap();
        client.serve(None);
        assert!(client.is_there() && !client.took_down);
        theirs.write_all(b"\"taken-down\"").unwrap();
        client.serve(None);
        assert!(!client.took_down);
        theirs.write_all(b"}").unwrap();
        client.serve(None);
        assert!(client.took_down);
    }

    #[test]
    fn one_that_stands_still_within_a_message_is_waited_for_in_vain_and_not_for_ever() {
        let (mut theirs, mut client) = pair();
        theirs.write_all(b"\x18\0\0\0{").unwrap();
        let begun = Instant::now();
        client.wait_gone();
        assert!(!client.is_there());
        assert!(begun.elapsed() >= LEAVING && begun.elapsed() < LEAVING * 2);
    }

    #[test]
    fn what_was_said_before_the_end_is_heard() {
        let (mut theirs, mut client) = pair();
        theirs.write_all(b"\x18\0\0\0{\"command\":\"taken-down\"}").unwrap();
        drop(theirs);
        client.wait_gone();
        assert!(client.took_down);
    }

    #[test]
    fn a_start_is_not_waited_for_once_the_client_has_gone() {
        let (theirs, mut client) = pair();
        let (mut child, channel) = UnixStream::pair().unwrap();
        child.write_all(b"x").unwrap();
        client.wait_with(channel.as_fd()).unwrap();
        let (_child, channel) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(client.wait_with(channel.as_fd()).is_err());
        assert!(!client.is_there());
    }
}
