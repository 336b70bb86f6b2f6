//! The standard streams of a process in a container, which are pipes of its own: what it writes is copied to descriptors of
//! this process, and what is to be read is copied to it, each on a thread that ends with its pipe, or when it is told to.

use super::sys::{check, duplicate};
use crate::wire;
use std::io::{self, Error, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};

/// One read, where bytes have to pass through this process.
const CHUNK: usize = 128 * 1024;
/// Of a pipe, in bytes, so that reader and writer need not take turns so often: as much as any user may have, by
/// pipe-max-size of pipe(7). Linux alone lets it be set.
#[cfg(target_os = "linux")]
const ROOM: libc::c_int = 1024 * 1024;

/// Both ends of what a process is to have, before it is there.
pub struct Pipes {
    /// Its standard input, output and error.
    pub process: [Option<OwnedFd>; 3],
    /// The reading ends of output and error, for the supervisor too.
    pub outputs: Vec<OwnedFd>,
    input: Option<OwnedFd>,
    /// What they are copied from and to.
    ours: [Option<RawFd>; 3],
}

impl Pipes {
    /// `ours` are the descriptors of this process to copy from and to; without input the process has none. Of outputs that
    /// are `dropped` nothing is copied: the process has a null device.
    pub fn open(ours: [Option<RawFd>; 3], dropped: [bool; 3]) -> io::Result<Self> {
        let (mut process, mut outputs, mut input) = ([None, None, None], Vec::new(), None);
        if ours[0].is_some() {
            let (reading, writing) = pipe()?;
            set_nonblocking(&writing)?;
            process[0] = Some(reading);
            input = Some(writing);
        }
        for (place, dropped) in process[1..].iter_mut().zip(&dropped[1..]) {
            let (reading, writing) = pipe()?;
            // Of this open file alone: the process's own end blocks, as programs expect.
            set_nonblocking(&reading)?;
            enlarge(&reading);
            outputs.push(reading);
            if !dropped {
                *place = Some(writing);
            }
        }
        Ok(Self { process, outputs, input, ours })
    }

    /// The process has its ends: begins to copy. `supervisor` is told of a stream that nobody reads any more.
    pub fn copy(self, supervisor: &UnixStream) -> io::Result<Copies> {
        let Self { outputs, input, ours, process } = self;
        drop(process);
        let (waiting, wake) = pipe()?;
        let mut threads = Vec::new();
        for (index, (from, to)) in outputs.into_iter().zip(&ours[1..]).enumerate() {
            let Some(to) = to.map(duplicate).transpose()? else { continue };
            let (stop, supervisor) = (duplicate(waiting.as_raw_fd())?, supervisor.try_clone()?);
            threads.push(thread::Builder::new().spawn(move || {
                let failed = Copy { from: &from, to: &to, stop: &stop, keeps_on: true }.run().err()?;
                // Whoever writes to it hears of that, as in a pipeline.
                let command = format!(r#"{{"command":"close-output","stream":{}}}"#, index + 1);
                let _ = wire::send(supervisor.as_fd(), command.as_bytes(), None);
                let errno = failed.raw_os_error().unwrap_or(libc::EIO);
                // Who closes a pipe wants no more; a terminal that has hung up is gone.
                (errno != libc::EPIPE && errno != libc::EIO).then_some((index + 1, errno))
            })?);
        }
        if let (Some(to), Some(from)) = (input, ours[0]) {
            let (from, stop) = (duplicate(from)?, duplicate(waiting.as_raw_fd())?);
            threads.push(thread::Builder::new().spawn(move || {
                let _ = Copy { from: &from, to: &to, stop: &stop, keeps_on: false }.run();
                None
            })?);
        }
        Ok(Copies { _wake: wake, threads })
    }
}

/// Threads that copy.
pub struct Copies {
    /// Its end wakes them.
    _wake: OwnedFd,
    threads: Vec<JoinHandle<Option<(usize, i32)>>>,
}

impl Copies {
    /// The process has ended: waits until all that it wrote is copied. Returns the streams whose copying failed, and the
    /// errno of each.
    pub fn finish(self) -> Vec<(usize, i32)> {
        let Self { _wake: wake, threads } = self;
        drop(wake);
        threads.into_iter().filter_map(|thread| thread.join().ok().flatten()).collect()
    }
}

struct Copy<'a> {
    from: &'a OwnedFd,
    to: &'a OwnedFd,
    /// Hangs up when the process has ended.
    stop: &'a OwnedFd,
    /// Is what is there then still copied?
    keeps_on: bool,
}

