//! Processes held by descriptor, so that a reused pid is never mistaken for the old one: clone(2), pidfd_open(2).

use crate::common::sys::{check, owned};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// linux/sched.h; wider than the int that libc declares.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// A process, named by pid and held by descriptor.
pub struct Process {
    pub pid: libc::pid_t,
    descriptor: OwnedFd,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exit {
    pub code: Option<i32>,
    pub signal: Option<i32>,
}

impl Process {
    pub fn open(pid: libc::pid_t) -> io::Result<Self> {
        // SAFETY: no pointers. A pidfd is always close-on-exec.
        let descriptor = owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
        Ok(Self { pid, descriptor })
    }

    /// Clones this single-threaded process, the child directly into the cgroup. None in the child.
    pub fn fork(namespaces: libc::c_int, cgroup: BorrowedFd<'_>) -> io::Result<Option<Self>> {
        let mut descriptor: libc::c_int = -1;
        // SAFETY: clone_args is plain data; zero means "not used" for each field.
        let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
        arguments.flags = namespaces as u64 | libc::CLONE_PIDFD as u64 | CLONE_INTO_CGROUP;
        arguments.pidfd = &raw mut descriptor as u64;
        arguments.exit_signal = libc::SIGCHLD as u64;
        arguments.cgroup = cgroup.as_raw_fd() as u64;
        // SAFETY: without CLONE_VM the child has its own copy of memory; there is one thread only, so no lock is held in it.
        let pid = check(unsafe { libc::syscall(libc::SYS_clone3, &arguments, size_of::<libc::clone_args>()) })?;
        if pid == 0 {
            return Ok(None);
        }
        // SAFETY: the kernel has stored a descriptor that is ours alone.
        let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
        Ok(Some(Self { pid: pid as libc::pid_t, descriptor }))
    }

    /// Enters namespaces of the process; CLONE_NEWPID counts for children only. setns(2)
    pub fn enter(&self, namespaces: libc::c_int) -> io::Result<()> {
        // SAFETY: no pointers.
        check(unsafe { libc::setns(self.descriptor.as_raw_fd(), namespaces) }.into()).map(drop)
    }

    pub fn signal(&self, number: libc::c_int) -> io::Result<()> {
        let fd = self.descriptor.as_raw_fd();
        let no_info = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: a null siginfo means an ordinary signal.
        check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, number, no_info, 0) }).map(drop)
    }

    /// Signals a child that leads a process group. SIGINT and SIGQUIT go to the whole group, as from a terminal: the
    /// client's terminal has no other way to reach a pipeline in the container. kill(2)
    pub fn signal_as_terminal(&self, number: libc::c_int) -> io::Result<()> {
        if number != libc::SIGINT && number != libc::SIGQUIT {
            return self.signal(number);
        }
        // SAFETY: no pointers. The child is not reaped yet, so its group's number is not used again.
        check(unsafe { libc::kill(-self.pid, number) }.into()).map(drop)
    }

    /// Waits for the end of this child and reaps it.
    pub fn wait(&self) -> io::Result<Exit> {
        loop {
            let mut status = 0;
            // SAFETY: status outlives the call.
            let result = check(unsafe { libc::waitpid(self.pid, &mut status, libc::__WALL) }.into());
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
                Ok(_) if libc::WIFSIGNALED(status) => {
                    return Ok(Exit { code: None, signal: Some(libc::WTERMSIG(status)) });
                }
                Ok(_) => return Ok(Exit { code: Some(libc::WEXITSTATUS(status)), signal: None }),
            }
        }
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
