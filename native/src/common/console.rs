//! The terminal of a process, or a pipe to its standard input, and whoever is attached to it. The supervisor alone reads
//! the terminal, so that a klee that goes, or dies, takes nothing from the process.

use super::log::{Log, Stream};
use super::sys::{check, duplicate_to, pipe};
use crate::failure::{At, Outcome};
use crate::spec::{Attachable, Spec};
use crate::wire;
use std::fs::{self, File};
use std::io::{self, Error, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// Who is that far behind keeps the other side waiting, as a terminal does.
const BEHIND: usize = 64 * 1024;
const CHUNK: usize = 4096;
/// How long one that is attached may take to see the rest: without seeing any more of it, and in all. One that is stopped
/// would keep the container from being taken down.
const STUCK: Duration = Duration::from_secs(5);
const SLOW: Duration = Duration::from_secs(30);
/// What a terminal can hold at the end of its process, several times over: one left behind may go on writing.
const LAST_READS: usize = 1024;
/// Of the socket: its owner's alone.
const PRIVATE_UMASK: libc::mode_t = 0o177;

pub struct Console {
    /// Master side of the terminal, or the pipe; None once nobody is at the other side.
    process: Option<File>,
    is_terminal: bool,
    listener: Option<(UnixListener, String)>,
    viewers: Vec<Viewer>,
    /// Typed, and not taken by the process yet.
    input: Vec<u8>,
    over: bool,
}

/// Somebody who is attached.
struct Viewer {
    stream: UnixStream,
    /// Not taken by it yet.
    pending: Vec<u8>,
    /// Is it the klee that started the process?
    is_starter: bool,
    gone: bool,
}

impl Console {
    /// For a process without a terminal that others can attach to: makes a pipe this process's standard input, and so the
    /// next child's, and returns its other end.
    pub fn open_input(spec: &Spec) -> Outcome<Option<OwnedFd>> {
        if spec.process.terminal.is_some() || attachable(spec).is_none() {
            return Ok(None);
        }
        let (reading, writing) = pipe().at("pipe2", "standard input")?;
        duplicate_to(reading.as_fd(), libc::STDIN_FILENO).at("dup2", "standard input")?;
        Ok(Some(writing))
    }

    /// Takes over the master of the process's terminal, or the pipe to it. Returns also the stream of the klee that starts
    /// the process, if that stays attached. None, none: the process has neither.
    pub fn open(
        spec: &Spec,
        master: Option<OwnedFd>,
        input: Option<OwnedFd>,
    ) -> Outcome<(Option<Self>, Option<UnixStream>)> {
        let is_terminal = master.is_some();
        let Some(process) = master.or(input) else { return Ok((None, None)) };
        set_nonblocking(&process).at("fcntl", "console")?;
        let mut console = Self {
            process: Some(File::from(process)),
            is_terminal,
            listener: None,
            viewers: Vec::new(),
            input: Vec::new(),
            over: false,
        };
        let attachable = attachable(spec);
        if let Some(Attachable { socket, .. }) = attachable {
            console.listener = Some((listen(socket).at("bind", socket)?, socket.clone()));
        }
        if attachable.is_some_and(|attachable| !attachable.starter) {
            return Ok((Some(console), None));
        }
        let (ours, theirs) = UnixStream::pair().at("socketpair", "console")?;
        console.join(ours, true).at("sendmsg", "console")?;
        Ok((Some(console), Some(theirs)))
    }

    /// What to wait for; poll(2) passes over a negative descriptor.
    pub fn polled(&self) -> Vec<libc::pollfd> {
        let slot = |fd: RawFd, events| libc::pollfd { fd: if events == 0 { -1 } else { fd }, events, revents: 0 };
        let when = |condition, event: libc::c_short| if condition { event } else { 0 };
        let reading = self.is_terminal && self.viewers.iter().all(|viewer| viewer.pending.len() < BEHIND);
        let process = when(reading, libc::POLLIN) | when(!self.input.is_empty(), libc::POLLOUT);
        let listener = self.listener.as_ref().map_or(-1, |(listener, _)| listener.as_raw_fd());
        let mut polled =
            vec![slot(self.process.as_ref().map_or(-1, AsRawFd::as_raw_fd), process), slot(listener, libc::POLLIN)];
        let typing = when(self.input.len() < BEHIND, libc::POLLIN);
        polled.extend(
            self.viewers.iter().map(|viewer| {
                slot(viewer.stream.as_raw_fd(), typing | when(!viewer.pending.is_empty(), libc::POLLOUT))
            }),
        );
        polled
    }

    /// To be called after each wait, with what `polled` gave. What the klee that started the process does not show is
    /// written to the log.
    pub fn serve(&mut self, polled: &[libc::pollfd], log: Option<&mut Log>) {
        let [process, listener, viewers @ ..] = polled else { return };
        for (viewer, poll) in self.viewers.iter_mut().zip(viewers) {
            if poll.revents & !libc::POLLOUT != 0 {
                viewer.read(&mut self.input);
            }
        }
        if process.revents & !libc::POLLOUT != 0 {
            if self.is_terminal {
                self.read_process(log);
            } else {
                self.hang_up();
            }
        }
        self.write_process();
        for viewer in &mut self.viewers {
            viewer.write();
        }
        if listener.revents != 0 {
            self.accept();
        }
        self.let_go();
    }

    /// The process has ended: what it wrote is taken in, and nobody attaches any more. One that it left behind may go on
    /// writing to the terminal.
    pub fn end(&mut self, mut log: Option<&mut Log>) {
        if let Some((_, path)) = self.listener.take() {
            let _ = fs::remove_file(path);
        }
        if self.is_terminal {
            let _ = (0..LAST_READS).try_for_each(|_| self.read_process(log.as_deref_mut()).then_some(()));
        } else {
            self.hang_up();
        }
        self.over = true;
        self.input.clear();
        for viewer in &mut self.viewers {
            viewer.write();
        }
        self.let_go();
    }

    /// Is it a terminal that nobody looks at, and nobody can attach to any more?
    pub fn is_deserted(&self) -> bool {
        self.is_terminal && self.process.is_some() && self.listener.is_none() && self.viewers.is_empty()
    }

    /// After `end`: waits until those attached have seen all, are gone, or have had time enough.
    pub fn flush(&mut self) {
        let end = Instant::now() + SLOW;
        let mut patience = Instant::now() + STUCK;
        while !self.viewers.is_empty() {
            let left = patience.min(end).saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.viewers.clear();
                return;
            }
            let pending = self.pending();
            let mut polled = self.polled();
            let timeout = left.as_millis() as libc::c_int + 1;
            // SAFETY: pointer and length are of one live array.
            unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, timeout) };
            // It was all taken in when it ended.
            self.serve(&polled, None);
            if self.pending() < pending {
                patience = Instant::now() + STUCK;
            }
        }
    }

    /// How much is still to be seen, by all that are attached.
    fn pending(&self) -> usize {
        self.viewers.iter().map(|viewer| viewer.pending.len()).sum()
    }

    /// Once it is over, those who have seen all hear the end.
    fn let_go(&mut self) {
        let over = self.over;
        self.viewers.retain(|viewer| !(viewer.gone || over && viewer.pending.is_empty()));
    }

    fn join(&mut self, stream: UnixStream, is_starter: bool) -> io::Result<()> {
        // With it the other side sets the terminal's size.
        let terminal = self.process.as_ref().filter(|_| self.is_terminal).map(AsFd::as_fd);
        wire::send(stream.as_fd(), b"{}", terminal)?;
        stream.set_nonblocking(true)?;
        self.viewers.push(Viewer { stream, pending: Vec::new(), is_starter, gone: false });
        Ok(())
    }

    fn accept(&mut self) {
        let Some((listener, _)) = &self.listener else { return };
        if let Ok((stream, _)) = listener.accept() {
            // One that is gone already was never attached.
            let _ = self.join(stream, false);
        }
    }

    /// False when there is nothing more for now.
    fn read_process(&mut self, log: Option<&mut Log>) -> bool {
        let Some(process) = &mut self.process else { return false };
        let mut chunk = [0; CHUNK];
        match process.read(&mut chunk) {
            Err(error) if passing(&error) => false,
            // EIO, or the end: nobody has the terminal open any more.
            Ok(0) | Err(_) => {
                self.hang_up();
                false
            }
            Ok(length) => {
                if !self.over {
                    for viewer in &mut self.viewers {
                        viewer.pending.extend_from_slice(&chunk[..length]);
                    }
                }
                let shown = self.viewers.iter().any(|viewer| viewer.is_starter && !viewer.gone);
                if let Some(log) = log.filter(|_| !shown) {
                    log.write(Stream::Output, &chunk[..length]);
                }
                true
            }
        }
    }

    fn write_process(&mut self) {
        let Some(process) = self.process.as_mut().filter(|_| !self.input.is_empty()) else { return };
        match process.write(&self.input) {
            Ok(length) => drop(self.input.drain(..length)),
            Err(error) if passing(&error) => {}
            Err(_) => self.input.clear(),
        }
    }

    /// Closes this side: of a terminal, the kernel tells its processes by SIGHUP.
    pub fn hang_up(&mut self) {
        self.process = None;
        self.input.clear();
        if self.is_terminal {
            self.over = true;
        }
    }
}

