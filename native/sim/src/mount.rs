//! Mounted file systems, nmount(2). On a real machine each is made below, too: nullfs and zfs as bind mounts, tmpfs as it
//! is, devfs as a tmpfs with the nodes that its ruleset leaves.

use crate::errno::{Answer, EBUSY, EINVAL, ENAMETOOLONG, ENODEV, ENOENT, ENOTDIR, EPERM, Errno};
use crate::memory::BytesMut;
use crate::options::Options;
use crate::process;
use crate::state::{Kernel, Machine, Mount};
use crate::zfs;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;

pub const STATFS: usize = 2344;
const STATFS_VERSION: u32 = 0x2014_0518;
const MNAMELEN: usize = 1024;
const MFSNAMELEN: usize = 16;
const MNT_RDONLY: i32 = 1;
const MNT_NOEXEC: i32 = 4;
const MNT_NOSUID: i32 = 8;
const MNT_IGNORE: i32 = 0x0080_0000;
const MNT_FORCE: i32 = 0x0008_0000;

pub fn at_boot(machine: &Machine) -> Vec<Mount> {
    let root = Mount { kind: "ufs".into(), source: "/dev/ada0p2".into(), path: "/".into(), flags: 0 };
    let mut mounts = vec![root];
    for (name, path) in machine.datasets.iter().filter(|(_, path)| path.starts_with('/')) {
        mounts.retain(|one| one.path != *path);
        mounts.push(Mount { kind: "zfs".into(), source: name.clone(), path: path.clone(), flags: 0 });
    }
    mounts.push(Mount { kind: "devfs".into(), source: "devfs".into(), path: "/dev".into(), flags: 0 });
    mounts
}

/// What each file system takes besides fstype and fspath: with a value, or without.
fn allowed(kind: &str) -> Option<&'static [&'static str]> {
    match kind {
        "nullfs" => Some(&["target", "from", "ro", "nosuid", "noexec"]),
        "devfs" => Some(&["from", "ruleset", "noexec", "nosuid"]),
        "tmpfs" => Some(&["from", "size", "mode", "uid", "gid", "inodes", "ro", "nosuid", "noexec"]),
        "zfs" => Some(&["from", "ro", "nosuid", "noexec"]),
        "procfs" | "fdescfs" => Some(&["from", "nosuid", "noexec"]),
        _ => None,
    }
}

pub fn nmount(kernel: &mut Kernel, options: &mut Options, flags: i32) -> Answer {
    if process::own_jail() != 0 {
        return Err(EPERM);
    }
    let text = |name: &str| options.find(name).ok_or(EINVAL).and_then(|option| option.text());
    let (kind, given) = (text("fstype")?, text("fspath")?);
    if given.len() >= MNAMELEN || kind.len() >= MFSNAMELEN {
        return Err(ENAMETOOLONG);
    }
    let module = match kind.as_str() {
        "tmpfs" | "devfs" | "procfs" | "fdescfs" => true,
        module => kernel.has_module(module),
    };
    let Some(known) = allowed(&kind).filter(|_| module) else {
        options.say("Invalid fstype");
        return Err(ENODEV);
    };
    if flags & !(MNT_RDONLY | MNT_NOEXEC | MNT_NOSUID | MNT_IGNORE) != 0 {
        return Err(EINVAL);
    }
    let path = directory(&given, &kernel.machine)?;
    let stray = |name: &str| !known.contains(&name) && !["fstype", "fspath", "errmsg"].contains(&name);
    if let Some(name) = options.0.iter().map(|option| option.name.clone()).find(|name| stray(name)) {
        options.say(&format!("mount option <{name}> is unknown"));
        return Err(EINVAL);
    }
    // Numbers, the mode in octal.
    for name in ["size", "inodes", "uid", "gid", "mode"] {
        let radix = if name == "mode" { 8 } else { 10 };
        let number = |text: &str| u64::from_str_radix(text, radix).is_ok();
        if options.find(name).map(|option| option.text()).transpose()?.is_some_and(|text| !number(&text)) {
            return Err(EINVAL);
        }
    }
    let source = match kind.as_str() {
        "nullfs" => directory(&text("target").or_else(|_| text("from"))?, &kernel.machine)?,
        "zfs" => text("from")?,
        kind => kind.to_owned(),
    };
    if kind == "zfs" && !kernel.datasets.contains_key(&source) {
        return Err(ENOENT);
    }
    if kind == "zfs" && kernel.mounts.iter().any(|one| one.kind == "zfs" && one.source == source) {
        return Err(EBUSY);
    }
    let ruleset = match options.find("ruleset") {
        Some(option) => option.text()?.parse::<u16>().map_err(|_| EINVAL)?,
        None => 0,
    };
    let read_only = flags & MNT_RDONLY != 0 || options.has("ro");
    if kernel.machine.real {
        let made = match kind.as_str() {
            "nullfs" => bind(&source, &path, read_only),
            "zfs" => bind(&zfs::files(&source).to_string_lossy(), &path, read_only),
            "devfs" => devices(&path, kernel.rulesets.contains_key(&ruleset)),
            _ => mount("tmpfs", &path, "tmpfs", 0, ""),
        };
        made.map_err(|error| Errno(error.raw_os_error().unwrap_or(EINVAL.0)))?;
    }
    let flags = (flags | if read_only { MNT_RDONLY } else { 0 }) as u64;
    kernel.mounts.push(Mount { kind, source, path, flags });
    Ok(())
}

