//! The container's root file system, put together in a mount namespace of its own: nothing of it shows on the host, and
//! all of it goes with the namespace.

use super::device::mount_devices;
use super::mount::{
    Detached, NODEV, NOEXEC, NOSUID, RDONLY, RootDirectory, is_directory, is_on, make_file, make_root, mount,
    overlay_options, resolve,
};
use super::process::Process;
use crate::common::sys::{check, open};
use crate::failure::{At, Failure, Outcome};
use crate::spec::{Bind, Jail};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Parts of /proc that tell of the host or act on it, hidden; as other container runtimes do.
const HIDDEN: [&str; 14] = [
    "kcore",
    "keys",
    "latency_stats",
    "timer_list",
    "timer_stats",
    "sched_debug",
    "scsi",
    "acpi",
    "interrupts",
    // They show the kernel's memory and that of all processes.
    "kpagecount",
    "kpageflags",
    "kpagecgroup",
    "slabinfo",
    "vmallocinfo",
];

/// Mounts all of it and makes it the root of this process and its mount namespace. /sys is not mounted: what it shows is
/// the host's. Returns that root.
pub fn enter_root(jail: &Jail) -> Outcome<RootDirectory> {
    // SAFETY: no arguments.
    let itself = Process::open(unsafe { libc::getpid() }).at("pidfd_open", "self")?;
    take_mounts(&itself)?;
    let mountpoint = &jail.root.mountpoint;
    let options = overlay_options(&jail.root.lower, &jail.root.upper, &jail.root.work);
    mount("overlay", mountpoint, "overlay", libc::MS_NOSUID | libc::MS_NODEV, &options)
        .at("mount overlay", mountpoint)
        .map_err(explain_overlay)?;
    let root = RootDirectory::open(mountpoint).at("open root", mountpoint)?;
    mount_proc(&root)?;
    if jail.devfs {
        mount_devices(&root)?;
    }
    // After klee's own, which would hide what is below them.
    for bind in &jail.mounts {
        mount_bind(&root, bind)?;
    }
    // Else pivot_root exchanges the root of a chroot, and leaves the namespace's, to which setns(2) leads the payloads.
    itself.enter(libc::CLONE_NEWNS).at("setns", "self")?;
    make_root(root.as_fd()).at("pivot_root", mountpoint)?;
    Ok(root)
}

/// Makes all mounts of the namespace this process's own. klee may run in a chroot(2), of which the namespace knows nothing:
/// to enter one's own namespace leads to its root, and jail's paths are meant from klee's.
fn take_mounts(itself: &Process) -> Outcome<()> {
    let root = open("/", libc::O_PATH | libc::O_DIRECTORY).at("open", "/")?;
    itself.enter(libc::CLONE_NEWNS).at("setns", "self")?;
    mount("none", "/", "", libc::MS_REC | libc::MS_PRIVATE, "").at("mount private", "/")?;
    // SAFETY: the path is a C string.
    unsafe {
        check(libc::fchdir(root.as_raw_fd()).into()).at("fchdir", "/")?;
        check(libc::chroot(c".".as_ptr()).into()).at("chroot", "/")
    }
    .map(drop)
}

/// The kernel says EINVAL for a layer on a file system that cannot hold one: overlayfs.rst, upper directories.
fn explain_overlay(failure: Failure) -> Failure {
    if failure.errno != libc::EINVAL {
        return failure;
    }
    let detail = "is the store on a file system that cannot hold a container's layer, as an overlay, NFS or FAT? \
                  Keep it on another one: --root or KLEE_ROOT";
    Failure { detail: Some(detail.into()), ..failure }
}

fn mount_bind(root: &RootDirectory, bind: &Bind) -> Outcome<()> {
    let source = Detached::clone_of(&bind.source).at("open_tree", &bind.source)?;
    let read_only = if bind.read_only { RDONLY } else { 0 };
    source.set(NOSUID | NODEV | read_only).at("mount_setattr", &bind.source)?;
    let directory = is_directory(source.as_fd()).at("stat", &bind.source)?;
    let target = root.mount_point(&bind.destination, directory).at("open mount point", &bind.destination)?;
    let refuse = |why: String| Failure::refusal("cannot mount on", &bind.destination, &why);
    // A link of the image may lead there; a process could be made to read or write something else than its kernel's.
    if is_on(target.as_fd(), libc::PROC_SUPER_MAGIC).at("statfs", &bind.destination)? {
        return Err(refuse("it is below /proc, which the kernel shows".into()));
    }
    if is_directory(target.as_fd()).at("stat", &bind.destination)? != directory {
        let [there, given] = if directory { ["a file", "a directory"] } else { ["a directory", "a file"] };
        let source = &bind.source;
        return Err(refuse(format!("it is {there} in the container, {source} is {given}; give another destination")));
    }
    source.attach(target.as_fd()).at("move_mount", &bind.destination)
}

fn mount_proc(root: &RootDirectory) -> Outcome<()> {
    let target = root.own_directory("proc").at("open mount point", "/proc")?;
    let empty = mount_empty_file(target.as_fd()).at("mount tmpfs", "/proc")?;
    let proc = Detached::new("proc", &[], NOSUID | NODEV | NOEXEC).at("mount proc", "/proc")?;
    proc.attach(target.as_fd()).at("mount proc", "/proc")?;
    for name in kernels_own(&proc).at("read", "/proc")?.iter().filter(|name| !HIDDEN.contains(&name.as_str())) {
        unless_absent(make_read_only(&proc, name)).at("mount read-only", format!("/proc/{name}"))?;
    }
    for name in HIDDEN {
        unless_absent(hide(&proc, name, empty.as_fd())).at("mount over", format!("/proc/{name}"))?;
    }
    Ok(())
}

/// What there is in /proc but processes and links: the same files as the host's, whose modes and owners root in the container
/// could change for all, and write to some.
fn kernels_own(proc: &Detached) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(format!("/proc/self/fd/{}", proc.as_fd().as_raw_fd()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_process = name.bytes().all(|byte| byte.is_ascii_digit());
        if !is_process && !entry.file_type()?.is_symlink() {
            names.push(name);
        }
    }
    Ok(names)
}

fn make_read_only(proc: &Detached, name: &str) -> io::Result<()> {
    let target = resolve(proc.as_fd(), name)?;
    let copy = Detached::clone_of_fd(target.as_fd())?;
    copy.set(RDONLY | NOSUID | NODEV | NOEXEC)?;
    copy.attach(target.as_fd())
}

/// An empty file of the container's own, read-only, to lie over others: what covered them must be no file of the host,
/// whose mode and owner root in the container could change. Only an attached mount can be copied: it stays below /proc.
fn mount_empty_file(target: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mount = Detached::new("tmpfs", &[("mode", "555"), ("size", "4096")], NOSUID | NODEV | NOEXEC)?;
    make_file(mount.as_fd(), "empty", 0o444)?;
    mount.set(RDONLY)?;
    mount.attach(target)?;
    resolve(mount.as_fd(), "empty")
}

/// An empty, read-only directory over a directory, an empty file over a file.
fn hide(proc: &Detached, name: &str, empty: BorrowedFd<'_>) -> io::Result<()> {
    let target = resolve(proc.as_fd(), name)?;
    if is_directory(target.as_fd())? {
        let empty = Detached::new("tmpfs", &[("mode", "555"), ("size", "4096")], RDONLY | NOSUID | NODEV | NOEXEC)?;
        return empty.attach(target.as_fd());
    }
    Detached::clone_of_fd(empty)?.attach(target.as_fd())
}

/// Which of these files there are depends on the kernel's configuration.
fn unless_absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        result => result,
    }
}
