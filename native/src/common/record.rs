//! What is kept of a container's run: a file with the pid of its first process, and a line more, its exit status, once that
//! has ended. It is locked for as long as the process runs, so whoever waits for the lock waits for the end.

use super::sys::{lock, owned, text};
use crate::failure::{At, Outcome};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

/// Exit status of a process that a signal ended, as sh(1) gives it: this plus the signal's number.
const SIGNALLED: i32 = 128;

/// Longer than any two numbers and their line ends.
const LENGTH: usize = 32;

/// The file has the same length at all times, with empty lines at its end, and is written over: to cut it short and give it
/// a block anew takes a file system 0.3 ms at each start.
pub struct Record {
    file: File,
    /// Where the next line goes.
    end: u64,
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
        file.write_all_at(&[b'\n'; LENGTH], 0).at("write", path)?;
        Ok(Self { file, end: 0 })
    }

    pub fn begin(&mut self, pid: i32) -> Outcome<()> {
        self.write(pid).at("write", "record")
    }

    /// Best effort: the container has ended whether this can be written or not.
    pub fn end(mut self, code: Option<i32>, signal: Option<i32>) {
        let _ = self.write(code.unwrap_or_else(|| SIGNALLED + signal.unwrap_or(0)));
    }

    fn write(&mut self, number: i32) -> io::Result<()> {
        let line = format!("{number}\n");
        self.file.write_all_at(line.as_bytes(), self.end)?;
        self.end += line.len() as u64;
        Ok(())
    }
}
