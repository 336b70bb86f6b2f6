//! What the descriptors of this process stand for.
//!
//! They are real ones of the system below, so that they can be told from others and are closed at exit.

use crate::errno::{Answer, EBADF, EINVAL, Errno};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{LazyLock, Mutex, MutexGuard};

/// What a socket is, and what it is bound to.
#[derive(Clone, Copy)]
pub struct Socket {
    pub family: i32,
    pub raw: bool,
    pub bound: (Ipv4Addr, u16),
}

#[derive(Clone, Copy)]
pub enum Object {
    Socket(Socket),
    /// By which of its loadings it was opened.
    Pf(u32),
    Devfs,
    /// bpf(4)
    Link,
    /// Of events, kqueue(2).
    Queue,
    /// A jail's, of release 15; an owning one takes the jail with it when it is closed.
    Jail {
        jid: i32,
        owns: bool,
    },
}

static OBJECTS: LazyLock<Mutex<HashMap<i32, Object>>> = LazyLock::new(Mutex::default);

fn objects() -> MutexGuard<'static, HashMap<i32, Object>> {
    OBJECTS.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A descriptor of nothing else.
pub fn fresh(object: Object) -> Answer<i32> {
    // SAFETY: a C string; the descriptor belongs to the caller.
    let fd = unsafe { libc::syscall(libc::SYS_memfd_create, c"freebsd-sim".as_ptr(), libc::MFD_CLOEXEC) } as i32;
    if fd < 0 {
        return Err(Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(EINVAL.0)));
    }
    stand_for(fd, object);
    Ok(fd)
}

pub fn stand_for(fd: i32, object: Object) {
    objects().insert(fd, object);
}

pub fn object_of(fd: i32) -> Option<Object> {
    objects().get(&fd).copied()
}

/// The jail that a descriptor is of.
pub fn jail_of(fd: i32) -> Answer<i32> {
    match object_of(fd) {
        Some(Object::Jail { jid, .. }) => Ok(jid),
        Some(_) => Err(EINVAL),
        None => Err(EBADF),
    }
}

/// A socket is bound to something else now.
pub fn rebind(fd: i32, socket: Socket) {
    objects().insert(fd, Object::Socket(socket));
}

/// It is about to be closed: what it stood for.
pub fn forget(fd: i32) -> Option<Object> {
    objects().remove(&fd)
}
