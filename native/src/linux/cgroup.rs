//! cgroups(7), version 2: whether anybody is in one. Shared by supervisor and addon.

use std::fs::File;
use std::io::{self, Error};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// The cgroup.events file of one cgroup. The kernel announces each change by POLLPRI.
pub struct Events(File);

impl Events {
    pub fn open(cgroup: &str) -> io::Result<Self> {
        File::open(format!("{cgroup}/cgroup.events")).map(Self)
    }

    /// Is there a process in the cgroup or below? Reading also acknowledges the announcement.
    pub fn populated(&self) -> io::Result<bool> {
        let mut buffer = [0; 256];
        match self.0.read_at(&mut buffer, 0) {
            Ok(length) => Ok(buffer[..length].split(|byte| *byte == b'\n').any(|line| line == b"populated 1")),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(false), // removed meanwhile
            Err(error) => Err(error),
        }
    }

    /// Waits until nobody is left; false at the deadline.
    pub fn wait_empty(&self, deadline: Instant) -> io::Result<bool> {
        loop {
            if !self.populated()? {
                return Ok(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLPRI, revents: 0 };
            // Rounded up: a rest below a millisecond must not become a busy loop.
            let timeout = left.min(Duration::from_secs(3600)).as_millis() as libc::c_int + 1;
            // SAFETY: one pollfd that outlives the call.
            if unsafe { libc::poll(&mut poll, 1, timeout) } == -1 {
                let error = Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
