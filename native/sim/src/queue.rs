//! Queues of events, kqueue(2), with the one that the supervisor asks for: the end of a jail, by its number or by a
//! descriptor of it. All else is EINVAL, as a filter that a release lacks.
//!
//! A queue's descriptor is an eventfd of the system below, readable as the real one is. What wakes it is a thread that
//! looks at the jails, since the model has no kernel that runs when a process ends.

use crate::descriptor::{Object, jail_of, object_of, stand_for};
use crate::errno::{Answer, EBADF, EINTR, EINVAL, ENOENT, Errno};
use crate::jail::alive;
use crate::kernel::{by_itself, version};
use crate::memory::{Bytes, BytesMut};
use crate::process::own_jail;
use crate::state::Kernel;
use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

/// struct kevent
pub const KEVENT: usize = 64;
const FILTER: usize = 8;
const FLAGS: usize = 10;
const FFLAGS: usize = 12;
const UDATA: usize = 24;

// sys/event.h, from release 15 on
const EVFILT_JAIL: i16 = -14;
const EVFILT_JAILDESC: i16 = -15;
const NOTE_JAIL_REMOVE: u32 = 0x1000_0000;
// sys/event.h
const EV_ADD: u16 = 1;
const EV_DELETE: u16 = 2;
const EV_ONESHOT: u16 = 0x10;
const EV_CLEAR: u16 = 0x20;
const EV_EOF: u16 = 0x8000;
/// Filters of jails, as their descriptors, came with this release.
const JAILS_SINCE: u32 = crate::jail::DESCRIPTORS_SINCE;

/// How long the end of a jail without processes may go unseen.
const LOOK: Duration = Duration::from_millis(10);

/// An event that somebody waits for.
struct Note {
    ident: u64,
    filter: i16,
    jid: i32,
    udata: u64,
    came: bool,
}

struct Queue {
    notes: Vec<Note>,
    /// Is there a thread that looks?
    watched: bool,
    closed: bool,
}

type Shared = Arc<Mutex<Queue>>;

static QUEUES: LazyLock<Mutex<HashMap<RawFd, Shared>>> = LazyLock::new(Mutex::default);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn queue(fd: RawFd) -> Answer<Shared> {
    match object_of(fd) {
        Some(Object::Queue) => locked(&QUEUES).get(&fd).cloned().ok_or(EBADF),
        _ => Err(EBADF),
    }
}

/// As the real one it stays open across exec unless told otherwise.
pub fn open() -> Answer<RawFd> {
    // SAFETY: no pointers; the descriptor belongs to the caller.
    let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(EINVAL.0)));
    }
    stand_for(fd, Object::Queue);
    let queue = Queue { notes: Vec::new(), watched: false, closed: false };
    locked(&QUEUES).insert(fd, Arc::new(Mutex::new(queue)));
    Ok(fd)
}

pub fn close(fd: RawFd) {
    if let Some(queue) = locked(&QUEUES).remove(&fd) {
        locked(&queue).closed = true;
    }
}

/// Takes the changes in, those before one that is refused as well.
pub fn register(kernel: &mut Kernel, fd: RawFd, changes: &[u8]) -> Answer {
    let shared = queue(fd)?;
    let mut queue = locked(&shared);
    for change in changes.chunks_exact(KEVENT) {
        let (ident, filter) = (change.get_u64(0), change.get_u16(FILTER) as i16);
        if kernel.machine.release < JAILS_SINCE || ![EVFILT_JAIL, EVFILT_JAILDESC].contains(&filter) {
            return Err(EINVAL);
        }
        let known = |note: &Note| (note.ident, note.filter) == (ident, filter);
        match change.get_u16(FLAGS) {
            EV_DELETE if queue.notes.iter().any(known) => queue.notes.retain(|note| !known(note)),
            EV_DELETE => return Err(ENOENT),
            EV_ADD if change.get_u32(FFLAGS) == NOTE_JAIL_REMOVE => {
                let (jid, came) = subject(kernel, ident, filter)?;
                queue.notes.retain(|note| !known(note));
                queue.notes.push(Note { ident, filter, jid, udata: change.get_u64(UDATA), came });
                if came {
                    ring(fd);
                }
            }
            _ => return Err(EINVAL),
        }
    }
    if !queue.watched && queue.notes.iter().any(|note| !note.came) {
        queue.watched = true;
        // SAFETY: no pointers; the thread's own, since the caller may close its one.
        let bell = unsafe { OwnedFd::from_raw_fd(libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3)) };
        drop(queue);
        std::thread::spawn(move || watch(&shared, &bell));
    }
    Ok(())
}

