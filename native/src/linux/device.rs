//! The container's /dev: the devices of an unprivileged program, and nothing of the host's.

use super::mount::{Detached, NODEV, NOEXEC, NOSUID, RootDirectory, make_directory, resolve_directory};
use crate::common::sys::{check, text};
use crate::failure::{At, Outcome};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Name, major and minor number: Documentation/admin-guide/devices.txt of the kernel.
const NODES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Mounts /dev with its pts and shm.
pub fn mount_devices(root: &RootDirectory) -> Outcome<()> {
    let target = root.own_directory("dev").at("open mount point", "/dev")?;
    let devices =
        Detached::new("tmpfs", &[("mode", "755"), ("size", "65536")], NOSUID | NOEXEC).at("mount tmpfs", "/dev")?;
    let directory = devices.as_fd();
    for (name, major, minor) in NODES {
        make_node(directory, name, libc::makedev(major, minor)).at("mknod", format!("/dev/{name}"))?;
    }
    for (name, target) in LINKS {
        make_link(directory, name, target).at("symlink", format!("/dev/{name}"))?;
    }
    for name in ["pts", "shm"] {
        make_directory(directory, name).at("mkdir", format!("/dev/{name}"))?;
    }
    devices.attach(target.as_fd()).at("mount tmpfs", "/dev")?;

    // gid 5 is group tty in every system's files; a terminal belongs to its user and that group, as login(1) has it.
    let terminals = Detached::new("devpts", &[("mode", "620"), ("ptmxmode", "666"), ("gid", "5")], NOSUID | NOEXEC)
        .at("mount devpts", "/dev/pts")?;
    attach_below(&terminals, directory, "pts").at("mount devpts", "/dev/pts")?;
    let shared = Detached::new("tmpfs", &[("mode", "1777"), ("size", "67108864")], NOSUID | NODEV | NOEXEC)
        .at("mount tmpfs", "/dev/shm")?;
    attach_below(&shared, directory, "shm").at("mount tmpfs", "/dev/shm")
}

fn attach_below(mount: &Detached, directory: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    mount.attach(resolve_directory(directory, name)?.as_fd())
}

fn make_node(directory: BorrowedFd<'_>, name: &str, device: libc::dev_t) -> io::Result<()> {
    let name = text(name)?;
    let mode = libc::S_IFCHR | 0o666;
    // SAFETY: name outlives the calls. chmod because the mode of mknod is cut by the umask.
    unsafe {
        check(libc::mknodat(directory.as_raw_fd(), name.as_ptr(), mode, device).into())?;
        check(libc::fchmodat(directory.as_raw_fd(), name.as_ptr(), 0o666, 0).into()).map(drop)
    }
}

fn make_link(directory: BorrowedFd<'_>, name: &str, target: &str) -> io::Result<()> {
    let (name, target) = (text(name)?, text(target)?);
    // SAFETY: both strings outlive the call.
    check(unsafe { libc::symlinkat(target.as_ptr(), directory.as_raw_fd(), name.as_ptr()) }.into()).map(drop)
}
