//! What a log needs of FreeBSD: holes, fspacectl(2), from release 14 on. Before that the log is not kept within bounds.

use super::library::{Library, Range};
use crate::common::sys::check;
use std::fs::File;
use std::io::{self, Error, ErrorKind};
use std::os::fd::AsRawFd;
use std::ptr::null_mut;

// fcntl.h
const SPACECTL_DEALLOC: libc::c_int = 1;

/// Gives the bytes before an offset back to the file system.
pub fn free(library: Library, file: &File, begin: u64) -> io::Result<()> {
    let call = library.fspacectl().ok_or_else(|| Error::from(ErrorKind::Unsupported))?;
    let range = Range { offset: 0, length: begin as i64 };
    // SAFETY: the range outlives the call, and no answer is wanted.
    check(unsafe { call(file.as_raw_fd(), SPACECTL_DEALLOC, &raw const range, 0, null_mut()) }.into()).map(drop)
}
