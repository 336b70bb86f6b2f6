//! Word of a jail's end, kqueue(2): from release 15 on the kernel gives it to whoever asked.

use super::library::{Kevent, Library};
use crate::common::sys::{check, owned};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::ptr::{null, null_mut};
use std::time::Duration;

// sys/event.h
const EV_ADD: libc::c_ushort = 1;
// sys/event.h, from release 15 on
const EVFILT_JAIL: libc::c_short = -14;
const NOTE_JAIL_REMOVE: libc::c_uint = 0x1000_0000;

/// Its descriptor is readable once the jail is dying: jail_get(2) finds it no more, though its processes may still end.
pub struct Notice(OwnedFd);

impl Notice {
    /// None where the kernel tells nobody, or the jail has ended already: to be found out by looking.
    pub fn of(library: Library, jid: i32) -> Option<Self> {
        let (kqueue, kevent) = (library.kqueue()?, library.kevent()?);
        // SAFETY: no arguments.
        let queue = owned(unsafe { kqueue() }.into()).ok()?;
        // SAFETY: no pointers. It is not to outlive the supervisor in the program that takes the container down.
        check(unsafe { libc::fcntl(queue.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) }.into()).ok()?;
        let change = Kevent {
            ident: usize::try_from(jid).ok()?,
            filter: EVFILT_JAIL,
            flags: EV_ADD,
            fflags: NOTE_JAIL_REMOVE,
            data: 0,
            udata: 0,
            ext: [0; 4],
        };
        // SAFETY: one change, which outlives the call; no room for events.
        check(unsafe { kevent(queue.as_raw_fd(), &raw const change, 1, null_mut(), 0, null()) }.into()).ok()?;
        Some(Self(queue))
    }

    pub fn descriptor(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Waits for it, at most so long. Did it come?
    pub fn wait(&self, limit: Duration) -> bool {
        let mut polled = libc::pollfd { fd: self.descriptor(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd, which outlives the call.
        unsafe { libc::poll(&raw mut polled, 1, limit.as_millis() as libc::c_int) > 0 }
    }
}
