//! Bytes both ways between the user's descriptors and the master of a container's terminal, on a thread of its own.

use super::terminal::{self, RawMode};
use napi::Result;
use napi::bindgen_prelude::Function;
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use std::io::{self, Error, ErrorKind};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::thread;

/// POLLOUT on a pipe promises this much room (PIPE_BUF); more could block the other direction.
const CHUNK: usize = 4096;

/// A relay under way.
#[napi]
pub struct Relay {
    stop: OwnedFd,
}

/// Copies between `master` and `stdin` (-1: none) and `stdout` until the other side of the terminal closes, then tells
/// `done(errno)`. Puts `stdin` in raw mode meanwhile if it is a terminal.
#[napi]
pub fn start_relay(master: i32, stdin: i32, stdout: i32, done: Function<i32, ()>) -> Result<Relay> {
    let done = done.build_threadsafe_function::<i32>().build_callback(|outcome| Ok(outcome.value))?;
    // SAFETY: no pointers; the descriptor that it returns is ours alone.
    let stop = unsafe { OwnedFd::from_raw_fd(check(libc::eventfd(0, libc::EFD_CLOEXEC) as isize)? as RawFd) };
    let stopped = stop.try_clone()?;
    // A copy of its own, which stays valid whatever becomes of the caller's.
    // SAFETY: no pointers; the descriptor that the call returns is ours alone.
    let master =
        unsafe { OwnedFd::from_raw_fd(check(libc::fcntl(master, libc::F_DUPFD_CLOEXEC, 3) as isize)? as RawFd) };
    // SAFETY: no pointers. The master's description is shared with nobody else.
    unsafe { check(libc::fcntl(master.as_raw_fd(), libc::F_SETFL, libc::O_RDWR | libc::O_NONBLOCK) as isize)? };
    let raw = RawMode::enter(stdin);
    thread::spawn(move || {
        let outcome =
            Copying { master, stdin, stdout, stopped, output: Vec::new(), input: Vec::new(), line: false }.run();
        drop(raw);
        let errno = outcome.err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO));
        done.call(errno, ThreadsafeFunctionCallMode::NonBlocking);
    });
    Ok(Relay { stop })
}

#[napi]
impl Relay {
    /// Nothing more is to come: what is there is copied, then the relay ends, even if a process left behind still has
    /// the terminal open.
    #[napi]
    pub fn finish(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: pointer and length are of one live array.
        unsafe { libc::write(self.stop.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }
}

/// Sets the size of a terminal. Returns errno, 0 when it is done.
#[napi]
pub fn set_window_size(fd: i32, rows: u16, columns: u16) -> i32 {
    terminal::set_window_size(fd, rows, columns).err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO))
}

struct Copying {
    master: OwnedFd,
    /// -1 once it has ended.
    stdin: RawFd,
    /// -1 once nobody reads it.
    stdout: RawFd,
    stopped: OwnedFd,
    /// Read from the master, not written yet.
    output: Vec<u8>,
    /// Read from stdin, not written yet.
    input: Vec<u8>,
    /// Is an input line begun?
    line: bool,
}

impl Copying {
    fn run(mut self) -> io::Result<()> {
        let mut finishing = false;
        loop {
            let [master, stdin, stdout, stopped] = self.poll(finishing)?;
            finishing |= stopped != 0;
            if stdout != 0 {
                self.write_output();
            }
            if stdin != 0 {
                self.read_input();
            }
            if master & libc::POLLOUT != 0 || (master != 0 && !self.input.is_empty()) {
                self.write_input();
            }
            if master & (libc::POLLIN | libc::POLLHUP | libc::POLLERR) != 0 && self.output.is_empty() {
                if !self.read_output()? {
                    return Ok(());
                }
            } else if finishing && master == 0 && stopped == 0 && self.output.is_empty() {
                return Ok(());
            }
        }
    }

    /// Waits for whatever can go on; one chunk at a time in each direction.
    fn poll(&self, finishing: bool) -> io::Result<[libc::c_short; 4]> {
        let slot = |fd, wanted: libc::c_short| libc::pollfd {
            fd: if wanted == 0 { -1 } else { fd },
            events: wanted,
            revents: 0,
        };
        let when = |condition, event| if condition { event } else { 0 };
        let (reading, writing) = (self.output.is_empty(), !self.input.is_empty());
        let mut polled = [
            slot(self.master.as_raw_fd(), when(reading, libc::POLLIN) | when(writing && !finishing, libc::POLLOUT)),
            slot(self.stdin, when(!writing && !finishing, libc::POLLIN)),
            slot(self.stdout, when(!reading, libc::POLLOUT)),
            slot(self.stopped.as_raw_fd(), when(!finishing, libc::POLLIN)),
        ];
        let timeout = if finishing && reading { 0 } else { -1 };
        loop {
            // SAFETY: pointer and length are of one live array.
            match check(unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, timeout) } as isize) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => return other.map(|_| polled.map(|poll| poll.revents)),
            }
        }
    }

    /// False at the end: EIO says that the last process has closed the terminal.
    fn read_output(&mut self) -> io::Result<bool> {
        match read(self.master.as_raw_fd(), &mut self.output) {
            Ok(0) => Ok(false),
            Err(error) if error.raw_os_error() == Some(libc::EIO) => Ok(false),
            Err(error) if !passing(&error) => Err(error),
            _ => {
                if self.stdout < 0 {
                    self.output.clear();
                }
                Ok(true)
            }
        }
    }

    fn write_output(&mut self) {
        match write(self.stdout, &mut self.output) {
            Err(error) if !passing(&error) => {
                // Nobody reads: the container's process goes on all the same, as on a terminal that was hung up.
                self.stdout = -1;
                self.output.clear();
            }
            _ => {}
        }
    }

    fn read_input(&mut self) {
        match read(self.stdin, &mut self.input) {
            Ok(0) => {
                self.stdin = -1;
                self.end_input();
            }
            Err(error) if !passing(&error) => self.stdin = -1,
            _ => {
                if let Some(last) = self.input.last() {
                    self.line = *last != b'\n';
                }
            }
        }
    }

    /// A terminal has no end but the character that means it; in a begun line the first one only completes the line.
    fn end_input(&mut self) {
        if let Ok(settings) = terminal::settings(self.master.as_raw_fd()) {
            let end = settings.c_cc[libc::VEOF];
            self.input.extend(std::iter::repeat_n(end, if self.line { 2 } else { 1 }));
        }
    }

    fn write_input(&mut self) {
        match write(self.master.as_raw_fd(), &mut self.input) {
            Err(error) if !passing(&error) => self.input.clear(),
            _ => {}
        }
    }
}

fn read(fd: RawFd, buffer: &mut Vec<u8>) -> io::Result<usize> {
    buffer.resize(CHUNK, 0);
    // SAFETY: pointer and length are of one live buffer.
    let result = check(unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) });
    buffer.truncate(*result.as_ref().unwrap_or(&0) as usize);
    result.map(|length| length as usize)
}

fn write(fd: RawFd, buffer: &mut Vec<u8>) -> io::Result<()> {
    // SAFETY: pointer and length are of one live buffer.
    let written = check(unsafe { libc::write(fd, buffer.as_ptr().cast(), buffer.len()) })?;
    buffer.drain(..written as usize);
    Ok(())
}

/// Not a failure: it goes on with the next poll.
fn passing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock)
}

fn check(result: isize) -> io::Result<isize> {
    if result == -1 { Err(Error::last_os_error()) } else { Ok(result) }
}
