//! The container's /dev: the devices of an unprivileged program, and nothing of the host's.

use super::mount::{Detached, NODEV, NOEXEC, NOSUID, RootDirectory, make_directory, resolve_directory};
use crate::common::sys::{check, duplicate_to, owned, text};
use crate::failure::{At, Outcome};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Name, major and minor number: Documentation/admin-guide/devices.txt of the kernel.
const NODES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// Pseudo terminals of a container: all instances of devpts share kernel.pty.max, 4096.
const TERMINALS: &str = "256";

const NULL: libc::dev_t = libc::makedev(1, 3);

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
    let terminals = Detached::new(
        "devpts",
        &[("mode", "620"), ("ptmxmode", "666"), ("gid", "5"), ("max", TERMINALS)],
        NOSUID | NOEXEC,
    )
    .at("mount devpts", "/dev/pts")?;
    attach_below(&terminals, directory, "pts").at("mount devpts", "/dev/pts")?;
    let shared = Detached::new("tmpfs", &[("mode", "1777"), ("size", "67108864")], NOSUID | NODEV | NOEXEC)
        .at("mount tmpfs", "/dev/shm")?;
    attach_below(&shared, directory, "shm").at("mount tmpfs", "/dev/shm")
}

/// Puts a null device of the container's own in the place of the host's where that is a standard descriptor: of the host's,
/// root in the container could change mode and owner. It needs no /dev, and is named nowhere.
pub fn replace_null_devices() -> io::Result<()> {
    let mut own = None;
    for standard in 0..=2 {
        if is_null_device(standard)? {
            let null = own.take().map_or_else(make_null, Ok)?;
            duplicate_to(own.insert(null).as_fd(), standard)?;
        }
    }
    Ok(())
}

fn make_null() -> io::Result<OwnedFd> {
    let mount = Detached::new("tmpfs", &[("mode", "755"), ("size", "4096")], NOSUID | NOEXEC)?;
    make_node(mount.as_fd(), "null", NULL)?;
    let flags = libc::O_RDWR | libc::O_CLOEXEC;
    // SAFETY: the name is a C string.
    owned(unsafe { libc::openat(mount.as_fd().as_raw_fd(), c"null".as_ptr(), flags) }.into())
}

fn is_null_device(fd: RawFd) -> io::Result<bool> {
    // SAFETY: stat is plain data; zero is a valid value for each field.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: stat outlives the call.
    check(unsafe { libc::fstat(fd, &mut stat) }.into())?;
    Ok(stat.st_mode & libc::S_IFMT == libc::S_IFCHR && stat.st_rdev == NULL)
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