/// The jail, and whether it has ended: that is told of a descriptor, while a number names nothing any more.
fn subject(kernel: &mut Kernel, ident: u64, filter: i16) -> Answer<(i32, bool)> {
    if filter == EVFILT_JAILDESC {
        let jid = jail_of(ident as i32)?;
        return Ok((jid, alive(kernel, jid).is_none()));
    }
    let jid = i32::try_from(ident).ok().filter(|jid| *jid != 0).ok_or(EINVAL)?;
    // From within a jail only those below it are seen, and the model has none.
    if own_jail() == 0 && alive(kernel, jid).is_some() { Ok((jid, false)) } else { Err(ENOENT) }
}

/// Gives what has come, and waits for it where there is room: without an end, or as long as the caller says.
pub fn take(fd: RawFd, room: &mut [u8], timeout: Option<&libc::timespec>) -> Answer<i32> {
    let shared = queue(fd)?;
    if room.is_empty() {
        return Ok(0);
    }
    let milliseconds = timeout.map_or(-1, |one| (one.tv_sec * 1000 + one.tv_nsec / 1_000_000) as i32);
    let mut polled = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, which outlives the call.
    if unsafe { libc::poll(&raw mut polled, 1, milliseconds) } < 0 {
        return Err(EINTR);
    }
    let mut queue = locked(&shared);
    let mut count = 0;
    for event in room.chunks_exact_mut(KEVENT) {
        let Some(index) = queue.notes.iter().position(|note| note.came) else { break };
        let note = queue.notes.remove(index);
        event.fill(0);
        event.put_u64(0, note.ident);
        event.put_u16(FILTER, note.filter as u16);
        event.put_u16(FLAGS, EV_EOF | EV_ONESHOT | EV_CLEAR);
        event.put_u32(FFLAGS, NOTE_JAIL_REMOVE);
        event.put_u64(UDATA, note.udata);
        count += 1;
    }
    if !queue.notes.iter().any(|note| note.came) {
        // SAFETY: eight bytes of one live array; nothing to read is no error.
        unsafe { libc::read(fd, [0_u8; 8].as_mut_ptr().cast(), 8) };
    }
    Ok(count)
}

fn ring(fd: RawFd) {
    // SAFETY: eight bytes of one live array.
    unsafe { libc::write(fd, 1_u64.to_ne_bytes().as_ptr().cast(), 8) };
}

/// Looks until all that is waited for has come.
fn watch(shared: &Shared, bell: &OwnedFd) {
    loop {
        let before = version();
        let mut members = Vec::new();
        {
            let jids = locked(shared).notes.iter().filter(|note| !note.came).map(|note| note.jid).collect::<Vec<_>>();
            let states = by_itself(|kernel| jids.iter().map(|jid| (*jid, alive(kernel, *jid))).collect::<Vec<_>>());
            let mut queue = locked(shared);
            for (jid, state) in states {
                match state {
                    Some(pids) => members.extend(pids),
                    None => {
                        queue.notes.iter_mut().filter(|note| note.jid == jid).for_each(|note| note.came = true);
                        ring(bell.as_raw_fd());
                    }
                }
            }
            if queue.closed || queue.notes.iter().all(|note| note.came) {
                queue.watched = false;
                return;
            }
        }
        let processes = members.iter().copied().filter_map(handle).collect::<Vec<_>>();
        let missed = processes.len() < members.len();
        while !any_ended(&processes) && !missed && version() == before && !locked(shared).closed {}
    }
}

/// Readable when the process has ended, pidfd_open(2); none when it has already.
fn handle(pid: i32) -> Option<OwnedFd> {
    // SAFETY: no pointers; the descriptor is new, and close-on-exec.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) } as RawFd;
    // SAFETY: as above.
    (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Waits a little for one of them to end.
fn any_ended(processes: &[OwnedFd]) -> bool {
    let mut polled: Vec<libc::pollfd> = processes
        .iter()
        .map(|one| libc::pollfd { fd: one.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 })
        .collect();
    // SAFETY: pointer and length are of one live vector.
    unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, LOOK.as_millis() as libc::c_int) > 0 }
}