impl Viewer {
    fn read(&mut self, input: &mut Vec<u8>) {
        let mut chunk = [0; CHUNK];
        match self.stream.read(&mut chunk) {
            Err(error) if passing(&error) => {}
            Ok(0) | Err(_) => self.gone = true,
            Ok(length) => input.extend_from_slice(&chunk[..length]),
        }
    }

    fn write(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        match self.stream.write(&self.pending) {
            Ok(length) => drop(self.pending.drain(..length)),
            Err(error) if passing(&error) => {}
            Err(_) => self.gone = true,
        }
    }
}

fn attachable(spec: &Spec) -> Option<&Attachable> {
    spec.run.as_ref()?.console.as_ref()
}

/// A socket in place of whatever has the path. The directory is entered meanwhile: a socket's own path must be short.
fn listen(path: &str) -> io::Result<UnixListener> {
    let path = Path::new(path);
    let invalid = || Error::from_raw_os_error(libc::EINVAL);
    let (directory, name) = (path.parent().ok_or_else(invalid)?, path.file_name().ok_or_else(invalid)?);
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::env::set_current_dir(directory)?;
    // SAFETY: no pointers; this process has one thread.
    let umask = unsafe { libc::umask(PRIVATE_UMASK) };
    let bound = UnixListener::bind(name);
    // SAFETY: as above.
    unsafe { libc::umask(umask) };
    std::env::set_current_dir("/")?;
    let listener = bound?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn set_nonblocking(fd: &OwnedFd) -> io::Result<()> {
    // SAFETY: no pointers.
    let flags = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) }.into())? as libc::c_int;
    // SAFETY: no pointers. The open file is shared with nobody who reads or writes it.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) }.into()).map(drop)
}

/// Not a failure: it goes on with the next wait.
fn passing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock)
}
