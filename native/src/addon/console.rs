//! The client's side of a console, `common::console`.

use crate::wire;
use napi::Result;
use napi_derive::napi;
use std::io;
use std::os::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A supervisor that is alive greets at once.
const GREETING: Duration = Duration::from_secs(10);

/// `errno` 0: both descriptors are the caller's, `master` is -1 when the process has no terminal.
#[napi(object)]
pub struct Console {
    pub errno: i32,
    pub stream: i32,
    pub master: i32,
}

/// Attaches to the console whose socket has this path.
#[napi]
pub fn connect_console(path: String) -> Console {
    answer(connect(Path::new(&path)).and_then(greeted))
}

/// Takes the stream over that a supervisor sent.
#[napi]
pub fn open_console(stream: i32) -> Result<Console> {
    // SAFETY: the caller has received the descriptor and leaves it to us.
    Ok(answer(greeted(UnixStream::from(unsafe { OwnedFd::from_raw_fd(stream) }))))
}

fn greeted(stream: UnixStream) -> io::Result<(UnixStream, Option<OwnedFd>)> {
    stream.set_read_timeout(Some(GREETING))?;
    let ended = || io::Error::from_raw_os_error(libc::ECONNRESET);
    let (_, master) = wire::receive(stream.as_fd())?.ok_or_else(ended)?;
    Ok((stream, master))
}

fn answer(outcome: io::Result<(UnixStream, Option<OwnedFd>)>) -> Console {
    match outcome {
        Ok((stream, master)) => {
            Console { errno: 0, stream: stream.into_raw_fd(), master: master.map_or(-1, IntoRawFd::into_raw_fd) }
        }
        Err(error) => Console { errno: error.raw_os_error().unwrap_or(libc::EIO), stream: -1, master: -1 },
    }
}

/// A socket's path must be short, so its directory is named by a descriptor where that can be.
#[cfg(target_os = "linux")]
fn connect(path: &Path) -> io::Result<UnixStream> {
    use std::os::fd::AsRawFd;
    let directory = std::fs::File::open(path.parent().unwrap_or(path))?;
    let name = path.file_name().unwrap_or_default();
    UnixStream::connect(Path::new(&format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name))
}

/// connectat(2): a socket's path must be short.
#[cfg(target_os = "freebsd")]
fn connect(path: &Path) -> io::Result<UnixStream> {
    use std::os::fd::AsRawFd;
    use std::os::unix::ffi::OsStrExt;
    unsafe extern "C" {
        fn connectat(
            fd: libc::c_int,
            s: libc::c_int,
            name: *const libc::sockaddr,
            length: libc::socklen_t,
        ) -> libc::c_int;
    }
    let directory = std::fs::File::open(path.parent().unwrap_or(path))?;
    let name = path.file_name().unwrap_or_default().as_bytes();
    // SAFETY: sockaddr_un is plain data; zero is a valid value for each field.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    if name.len() >= address.sun_path.len() {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (place, byte) in address.sun_path.iter_mut().zip(name) {
        *place = *byte as libc::c_char;
    }
    // SAFETY: no pointers; the descriptor is new and ours alone.
    let number = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    if number == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as above.
    let stream = unsafe { UnixStream::from(OwnedFd::from_raw_fd(number)) };
    let length = size_of::<libc::sockaddr_un>() as libc::socklen_t;
    // SAFETY: the address outlives the call and is of the length given.
    match unsafe { connectat(directory.as_raw_fd(), number, (&raw const address).cast(), length) } {
        0 => Ok(stream),
        _ => Err(io::Error::last_os_error()),
    }
}
