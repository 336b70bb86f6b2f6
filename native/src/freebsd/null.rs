//! The null device as standard input: of the jail's /dev, since root in the jail can change the mode and owner of what it has
//! open, and the host's is everybody's.

use crate::common::sys::{check, duplicate_to, open, pipe};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

/// A character device's number; None for anything else.
fn device(fd: RawFd) -> io::Result<Option<libc::dev_t>> {
    // SAFETY: stat is plain data; zero is a valid value for each field.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: stat outlives the call.
    check(unsafe { libc::fstat(fd, &mut stat) }.into())?;
    Ok((stat.st_mode & libc::S_IFMT == libc::S_IFCHR).then_some(stat.st_rdev))
}

/// The host's null device, if that is the standard input. To be asked on the host.
pub fn null_input() -> io::Result<Option<OwnedFd>> {
    let null = open("/dev/null", libc::O_RDWR)?;
    Ok((device(libc::STDIN_FILENO)? == device(null.as_raw_fd())?).then_some(null))
}

/// Puts the jail's in its place. To be called in the jail, where a file of another kind may have its name, or where there
/// is none when no devfs is mounted: then it is a pipe in which nothing comes.
pub fn replace_null_input(host: &OwnedFd) -> io::Result<()> {
    let number = device(host.as_raw_fd())?;
    match open("/dev/null", libc::O_RDWR | libc::O_NONBLOCK) {
        Ok(null) if device(null.as_raw_fd())? == number => {
            // SAFETY: no pointers. It was there only so that a FIFO was not waited for.
            check(unsafe { libc::fcntl(null.as_raw_fd(), libc::F_SETFL, 0) }.into())?;
            duplicate_to(null.as_fd(), libc::STDIN_FILENO)
        }
        _ => duplicate_to(pipe()?.0.as_fd(), libc::STDIN_FILENO),
    }
}
