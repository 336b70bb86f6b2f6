//! Bytes both ways between the user's descriptors and the stream of a console, on a thread of its own.

use super::keys::Keys;
use super::sys::no_thread;
use super::terminal::{self, RawMode};
use napi::Result;
use napi::bindgen_prelude::{Buffer, FnArgs, Function};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use std::io::{self, Error, ErrorKind};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::thread;

/// POLLOUT on a pipe promises this much room (PIPE_BUF); more could block the other direction.
const CHUNK: usize = 4096;

/// Copies between `stream` and `stdin` (-1: none) and `stdout` (-1: none) until the stream ends or `detach_keys` are typed,
/// then tells `done(errno, detached)`. With a terminal's `master` (-1: none) `stdin` is in raw mode meanwhile, if it is a
/// terminal; the end of anything else is typed as that terminal's end of file.
#[napi]
pub fn start_relay(
    stream: i32,
    master: i32,
    stdin: i32,
    stdout: i32,
    detach_keys: Buffer,
    done: Function<FnArgs<(i32, bool)>, ()>,
) -> Result<()> {
    let done =
        done.build_threadsafe_function::<(i32, bool)>().build_callback(|outcome| Ok(FnArgs::from(outcome.value)))?;
    // Copies of its own, which stay valid whatever becomes of the caller's.
    let stream = copy_of(stream)?;
    let master = if master < 0 { None } else { Some(copy_of(master)?) };
    set_nonblocking(&stream)?;
    let raw = master.is_some().then(|| RawMode::enter(stdin));
    // A terminal in raw mode ends only when it is hung up, and that is not for the process on the other one.
    let master = master.filter(|_| !terminal::is_terminal(stdin));
    let keys = Keys::new(detach_keys.to_vec());
    let copying = thread::Builder::new().spawn(move || {
        let (output, input) = (Vec::new(), Vec::new());
        let outcome = Copying { stream, master, stdin, stdout, output, input, keys, line: false }.run();
        drop(raw);
        let (errno, detached) = match outcome {
            Ok(detached) => (0, detached),
            Err(error) => (error.raw_os_error().unwrap_or(libc::EIO), false),
        };
        done.call((errno, detached), ThreadsafeFunctionCallMode::NonBlocking);
    });
    copying.map(drop).map_err(no_thread)
}

/// Sets the size of a terminal. Returns errno, 0 when it is done.
#[napi]
pub fn set_window_size(fd: i32, rows: u16, columns: u16) -> i32 {
    terminal::set_window_size(fd, rows, columns).err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO))
}

fn copy_of(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: no pointers; the descriptor that the call returns is ours alone.
    Ok(unsafe { OwnedFd::from_raw_fd(check(libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) as isize)? as RawFd) })
}

fn set_nonblocking(fd: &OwnedFd) -> io::Result<()> {
    // SAFETY: no pointers. The stream's description is shared with nobody else.
    unsafe { check(libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_RDWR | libc::O_NONBLOCK) as isize)? };
    Ok(())
}

struct Copying {
    stream: OwnedFd,
    /// Of the terminal on which the end of stdin is typed.
    master: Option<OwnedFd>,
    /// -1 once it has ended.
    stdin: RawFd,
    /// -1 once nobody reads it.
    stdout: RawFd,
    /// Read from the stream, not written yet.
    output: Vec<u8>,
    /// Read from stdin, not written yet.
    input: Vec<u8>,
    keys: Keys,
    /// Is an input line begun?
    line: bool,
}

impl Copying {
    /// True: the keys were typed.
    fn run(mut self) -> io::Result<bool> {
        loop {
            let [stream, stdin, stdout] = self.poll()?;
            if stdout != 0 {
                self.write_output();
            }
            if stdin != 0 && self.read_input() {
                return Ok(true);
            }
            if stream & libc::POLLOUT != 0 || (stream != 0 && !self.input.is_empty()) {
                self.write_input();
            }
            if stream & !libc::POLLOUT != 0 && self.output.is_empty() && !self.read_output()? {
                return Ok(false);
            }
        }
    }

    /// Waits for whatever can go on; one chunk at a time in each direction.
    fn poll(&self) -> io::Result<[libc::c_short; 3]> {
        let slot = |fd, wanted: libc::c_short| libc::pollfd {
            fd: if wanted == 0 { -1 } else { fd },
            events: wanted,
            revents: 0,
        };
        let when = |condition, event| if condition { event } else { 0 };
        let (reading, writing) = (self.output.is_empty(), !self.input.is_empty());
        let mut polled = [
            slot(self.stream.as_raw_fd(), when(reading, libc::POLLIN) | when(writing, libc::POLLOUT)),
            slot(self.stdin, when(!writing, libc::POLLIN)),
            slot(self.stdout, when(!reading, libc::POLLOUT)),
        ];
        loop {
            // SAFETY: pointer and length are of one live array.
            match check(unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, -1) } as isize) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => return other.map(|_| polled.map(|poll| poll.revents)),
            }
        }
    }

    /// False at the end.
    fn read_output(&mut self) -> io::Result<bool> {
        match read(self.stream.as_raw_fd(), &mut self.output) {
            Ok(0) => Ok(false),
            // The other side went without taking what was typed last.
            Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => Ok(false),
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

    /// True when the keys that detach were typed.
    fn read_input(&mut self) -> bool {
        let mut typed = Vec::new();
        match read(self.stdin, &mut typed) {
            Ok(0) => {
                self.stdin = -1;
                self.end_input();
            }
            Err(error) if !passing(&error) => self.stdin = -1,
            _ => {
                if self.keys.pass(&typed, &mut self.input) {
                    return true;
                }
                if let Some(last) = typed.last() {
                    self.line = *last != b'\n';
                }
            }
        }
        false
    }

    /// A terminal has no end but the character that means it; in a begun line the first one only completes the line.
    fn end_input(&mut self) {
        let Some(master) = &self.master else { return };
        if let Ok(settings) = terminal::settings(master.as_raw_fd()) {
            let end = settings.c_cc[libc::VEOF];
            self.input.extend(std::iter::repeat_n(end, if self.line { 2 } else { 1 }));
        }
    }

    fn write_input(&mut self) {
        match write(self.stream.as_raw_fd(), &mut self.input) {
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
