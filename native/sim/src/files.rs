//! Files by descriptor: they are the system's below, but flags, structs and error numbers are FreeBSD's.

// Every function here is called with pointers that its prototype in FreeBSD's manual pages asks for.
#![allow(clippy::missing_safety_doc)]

use crate::errno::{Answer, EINVAL, ENAMETOOLONG, ENOSYS, EOPNOTSUPP, Errno};
use crate::kernel::enter;
use crate::memory::{BytesMut, at};
use crate::mount;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::sync::OnceLock;

const O_RDONLY: c_int = 0;
const O_NONBLOCK: c_int = 4;
const O_NOFOLLOW: c_int = 0x100;
const O_DIRECTORY: c_int = 0x2_0000;
const O_CLOEXEC: c_int = 0x10_0000;
const AT_FDCWD: c_int = -100;
const AT_SYMLINK_NOFOLLOW: c_int = 0x200;
const SEEK_DATA: c_int = 3;
const SEEK_HOLE: c_int = 4;
const EXTATTR_NAMESPACE_USER: c_int = 1;
const EXTATTR_NAMESPACE_SYSTEM: c_int = 2;
/// Of a `struct dirent`, what comes before the name.
const DIRENT_NAME: usize = 24;
/// Release 13 brought copy_file_range(2).
const COPIES_SINCE: u32 = 13;

const EMLINK: Errno = Errno(31);
const ENOATTR: Errno = Errno(87);

/// The error of the system below, by FreeBSD's number.
fn below() -> Errno {
    match std::io::Error::last_os_error().raw_os_error().unwrap_or(EINVAL.0) {
        libc::ENAMETOOLONG => ENAMETOOLONG,
        libc::ENOSYS => ENOSYS,
        libc::ENODATA => ENOATTR,
        libc::EOPNOTSUPP => EOPNOTSUPP,
        number => Errno(number),
    }
}

fn reply(answer: Answer<i64>) -> i64 {
    answer.unwrap_or_else(|Errno(number)| {
        // SAFETY: the address is this thread's own.
        unsafe { *libc::__errno_location() = number };
        -1
    })
}

