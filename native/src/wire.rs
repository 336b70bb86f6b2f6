//! Frames between klee and its supervisor: u32 little-endian length, then JSON. One descriptor may ride along with the
//! first byte of a frame (SCM_RIGHTS, unix(7)).

use std::io::{self, Error, ErrorKind};
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Longer than any honest message: argv and env together are at most 2 MB.
const LIMIT: usize = 16 << 20;

/// Room for one descriptor's control message, aligned as cmsghdr asks.
#[repr(C, align(8))]
struct Control([u8; 32]);

/// Sends one frame, with `attached` riding along.
pub fn send(socket: BorrowedFd<'_>, json: &[u8], attached: Option<BorrowedFd<'_>>) -> io::Result<()> {
    if json.len() > LIMIT {
        return Err(Error::from_raw_os_error(libc::EMSGSIZE));
    }
    let mut frame = Vec::with_capacity(4 + json.len());
    frame.extend_from_slice(&(json.len() as u32).to_le_bytes());
    frame.extend_from_slice(json);
    let mut sent = 0;
    let mut attached = attached;
    while sent < frame.len() {
        sent += send_some(socket, &frame[sent..], attached.take())?;
    }
    Ok(())
}

fn send_some(socket: BorrowedFd<'_>, bytes: &[u8], attached: Option<BorrowedFd<'_>>) -> io::Result<usize> {
    let mut control = Control([0; 32]);
    let mut part = libc::iovec { iov_base: bytes.as_ptr() as *mut _, iov_len: bytes.len() };
    // SAFETY: msghdr is plain data; zero is a valid value for each field.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    if let Some(fd) = attached {
        message.msg_control = control.0.as_mut_ptr().cast();
        // SAFETY: control is larger than CMSG_SPACE of one descriptor, so the first header and its data lie inside it.
        unsafe {
            message.msg_controllen = libc::CMSG_SPACE(size_of::<RawFd>() as u32) as _;
            let header = libc::CMSG_FIRSTHDR(&message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as _;
            libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(fd.as_raw_fd());
        }
    }
    loop {
        // SAFETY: message points to live buffers of the lengths given.
        let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &message, libc::MSG_NOSIGNAL) };
        if sent >= 0 {
            return Ok(sent as usize);
        }
        let error = Error::last_os_error();
        if error.kind() != ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Receives one frame and the descriptor that rode along; None at the end of the stream.
pub fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<(Vec<u8>, Option<OwnedFd>)>> {
    let mut length = [0; 4];
    let Some(attached) = receive_exact(socket, &mut length)? else { return Ok(None) };
    let length = u32::from_le_bytes(length) as usize;
    if length > LIMIT {
        return Err(Error::from_raw_os_error(libc::EMSGSIZE));
    }
    let mut json = vec![0; length];
    if length > 0 && receive_exact(socket, &mut json)?.is_none() {
        return Ok(None);
    }
    Ok(Some((json, attached)))
}

/// Adds what has come to the bytes, without waiting; false at the end of the stream. A descriptor that rode along is lost.
#[cfg_attr(feature = "addon", allow(dead_code))]
pub fn receive_available(socket: BorrowedFd<'_>, bytes: &mut Vec<u8>) -> io::Result<bool> {
    let mut chunk = [0; 16 << 10];
    loop {
        // SAFETY: pointer and length are of one live, writable array.
        let count =
            unsafe { libc::recv(socket.as_raw_fd(), chunk.as_mut_ptr().cast(), chunk.len(), libc::MSG_DONTWAIT) };
        if count >= 0 {
            bytes.extend_from_slice(&chunk[..count as usize]);
            return Ok(count > 0);
        }
        match Error::last_os_error() {
            error if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            error if error.kind() == ErrorKind::Interrupted => {}
            error => return Err(error),
        }
    }
}

/// Takes the first frame from the bytes received; None while it is not whole.
#[cfg_attr(feature = "addon", allow(dead_code))]
pub fn take_frame(bytes: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let Some(length) = bytes.first_chunk() else { return Ok(None) };
    let length = u32::from_le_bytes(*length) as usize;
    if length > LIMIT {
        return Err(Error::from_raw_os_error(libc::EMSGSIZE));
    }
    if bytes.len() < 4 + length {
        return Ok(None);
    }
    Ok(Some(bytes.drain(..4 + length).skip(4).collect()))
}

/// Fills the buffer. None when the stream ended before that.
fn receive_exact(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<Option<OwnedFd>>> {
    let mut attached = None;
    let mut filled = 0;
    while filled < buffer.len() {
        let (count, fd) = receive_some(socket, &mut buffer[filled..])?;
        if count == 0 {
            return Ok(None);
        }
        attached = fd.or(attached);
        filled += count;
    }
    Ok(Some(attached))
}

fn receive_some(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut control = Control([0; 32]);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: msghdr is plain data; zero is a valid value for each field.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    let received = loop {
        // SAFETY: message points to live, writable buffers of the lengths given.
        let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_CMSG_CLOEXEC) };
        if received >= 0 {
            break received as usize;
        }
        let error = Error::last_os_error();
        if error.kind() != ErrorKind::Interrupted {
            return Err(error);
        }
    };
    // SAFETY: the kernel filled message; the header is checked before its data, one descriptor that is now ours, is read.
    let attached = unsafe {
        let header = libc::CMSG_FIRSTHDR(&message);
        if header.is_null() || (*header).cmsg_level != libc::SOL_SOCKET || (*header).cmsg_type != libc::SCM_RIGHTS {
            None
        } else {
            Some(OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned()))
        }
    };
    Ok((received, attached))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn frames_keep_their_borders() {
        let (left, right) = UnixStream::pair().unwrap();
        send(left.as_fd(), b"{\"a\":1}", None).unwrap();
        send(left.as_fd(), b"", None).unwrap();
        drop(left);
        assert_eq!(receive(right.as_fd()).unwrap().unwrap().0, b"{\"a\":1}");
        assert_eq!(receive(right.as_fd()).unwrap().unwrap().0, b"");
        assert!(receive(right.as_fd()).unwrap().is_none());
    }

    #[test]
    fn the_length_is_little_endian() {
        let (left, mut right) = UnixStream::pair().unwrap();
        send(left.as_fd(), b"abc", None).unwrap();
        let mut bytes = [0; 7];
        right.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"\x03\0\0\0abc");
    }

    #[test]
    fn a_descriptor_rides_along() {
        let (left, right) = UnixStream::pair().unwrap();
        let (mut mine, theirs) = UnixStream::pair().unwrap();
        send(left.as_fd(), b"{}", Some(theirs.as_fd())).unwrap();
        let (_, attached) = receive(right.as_fd()).unwrap().unwrap();
        UnixStream::from(attached.unwrap()).write_all(b"x").unwrap();
        let mut byte = [0; 1];
        mine.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }

    #[test]
    fn a_torn_frame_is_the_end_and_a_huge_one_an_error() {
        let (mut left, right) = UnixStream::pair().unwrap();
        left.write_all(b"\x09\0\0\0abc").unwrap();
        drop(left);
        assert!(receive(right.as_fd()).unwrap().is_none());
        let (mut left, right) = UnixStream::pair().unwrap();
        left.write_all(b"\xff\xff\xff\xff").unwrap();
        assert!(receive(right.as_fd()).is_err());
    }
}