impl Copy<'_> {
    /// Until the end of `from`, or of the process. An error is one of `to`.
    fn run(self) -> io::Result<()> {
        let (from, to) = (self.from.as_raw_fd(), self.to.as_raw_fd());
        let mut splices = can_splice(from, to);
        if splices {
            // Whoever reads it takes more at once.
            enlarge(self.to);
        }
        let mut buffer = Vec::new();
        // What is left to copy once the process has ended: whoever it leaves behind may write for ever.
        let mut left = None;
        while left != Some(0) {
            if left.is_none() {
                let [_, stopped] = wait([(from, libc::POLLIN), (self.stop.as_raw_fd(), libc::POLLIN)], -1)?;
                if stopped {
                    left = Some(if self.keeps_on { held(from) } else { 0 });
                    continue;
                }
            }
            let most = left.unwrap_or(usize::MAX);
            let copied = if splices { splice(from, to, most) } else { self.pass(&mut buffer, most) };
            match copied {
                Ok(0) => return Ok(()),
                Ok(count) => left = left.map(|left| left - count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if splices && error.raw_os_error() == Some(libc::EINVAL) => splices = false,
                // Nothing is there, or `to` has no room.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let [readable] = wait([(from, libc::POLLIN)], 0)?;
                    if readable {
                        self.await_room()?;
                    } else if left.is_some() {
                        // One that was left behind has taken the rest: it can open its own pipe for reading.
                        return Ok(());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Through this process. 0: `from` has ended.
    fn pass(&self, buffer: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        buffer.resize(CHUNK.min(most), 0);
        // SAFETY: pointer and length are of one live buffer.
        let length = match check(unsafe {
            libc::read(self.from.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) as libc::c_long
        }) {
            Ok(length) => length as usize,
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => return Err(error),
            // What cannot be read has ended.
            Err(_) => return Ok(0),
        };
        let mut written = 0;
        while written < length {
            // SAFETY: pointer and length are of one live part of the buffer.
            let result = check(unsafe {
                libc::write(self.to.as_raw_fd(), buffer[written..].as_ptr().cast(), length - written) as libc::c_long
            });
            match result {
                Ok(more) => written += more as usize,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Node, or whoever shares the open file, made it non-blocking.
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.await_room()?,
                Err(error) => return Err(error),
            }
        }
        Ok(length)
    }

    /// For input the end of the process counts: it may never make room.
    fn await_room(&self) -> io::Result<()> {
        let stop = if self.keeps_on { -1 } else { self.stop.as_raw_fd() };
        let [_, stopped] = wait([(self.to.as_raw_fd(), libc::POLLOUT), (stop, libc::POLLIN)], -1)?;
        if stopped { Err(Error::from_raw_os_error(libc::EPIPE)) } else { Ok(()) }
    }
}

/// Which of the descriptors something has happened at; -1 is none.
fn wait<const N: usize>(wanted: [(RawFd, libc::c_short); N], timeout: libc::c_int) -> io::Result<[bool; N]> {
    let mut polled = wanted.map(|(fd, events)| libc::pollfd { fd, events, revents: 0 });
    loop {
        // SAFETY: pointer and length are of one live array.
        match check(unsafe { libc::poll(polled.as_mut_ptr(), N as libc::nfds_t, timeout) }.into()) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other.map(|_| polled.map(|poll| poll.revents != 0)),
        }
    }
}

/// How many bytes are in a pipe, FIONREAD.
fn held(pipe: RawFd) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: count outlives the call.
    let result = unsafe { libc::ioctl(pipe, libc::FIONREAD, &mut count) };
    if result == -1 { 0 } else { count as usize }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    // SAFETY: ends has room for the two descriptors, which are ours alone.
    unsafe {
        check(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC).into())?;
        Ok((OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])))
    }
}

fn set_nonblocking(fd: &OwnedFd) -> io::Result<()> {
    // SAFETY: no pointers. An end of a pipe has no other flags.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) }.into()).map(drop)
}

/// Best effort: it is slower without.
#[cfg(target_os = "linux")]
fn enlarge(fd: &OwnedFd) {
    // SAFETY: no pointers.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETPIPE_SZ, ROOM) };
}

#[cfg(not(target_os = "linux"))]
fn enlarge(_fd: &OwnedFd) {}

/// From pipe to pipe pages can move as they are. Not to a file, whose position two streams would not share then; and not
/// from one, since its own pages would come into the container.
#[cfg(target_os = "linux")]
fn can_splice(from: RawFd, to: RawFd) -> bool {
    [from, to].iter().all(|fd| matches!(kind_of(*fd), Ok(libc::S_IFIFO)))
}

#[cfg(not(target_os = "linux"))]
fn can_splice(_from: RawFd, _to: RawFd) -> bool {
    false
}

/// Type of a file.
#[cfg(target_os = "linux")]
fn kind_of(fd: RawFd) -> io::Result<libc::mode_t> {
    // SAFETY: stat is plain data, zero is a valid value for each field, and it outlives the call.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        check(libc::fstat(fd, &mut stat).into()).map(|_| stat.st_mode & libc::S_IFMT)
    }
}

/// 0: `from` has ended.
#[cfg(target_os = "linux")]
fn splice(from: RawFd, to: RawFd, most: usize) -> io::Result<usize> {
    let most = most.min(1 << 20);
    // SAFETY: no offsets, so no pointers.
    check(unsafe {
        libc::splice(from, std::ptr::null_mut(), to, std::ptr::null_mut(), most, libc::SPLICE_F_MOVE) as libc::c_long
    })
    .map(|count| count as usize)
}

#[cfg(not(target_os = "linux"))]
fn splice(_from: RawFd, _to: RawFd, _most: usize) -> io::Result<usize> {
    Err(Error::from_raw_os_error(libc::EINVAL))
}