/// An absolute path as the kernel knows it.
fn directory(path: &str, machine: &Machine) -> Answer<String> {
    if !path.starts_with('/') {
        return Err(EINVAL);
    }
    if !machine.real && machine.directories.contains(path) {
        return Ok(path.into());
    }
    let found = fs::canonicalize(path).map_err(|_| ENOENT)?;
    if found.is_dir() { Ok(found.to_string_lossy().into_owned()) } else { Err(ENOTDIR) }
}

pub fn unmount(kernel: &mut Kernel, path: &str, flags: i32) -> Answer {
    if process::own_jail() != 0 {
        return Err(EPERM);
    }
    if flags & !MNT_FORCE != 0 {
        return Err(EINVAL);
    }
    let real = kernel.machine.real;
    let path =
        if real { fs::canonicalize(path).map_err(|_| ENOENT)?.to_string_lossy().into_owned() } else { path.into() };
    let index = kernel.mounts.iter().rposition(|one| one.path == path).ok_or(EINVAL)?;
    let within = format!("{path}/");
    if kernel.mounts.iter().any(|one| one.path.starts_with(&within)) && flags & MNT_FORCE == 0 {
        return Err(EBUSY);
    }
    if kernel.mounts[index].kind != "devfs" && index == 0 {
        return Err(EBUSY);
    }
    if real {
        let detach = flags & MNT_FORCE != 0 || kernel.mounts[index].kind == "devfs";
        let target = CString::new(path).map_err(|_| EINVAL)?;
        // SAFETY: a C string that outlives the call.
        if unsafe { libc::umount2(target.as_ptr(), if detach { libc::MNT_DETACH } else { 0 }) } != 0 {
            return Err(Errno(io::Error::last_os_error().raw_os_error().unwrap_or(EINVAL.0)));
        }
    }
    kernel.mounts.remove(index);
    Ok(())
}

fn mount(source: &str, target: &str, kind: &str, flags: libc::c_ulong, data: &str) -> io::Result<()> {
    let [source, target, kind, data] = [source, target, kind, data].map(CString::new);
    let (source, target, kind, data) = (source?, target?, kind?, data?);
    // SAFETY: C strings that outlive the call.
    let result = unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data.as_ptr().cast()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn bind(source: &str, target: &str, read_only: bool) -> io::Result<()> {
    mount(source, target, "", libc::MS_BIND, "")?;
    if read_only {
        mount(source, target, "", libc::MS_BIND | libc::MS_REMOUNT | libc::MS_RDONLY, "")?;
    }
    Ok(())
}

/// Without a ruleset that hides them, the machine's own devices are to be seen: `mem` stands for them.
fn devices(target: &str, hidden: bool) -> io::Result<()> {
    mount("devfs", target, "tmpfs", libc::MS_NOSUID, "mode=755")?;
    let nodes = [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
    for (name, major, minor) in nodes {
        let path = CString::new(format!("{target}/{name}"))?;
        // SAFETY: a C string that outlives the call.
        let made = unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o666, libc::makedev(major, minor)) == 0 };
        if made {
            // SAFETY: as above.
            unsafe { libc::chmod(path.as_ptr(), 0o666) };
        } else {
            // A user namespace makes no devices; those that are there do for it.
            fs::write(format!("{target}/{name}"), "")?;
            bind(&format!("/dev/{name}"), &format!("{target}/{name}"), false)?;
        }
    }
    if !hidden {
        fs::write(format!("{target}/mem"), "")?;
    }
    fs::create_dir(format!("{target}/pts"))?;
    mount("devpts", &format!("{target}/pts"), "devpts", libc::MS_NOSUID, "newinstance,ptmxmode=0666,mode=620")?;
    symlink("pts/ptmx", format!("{target}/ptmx"))?;
    symlink("/proc/self/fd", format!("{target}/fd"))
}

fn write(one: &Mount, room: &mut [u8]) {
    room.fill(0);
    // SAFETY: plain data; zero is a valid value for each field.
    let mut space: libc::statvfs = unsafe { std::mem::zeroed() };
    if let Ok(path) = CString::new(one.path.clone()) {
        // SAFETY: a C string and a struct that outlive the call; on failure the struct stays zero.
        unsafe { libc::statvfs(path.as_ptr(), &raw mut space) };
    }
    room.put_u32(0, STATFS_VERSION);
    room.put_u64(8, one.flags);
    room.put_u64(16, space.f_frsize);
    room.put_u64(32, space.f_blocks);
    room.put_u64(40, space.f_bfree);
    room.put_u64(48, space.f_bavail);
    let _ = room.put_name(280, 16, &one.kind);
    let _ = room.put_name(296, MNAMELEN, &one.source);
    let _ = room.put_name(1320, MNAMELEN, &one.path);
}

/// All of them into `room`, as many as fit; how many there are when there is none.
pub fn getfsstat(kernel: &Kernel, room: Option<&mut [u8]>) -> i32 {
    let Some(room) = room else { return kernel.mounts.len() as i32 };
    let mut filled = 0;
    for (one, slot) in kernel.mounts.iter().zip(room.chunks_exact_mut(STATFS)) {
        write(one, slot);
        filled += 1;
    }
    filled
}

pub fn statfs(kernel: &Kernel, path: &str, room: &mut [u8]) -> Answer {
    let machine = &kernel.machine;
    let real = if !machine.real && machine.directories.contains(path) {
        path.to_owned()
    } else {
        fs::canonicalize(path).map_err(|_| ENOENT)?.to_string_lossy().into_owned()
    };
    let holds = |one: &&Mount| one.path == "/" || real == one.path || real.starts_with(&format!("{}/", one.path));
    // The deepest one, of several on one directory the last.
    let found = kernel.mounts.iter().filter(holds).max_by_key(|one| one.path.len()).ok_or(ENOENT)?;
    write(found, room);
    Ok(())
}
