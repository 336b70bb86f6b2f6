//! What is kept of a container's run: a file with the pid of its first process, and a line more, its exit status, once that
//! has ended. It is locked for as long as the process runs, so whoever waits for the lock waits for the end.

use super::sys::{lock, owned, text};
use crate::failure::{At, Outcome};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

/// Exit status of a process that a signal ended, as sh(1) gives it: this plus the signal's number.
const SIGNALLED: i32 = 128;

pub struct Record {
    file: File,
}

impl Record {
    /// Takes the file over from an earlier run.
    pub fn open(path: &str) -> Outcome<Self> {
        let open = || -> io::Result<File> {
            let path = text(path)?;
            let flags = libc::O_RDWR | libc::O_CREAT | libc::O_NOFOLLOW | libc::O_CLOEXEC;
            // SAFETY: a C string that outlives the call; the descriptor is new.
            owned(unsafe { libc::open(path.as_ptr(), flags, 0o600 as libc::c_uint) }.into()).map(File::from)
        };
        let file = open().at("open", path)?;
        // Held elsewhere for a moment only, by those who have just read how the run before ended.
        lock(file.as_fd()).at("flock", path)?;
        file.set_len(0).at("ftruncate", path)?;
        Ok(Self { file })
    }

    pub fn begin(&mut self, pid: i32) -> Outcome<()> {
        self.file.write_all(format!("{pid}\n").as_bytes()).at("write", "record")
    }

    /// Best effort: the container has ended whether this can be written or not.
    pub fn end(mut self, code: Option<i32>, signal: Option<i32>) {
        let status = code.unwrap_or_else(|| SIGNALLED + signal.unwrap_or(0));
        let _ = self.file.write_all(format!("{status}\n").as_bytes());
    }
}