fn checked(result: i64) -> Answer<i64> {
    if result == -1 { Err(below()) } else { Ok(result) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat(directory: c_int, path: *const c_char, flags: c_int) -> c_int {
    let known = [(O_NONBLOCK, libc::O_NONBLOCK), (O_NOFOLLOW, libc::O_NOFOLLOW), (O_DIRECTORY, libc::O_DIRECTORY)];
    let stray = known.iter().fold(flags & !(O_RDONLY | O_CLOEXEC), |rest, (bit, _)| rest & !bit);
    if stray != 0 {
        return reply(Err(EINVAL)) as c_int;
    }
    let own = known.iter().filter(|(bit, _)| flags & bit != 0).fold(libc::O_CLOEXEC, |own, (_, bit)| own | bit);
    // SAFETY: the caller passes a C string.
    let result = checked(unsafe { libc::syscall(libc::SYS_openat, directory, path, own, 0) });
    // open(2) of FreeBSD: EMLINK, O_NOFOLLOW was specified and the target is a symbolic link.
    reply(result.map_err(|error| if error == Errno(libc::ELOOP) { EMLINK } else { error })) as c_int
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn readlinkat(directory: c_int, path: *const c_char, room: *mut c_char, size: usize) -> isize {
    // SAFETY: the caller passes a C string and as much room as it says.
    reply(checked(unsafe { libc::syscall(libc::SYS_readlinkat, directory, path, room, size) })) as isize
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fstatat(directory: c_int, path: *const c_char, room: *mut c_void, flag: c_int) -> c_int {
    const STAT: usize = 224;
    let stat = || {
        if flag != AT_SYMLINK_NOFOLLOW {
            return Err(EINVAL);
        }
        // SAFETY: plain data; zero is a valid value for each field.
        let mut below: libc::stat = unsafe { std::mem::zeroed() };
        let (call, flag) = (libc::SYS_newfstatat, libc::AT_SYMLINK_NOFOLLOW);
        // SAFETY: the caller passes a C string; the struct outlives the call.
        checked(unsafe { libc::syscall(call, directory, path, &raw mut below, flag) })?;
        // SAFETY: the caller passes room for a struct stat.
        let room = unsafe { at(room as u64, STAT)? };
        room.fill(0);
        room.put_u64(0, below.st_dev);
        room.put_u64(8, below.st_ino);
        room.put_u64(16, below.st_nlink as u64);
        room.put_u16(24, below.st_mode as u16);
        room.put_u32(28, below.st_uid);
        room.put_u32(32, below.st_gid);
        room.put_u64(64, below.st_mtime as u64);
        room.put_u64(72, below.st_mtime_nsec as u64);
        room.put_u64(112, below.st_size as u64);
        Ok(0)
    };
    reply(stat()) as c_int
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn getdirentries(fd: c_int, room: *mut c_char, size: usize, _base: *mut i64) -> isize {
    // Each of FreeBSD's is at most eight bytes longer, and none below is shorter than 24.
    let mut entries = vec![0u8; size / 2];
    // SAFETY: pointer and length are of one live array.
    let length = checked(unsafe { libc::syscall(libc::SYS_getdents64, fd, entries.as_mut_ptr(), entries.len()) });
    // SAFETY: the caller passes as much room as it says.
    reply(length.and_then(|length| Ok(encode(&entries[..length as usize], unsafe { at(room as u64, size)? }) as i64)))
        as isize
}

/// Writes what getdents64(2) gave as FreeBSD has it. Returns how many bytes that took.
fn encode(entries: &[u8], room: &mut [u8]) -> usize {
    let (mut from, mut to) = (0, 0);
    while from + 19 < entries.len() {
        let length = u16::from_le_bytes([entries[from + 16], entries[from + 17]]) as usize;
        let name = CStr::from_bytes_until_nul(&entries[from + 19..from + length]).expect("a name ends with a NUL");
        let name = name.to_bytes();
        let size = (DIRENT_NAME + name.len() + 1).next_multiple_of(8);
        let entry = &mut room[to..to + size];
        entry.fill(0);
        entry[..16].copy_from_slice(&entries[from..from + 16]);
        entry.put_u16(16, size as u16);
        entry[18] = entries[from + 18];
        entry.put_u16(20, name.len() as u16);
        entry[DIRENT_NAME..DIRENT_NAME + name.len()].copy_from_slice(name);
        from += length;
        to += size;
    }
    to
}

#[unsafe(no_mangle)]
pub extern "C" fn lseek(fd: c_int, offset: i64, whence: c_int) -> i64 {
    if ![SEEK_DATA, SEEK_HOLE].contains(&whence) {
        return reply(Err(EINVAL));
    }
    // SAFETY: no pointers; the two are the same on both systems.
    reply(checked(unsafe { libc::syscall(libc::SYS_lseek, fd, offset, whence) }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn copy_file_range(
    from: c_int,
    from_offset: *mut i64,
    to: c_int,
    to_offset: *mut i64,
    length: usize,
    flags: c_uint,
) -> isize {
    static RELEASE: OnceLock<u32> = OnceLock::new();
    let release = *RELEASE.get_or_init(|| enter("release", |kernel| Ok(kernel.machine.release)).unwrap_or_default());
    if release < COPIES_SINCE || flags != 0 {
        return reply(Err(if flags != 0 { EINVAL } else { ENOSYS })) as isize;
    }
    let call = libc::SYS_copy_file_range;
    // SAFETY: the caller passes two offsets.
    reply(checked(unsafe { libc::syscall(call, from, from_offset, to, to_offset, length, 0) })) as isize
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fstatfs(fd: c_int, room: *mut c_void) -> c_int {
    let answer = enter("fstatfs", |kernel| {
        let path = std::fs::read_link(format!("/proc/self/fd/{fd}")).map_err(|_| crate::errno::EBADF)?;
        // SAFETY: the caller passes room for a struct statfs.
        mount::statfs(kernel, &path.to_string_lossy(), unsafe { at(room as u64, mount::STATFS)? })
    });
    reply(answer.map(|()| 0)) as c_int
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn utimensat(fd: c_int, path: *const c_char, times: *const c_void, flag: c_int) -> c_int {
    if fd != AT_FDCWD || flag != AT_SYMLINK_NOFOLLOW {
        return reply(Err(EINVAL)) as c_int;
    }
    let flag = libc::AT_SYMLINK_NOFOLLOW;
    // SAFETY: the caller passes a C string and two struct timespec, the same on both systems.
    reply(checked(unsafe { libc::syscall(libc::SYS_utimensat, libc::AT_FDCWD, path, times, flag) })) as c_int
}

/// The name below of an attribute: the namespace `user` is there, too; of `system` there is nothing.
unsafe fn name_below(namespace: c_int, name: *const c_char) -> Answer<CString> {
    if namespace != EXTATTR_NAMESPACE_USER {
        return Err(if namespace == EXTATTR_NAMESPACE_SYSTEM { EOPNOTSUPP } else { EINVAL });
    }
    // SAFETY: the caller passes a C string.
    let name = unsafe { CStr::from_ptr(name) };
    CString::new([b"user.", name.to_bytes()].concat()).map_err(|_| EINVAL)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn extattr_list_fd(fd: c_int, namespace: c_int, room: *mut c_void, size: usize) -> isize {
    let list = || {
        if namespace == EXTATTR_NAMESPACE_SYSTEM {
            return Ok(0);
        }
        if namespace != EXTATTR_NAMESPACE_USER {
            return Err(EINVAL);
        }
        let mut names = vec![0u8; 65_536];
        // SAFETY: pointer and length are of one live array.
        let length = checked(unsafe { libc::flistxattr(fd, names.as_mut_ptr().cast(), names.len()) } as i64)?;
        let mut listed = Vec::new();
        for name in names[..length as usize].split(|byte| *byte == 0) {
            if let Some(name) = name.strip_prefix(b"user.") {
                listed.push(name.len() as u8);
                listed.extend_from_slice(name);
            }
        }
        // SAFETY: the caller passes as much room as it says.
        let room = unsafe { at(room as u64, size)? };
        let length = listed.len().min(room.len());
        room[..length].copy_from_slice(&listed[..length]);
        Ok(length as i64)
    };
    reply(list()) as isize
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn extattr_get_fd(
    fd: c_int,
    namespace: c_int,
    name: *const c_char,
    room: *mut c_void,
    size: usize,
) -> isize {
    // SAFETY: the caller passes a C string and as much room as it says.
    reply(unsafe {
        name_below(namespace, name).and_then(|name| checked(libc::fgetxattr(fd, name.as_ptr(), room, size) as i64))
    }) as isize
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn extattr_set_link(
    path: *const c_char,
    namespace: c_int,
    name: *const c_char,
    value: *const c_void,
    size: usize,
) -> isize {
    // SAFETY: the caller passes C strings and as many bytes as it says.
    reply(unsafe {
        name_below(namespace, name)
            .and_then(|name| checked(libc::lsetxattr(path, name.as_ptr(), value, size, 0).into()))
            .map(|_| size as i64)
    }) as isize
}
