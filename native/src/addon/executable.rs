//! The supervisor's program, as it is given to posix_spawn(3).

use super::sys::Failed;
#[cfg(target_os = "linux")]
use super::sys::{check, duplicate, text};
#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

pub struct Executable {
    path: String,
    /// What the path leads to.
    #[cfg(target_os = "linux")]
    _held: OwnedFd,
}

impl Executable {
    pub fn path(&self) -> &str {
        &self.path
    }

    #[cfg(target_os = "linux")]
    pub fn open(path: &str) -> Result<Self, Failed> {
        let opened = open_read_only(path)?;
        // Above the numbers that the program's own descriptors get.
        let held = duplicate(opened.as_raw_fd()).map_err(|error| ("fcntl F_DUPFD_CLOEXEC", error))?;
        Ok(Self { path: format!("/proc/self/fd/{}", held.as_raw_fd()), _held: held })
    }

    /// A jailed process reaches no program outside its jail, so there is nothing to protect.
    #[cfg(not(target_os = "linux"))]
    pub fn open(path: &str) -> Result<Self, Failed> {
        Ok(Self { path: path.to_owned() })
    }
}

/// The program behind a read-only mount that exists for this start alone: a container that gets hold of the supervisor's
/// executable, by running /proc/self/exe at the right moment, cannot write to it.
#[cfg(target_os = "linux")]
fn open_read_only(path: &str) -> Result<OwnedFd, Failed> {
    const OPEN_TREE_CLONE: libc::c_int = 1; // linux/mount.h
    const MOUNT_ATTR_RDONLY: u64 = 1; // linux/mount.h
    let attr: [u64; 4] = [MOUNT_ATTR_RDONLY, 0, 0, 0]; // struct mount_attr: attr_set, attr_clr, propagation, userns_fd
    let path = text(path).map_err(|error| ("open_tree", error))?;
    // SAFETY: path outlives the call; the descriptor that it returns is ours alone.
    let tree = unsafe {
        let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC;
        let tree = check(libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags));
        OwnedFd::from_raw_fd(tree.map_err(|error| ("open_tree", error))? as RawFd)
    };
    let (fd, size) = (tree.as_raw_fd(), size_of_val(&attr));
    // SAFETY: the path is an empty C string, attr outlives the call, and the size is its own.
    check(unsafe { libc::syscall(libc::SYS_mount_setattr, fd, c"".as_ptr(), libc::AT_EMPTY_PATH, &attr, size) })
        .map_err(|error| ("mount_setattr", error))?;
    Ok(tree)
}
