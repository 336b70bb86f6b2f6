//! The null device as a standard descriptor: of the jail's /dev, since root in the jail can change the mode and owner of
//! what it has open, and the host's is everybody's.

use crate::common::sys::{check, duplicate_to, open};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

/// A character device's number; None for anything else.
fn device(fd: RawFd) -> io::Result<Option<libc::dev_t>> {
    // SAFETY: stat is plain data; zero is a valid value for each field.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: stat outlives the call.
    check(unsafe { libc::fstat(fd, &mut stat) }.into())?;
    Ok((stat.st_mode & libc::S_IFMT == libc::S_IFCHR).then_some(stat.st_rdev))
}

/// Those of the standard descriptors that are the null device. To be asked on the host.
pub fn null_descriptors() -> io::Result<Vec<RawFd>> {
    let null = open("/dev/null", libc::O_RDWR)?;
    let number = device(null.as_raw_fd())?;
    (0..=2).filter_map(|fd| device(fd).map(|own| (own == number).then_some(fd)).transpose()).collect()
}

/// Puts the jail's null device in their place. To be called in the jail, where a file of another kind may have its name, or
/// where there is none when no devfs is mounted: then they stay.
pub fn replace_null_devices(descriptors: &[RawFd]) -> io::Result<()> {
    let Some(first) = descriptors.first() else { return Ok(()) };
    let Ok(null) = open("/dev/null", libc::O_RDWR | libc::O_NONBLOCK) else { return Ok(()) };
    if device(null.as_raw_fd())? != device(*first)? {
        return Ok(());
    }
    // SAFETY: no pointers. It was there only so that a FIFO was not waited for.
    check(unsafe { libc::fcntl(null.as_raw_fd(), libc::F_SETFL, 0) }.into())?;
    descriptors.iter().try_for_each(|fd| duplicate_to(null.as_fd(), *fd))
}
