//! What a process without a terminal writes: the reading ends of two pipes, its standard output and error. Whoever started
//! it has them, too, and copies what comes; the supervisor reads once that klee is gone, or what it does not want to have.

use super::log::{LONGEST, Log, Stream};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};

const STREAMS: [Stream; 2] = [Stream::Output, Stream::Error];
/// More than a pipe can hold: one that is filled all the time keeps nobody for ever.
const LAST_READS: usize = 64;

pub struct Outputs {
    pipes: [Option<File>; 2],
    /// Which of them the client copies.
    shown: [bool; 2],
    chunk: Vec<u8>,
}

impl Outputs {
    /// Takes the descriptors over from whoever started this program.
    ///
    /// # Safety
    /// Nothing else in this process may own a descriptor of these numbers.
    pub unsafe fn take(numbers: Option<[RawFd; 2]>, shown: [bool; 2]) -> Self {
        // SAFETY: as promised; they do not block, which the addon has seen to.
        let pipes = numbers.map_or([None, None], |numbers| numbers.map(|fd| Some(unsafe { File::from_raw_fd(fd) })));
        Self { pipes, shown, chunk: Vec::new() }
    }

    /// What to wait for; poll(2) passes over a negative descriptor.
    pub fn polled(&self, client_is_there: bool) -> [libc::pollfd; 2] {
        [0, 1].map(|index| {
            let ours = !(self.shown[index] && client_is_there);
            let fd = self.pipes[index].as_ref().filter(|_| ours).map_or(-1, AsRawFd::as_raw_fd);
            libc::pollfd { fd, events: libc::POLLIN, revents: 0 }
        })
    }

    /// To be called after each wait, with what `polled` gave. Without a log nobody wants to know.
    pub fn serve(&mut self, polled: &[libc::pollfd], mut log: Option<&mut Log>) {
        for (index, poll) in polled.iter().enumerate() {
            if poll.revents != 0 {
                self.read(index, log.as_deref_mut());
            }
        }
    }

    /// Nobody reads these any more: who writes on gets SIGPIPE, as in a pipeline.
    pub fn close(&mut self, unread: [bool; 2]) {
        for (pipe, unread) in self.pipes.iter_mut().zip(unread) {
            if unread {
                *pipe = None;
            }
        }
    }

    /// Takes what is there now: it must be in the log before anybody hears of the end.
    pub fn drain(&mut self, client_is_there: bool, mut log: Option<&mut Log>) {
        for index in 0..self.pipes.len() {
            if self.shown[index] && client_is_there {
                continue;
            }
            let _ = (0..LAST_READS).try_for_each(|_| self.read(index, log.as_deref_mut()).then_some(()));
        }
    }

    /// Can anybody still write?
    pub fn are_open(&self) -> bool {
        self.pipes.iter().any(Option::is_some)
    }

    /// False when there is nothing more for now.
    fn read(&mut self, index: usize, log: Option<&mut Log>) -> bool {
        let Some(pipe) = &mut self.pipes[index] else { return false };
        self.chunk.resize(LONGEST, 0);
        match pipe.read(&mut self.chunk) {
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => false,
            Ok(0) | Err(_) => {
                self.pipes[index] = None;
                false
            }
            Ok(length) => {
                if let Some(log) = log {
                    log.write(STREAMS[index], &self.chunk[..length]);
                }
                true
            }
        }
    }
}
