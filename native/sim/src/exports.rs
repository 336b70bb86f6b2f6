//! The C functions, as FreeBSD's libc, libzfs_core and libnvpair declare them. Numbers in `errno` are FreeBSD's.

// Every function here is called with pointers that its prototype in FreeBSD's manual pages asks for.
#![allow(clippy::missing_safety_doc)]

use crate::descriptor::{Object, forget, fresh, jail_of, object_of};
use crate::errno::{Answer, EBADF, EEXIST, EINVAL, ENODEV, ENOENT, ENOSYS, ENOTTY, ENXIO, EPERM, Errno};
use crate::kernel::enter;
use crate::memory::{Bytes, BytesMut, at};
use crate::nvlist::{List, Value};
use crate::options::Options;
use crate::state::Kernel;
use crate::{devfs, interface, jail, link, mount, nvlist, pf, process, queue, rctl, socket, sysctl, zfs};
use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_ulong, c_void};

const SOCK_CLOEXEC: c_int = 0x1000_0000;
const O_RDWR: c_int = 2;
const O_CLOEXEC: c_int = 0x0010_0000;
const O_NONBLOCK: c_int = 0x4;
const BPF_DEVICE: &str = "/dev/bpf";
const PF_DEVICE: &str = "/dev/pf";

fn set_errno(Errno(number): Errno) {
    // SAFETY: the address is this thread's own.
    unsafe { *libc::__errno_location() = number };
}

/// -1 and errno, or what the call gives.
fn reply(answer: Answer<c_int>) -> c_int {
    answer.unwrap_or_else(|errno| {
        set_errno(errno);
        -1
    })
}

fn done(answer: Answer) -> c_int {
    reply(answer.map(|()| 0))
}

/// An errno, or 0.
fn code(answer: Answer) -> c_int {
    answer.map_or_else(|Errno(number)| number, |()| 0)
}

/// errno of the system below, where the call was made there: up to 34 the numbers are the same.
fn below() -> Errno {
    Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(EINVAL.0))
}

unsafe fn text(pointer: *const c_char) -> Answer<String> {
    if pointer.is_null() {
        return Err(crate::errno::EFAULT);
    }
    // SAFETY: the caller passes a C string.
    unsafe { CStr::from_ptr(pointer) }.to_str().map(str::to_owned).map_err(|_| EINVAL)
}

#[unsafe(no_mangle)]
pub extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    reply(enter("socket", |kernel| {
        fresh(Object::Socket(socket::open(kernel, domain, kind & !SOCK_CLOEXEC, protocol)?))
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn bind(fd: c_int, address: *mut c_void, length: c_uint) -> c_int {
    done(enter("bind", |kernel| {
        // SAFETY: the caller passes as many bytes as it says.
        socket::bind(kernel, fd, unsafe { at(address as u64, length as usize)? })
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn getsockname(fd: c_int, address: *mut c_void, length: *mut c_void) -> c_int {
    done(enter("getsockname", |_| {
        // SAFETY: the caller passes room, and its length.
        let cell = unsafe { at(length as u64, 4)? };
        // SAFETY: as above.
        let room = unsafe { at(address as u64, cell.get_u32(0) as usize)? };
        socket::name(fd, room, cell)
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, _mode: c_int) -> c_int {
    reply(enter("open", |kernel| {
        // SAFETY: the caller passes a C string.
        let path = unsafe { text(path)? };
        if path == BPF_DEVICE && flags == O_RDWR | O_CLOEXEC | O_NONBLOCK && process::own_jail() == 0 {
            let fd = fresh(Object::Link)?;
            link::open(fd);
            return Ok(fd);
        }
        if flags & !(O_RDWR | O_CLOEXEC) != 0 {
            return Err(EINVAL);
        }
        if path == PF_DEVICE {
            kernel.pf_looked_for = true;
            return match (kernel.has_module("pf"), process::own_jail()) {
                (false, _) => Err(ENOENT),
                (true, 0) => fresh(Object::Pf(kernel.pf_unloaded)),
                (true, _) => Err(EPERM),
            };
        }
        let devices = kernel.mounts.iter().any(|one| one.kind == "devfs" && one.path == path);
        if devices { fresh(Object::Devfs) } else { Err(ENOENT) }
    }))
}

#[unsafe(no_mangle)]
pub extern "C" fn close(fd: c_int) -> c_int {
    match forget(fd) {
        // It may have ended by itself.
        Some(Object::Jail { jid, owns: true }) => drop(enter("close", |kernel| jail::remove(kernel, jid))),
        Some(Object::Queue) => queue::close(fd),
        _ => {}
    }
    // SAFETY: no pointers; whoever opened it means it to be closed.
    done(if unsafe { libc::syscall(libc::SYS_close, fd) } == 0 { Ok(()) } else { Err(below()) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ioctl(fd: c_int, request: c_ulong, argument: *mut c_void) -> c_int {
    let argument = argument as u64;
    done(enter(&format!("ioctl {request:#x}"), |kernel| {
        match object_of(fd) {
            // SAFETY: the caller's argument is what the request asks for.
            Some(Object::Socket(socket)) => unsafe { interface::ioctl(kernel, socket.family, request, argument) },
            // The device has gone, devfs_ioctl; once somebody has looked into /dev its vnode has, too, vn_ioctl.
            Some(Object::Pf(loading)) if loading != kernel.pf_unloaded => {
                Err(if kernel.pf_looked_for { ENOTTY } else { ENXIO })
            }
            Some(Object::Pf(_)) => {
                let host = kernel.pf_host();
                pf::ioctl(&mut kernel.pf, &host, request, argument)
            }
            // SAFETY: as above.
            Some(Object::Devfs) => unsafe { devfs::ioctl(kernel, request, argument) },
            // SAFETY: as above.
            Some(Object::Link) => unsafe { link::ioctl(kernel, fd, request, argument) },
            Some(Object::Jail { .. } | Object::Queue) => Err(ENOTTY),
            // SAFETY: no memory but the caller's own is concerned.
            None if unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 => Err(EBADF),
            None => Err(ENOTTY),
        }
    }))
}

/// The one buffer of a vector.
unsafe fn buffer<'a>(vector: *const c_void, count: c_int) -> Answer<&'a mut [u8]> {
    if count != 1 {
        return Err(EINVAL);
    }
    // SAFETY: the caller passes one iovec, which says how much memory is there.
    unsafe {
        let vector = at(vector as u64, 16)?;
        at(vector.get_u64(0), vector.get_u64(8) as usize)
    }
}

/// Of bpf(4) alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn readv(fd: c_int, vector: *const c_void, count: c_int) -> isize {
    reply(enter("readv", |_| match object_of(fd) {
        // SAFETY: the caller passes as many iovecs as it says.
        Some(Object::Link) => link::read(fd, unsafe { buffer(vector, count)? }).map(|length| length as c_int),
        _ => Err(EBADF),
    })) as isize
}

/// Of bpf(4) alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(fd: c_int, vector: *const c_void, count: c_int) -> isize {
    reply(enter("writev", |kernel| match object_of(fd) {
        // SAFETY: the caller passes as many iovecs as it says.
        Some(Object::Link) => link::write(kernel, fd, unsafe { buffer(vector, count)? }).map(|length| length as c_int),
        _ => Err(EBADF),
    })) as isize
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn getifaddrs(list: *mut u64) -> c_int {
    done(enter("getifaddrs", |kernel| {
        // SAFETY: the caller's pointer has room for one.
        unsafe { *list = interface::list(kernel) };
        Ok(())
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn freeifaddrs(list: *mut c_void) {
    // SAFETY: the block that getifaddrs gave, or null.
    unsafe { libc::free(list) };
}

unsafe fn with_options(
    call: &str,
    vector: *mut c_void,
    count: c_uint,
    work: impl FnOnce(&mut Kernel, &mut Options) -> Answer<c_int>,
) -> c_int {
    reply(enter(call, |kernel| {
        // SAFETY: the caller passes `count` iovecs.
        let mut options = unsafe { Options::read(vector as u64, count)? };
        work(kernel, &mut options)
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn jail_set(vector: *mut c_void, count: c_uint, flags: c_int) -> c_int {
    // SAFETY: as the caller promised.
    unsafe { with_options("jail_set", vector, count, |kernel, options| jail::set(kernel, options, flags)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn jail_get(vector: *mut c_void, count: c_uint, flags: c_int) -> c_int {
    // SAFETY: as the caller promised.
    unsafe { with_options("jail_get", vector, count, |kernel, options| jail::get(kernel, options, flags)) }
}

#[unsafe(no_mangle)]
pub extern "C" fn jail_attach(jid: c_int) -> c_int {
    done(enter("jail_attach", |kernel| jail::attach(kernel, jid)))
}

#[unsafe(no_mangle)]
pub extern "C" fn jail_remove(jid: c_int) -> c_int {
    done(enter("jail_remove", |kernel| jail::remove(kernel, jid)))
}

/// Of release 15, as the next one.
#[unsafe(no_mangle)]
pub extern "C" fn jail_attach_jd(fd: c_int) -> c_int {
    done(enter("jail_attach_jd", |kernel| {
        requires_descriptors(kernel)?;
        jail::attach(kernel, jail_of(fd)?)
    }))
}

#[unsafe(no_mangle)]
pub extern "C" fn jail_remove_jd(fd: c_int) -> c_int {
    done(enter("jail_remove_jd", |kernel| {
        requires_descriptors(kernel)?;
        jail::remove(kernel, jail_of(fd)?)
    }))
}

#[unsafe(no_mangle)]
pub extern "C" fn kqueue() -> c_int {
    reply(enter("kqueue", |_| queue::open()))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn kevent(
    fd: c_int,
    changes: *const c_void,
    change_count: c_int,
    events: *mut c_void,
    event_count: c_int,
    timeout: *const libc::timespec,
) -> c_int {
    // SAFETY: the caller passes as many events as it says, and room likewise; null or one timespec.
    reply(unsafe {
        let made = enter("kevent", |kernel| {
            queue::register(kernel, fd, at(changes as u64, change_count.max(0) as usize * queue::KEVENT)?)
        });
        made.and_then(|()| {
            queue::take(fd, at(events as u64, event_count.max(0) as usize * queue::KEVENT)?, timeout.as_ref())
        })
    })
}

fn requires_descriptors(kernel: &Kernel) -> Answer {
    if kernel.machine.release >= jail::DESCRIPTORS_SINCE { Ok(()) } else { Err(ENOSYS) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nmount(vector: *mut c_void, count: c_uint, flags: c_int) -> c_int {
    // SAFETY: as the caller promised.
    unsafe {
        with_options("nmount", vector, count, |kernel, options| mount::nmount(kernel, options, flags).map(|()| 0))
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn unmount(path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: the caller passes a C string.
    done(enter("unmount", |kernel| mount::unmount(kernel, &unsafe { text(path)? }, flags)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn statfs(path: *const c_char, room: *mut c_void) -> c_int {
    // SAFETY: the caller passes a C string and room for a struct statfs.
    done(enter("statfs", |kernel| unsafe { mount::statfs(kernel, &text(path)?, at(room as u64, mount::STATFS)?) }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn getfsstat(room: *mut c_void, size: c_long, mode: c_int) -> c_int {
    const MNT_NOWAIT: c_int = 2;
    reply(enter("getfsstat", |kernel| {
        if mode != MNT_NOWAIT || size < 0 {
            return Err(EINVAL);
        }
        // SAFETY: the caller passes as many bytes as it says, or null.
        let room = if room.is_null() { None } else { Some(unsafe { at(room as u64, size as usize)? }) };
        Ok(mount::getfsstat(kernel, room))
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn sysctl(
    name: *const c_int,
    length: c_uint,
    old: *mut c_void,
    old_size: *mut c_void,
    new: *const c_void,
    new_size: usize,
) -> c_int {
    // SAFETY: the caller passes as many numbers as it says, and room likewise.
    done(enter("sysctl", |kernel| unsafe {
        let mib = std::slice::from_raw_parts(name, length as usize).to_vec();
        exchange(kernel, &mib, [old as u64, old_size as u64], [new as u64, new_size as u64])
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn sysctlbyname(
    name: *const c_char,
    old: *mut c_void,
    old_size: *mut c_void,
    new: *const c_void,
    new_size: usize,
) -> c_int {
    // SAFETY: the caller passes a C string, and room as it says.
    done(enter("sysctlbyname", |kernel| unsafe {
        let mib = sysctl::mib_of(kernel, &text(name)?)?;
        exchange(kernel, &mib, [old as u64, old_size as u64], [new as u64, new_size as u64])
    }))
}

unsafe fn exchange(kernel: &mut Kernel, mib: &[i32], old: [u64; 2], new: [u64; 2]) -> Answer {
    const CTL_MAXNAME: usize = 24;
    let [room, size] = old;
    if !(2..=CTL_MAXNAME).contains(&mib.len()) {
        return Err(EINVAL);
    }
    if size != 0 || new[1] == 0 {
        // SAFETY: the caller's promise.
        unsafe { sysctl::give(&sysctl::read(kernel, mib)?, room, size)? };
    }
    if new[1] != 0 {
        // SAFETY: the caller's promise.
        sysctl::write(kernel, mib, unsafe { at(new[0], new[1] as usize)? })?;
    }
    Ok(())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn sysctlnametomib(name: *const c_char, mib: *mut c_void, size: *mut c_void) -> c_int {
    // SAFETY: the caller passes a C string, and room for as many numbers as the cell says.
    done(enter("sysctlnametomib", |kernel| unsafe {
        let found = sysctl::mib_of(kernel, &text(name)?)?;
        let cell = at(size as u64, 8)?;
        if (cell.get_u64(0) as usize) < found.len() {
            return Err(crate::errno::ENOMEM);
        }
        let room = at(mib as u64, found.len() * 4)?;
        for (index, part) in found.iter().enumerate() {
            room.put_u32(index * 4, *part as u32);
        }
        cell.put_u64(0, found.len() as u64);
        Ok(())
    }))
}

unsafe fn limits(
    call: &str,
    input: [u64; 2],
    output: [u64; 2],
    work: impl FnOnce(&mut Kernel, &str) -> Answer<String>,
) -> c_int {
    done(enter(call, |kernel| {
        const MAX_INBUFSIZE: u64 = 4 << 10;
        if input[1] > MAX_INBUFSIZE {
            return Err(crate::errno::E2BIG);
        }
        // SAFETY: the caller passes as many bytes as it says.
        let bytes = unsafe { at(input[0], input[1] as usize)? };
        let Some((0, bytes)) = bytes.split_last() else { return Err(EINVAL) };
        let answer = work(kernel, std::str::from_utf8(bytes).map_err(|_| EINVAL)?)?;
        // SAFETY: as above.
        if output[0] == 0 { Ok(()) } else { rctl::give(&answer, unsafe { at(output[0], output[1] as usize)? }) }
    }))
}

macro_rules! limit_call {
    ($name:ident, $work:expr) => {
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            input: *const c_void,
            input_size: usize,
            output: *mut c_void,
            output_size: usize,
        ) -> c_int {
            let (input, output) = ([input as u64, input_size as u64], [output as u64, output_size as u64]);
            // SAFETY: as the caller promised.
            unsafe { limits(stringify!($name), input, output, $work) }
        }
    };
}

limit_call!(rctl_add_rule, |kernel, rule| rctl::add(kernel, rule).map(|()| String::new()));
limit_call!(rctl_remove_rule, |kernel, filter| rctl::remove(kernel, filter).map(|()| String::new()));
limit_call!(rctl_get_rules, |kernel, filter| rctl::rules(kernel, filter));
limit_call!(rctl_get_racct, |kernel, subject| rctl::usage(kernel, subject));

const MODULES: [&str; 8] = ["pf", "if_bridge", "if_epair", "nullfs", "zfs", "tmpfs", "fdescfs", "pflog"];

#[unsafe(no_mangle)]
pub unsafe extern "C" fn kldload(name: *const c_char) -> c_int {
    reply(enter("kldload", |kernel| {
        // SAFETY: the caller passes a C string.
        let name = unsafe { text(name)? };
        if process::own_jail() != 0 {
            return Err(EPERM);
        }
        if !MODULES.contains(&name.as_str()) {
            return Err(ENOENT);
        }
        if kernel.modules.insert(name) { Ok(kernel.modules.len() as c_int) } else { Err(EEXIST) }
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn kldfind(name: *const c_char) -> c_int {
    reply(enter("kldfind", |kernel| {
        // SAFETY: the caller passes a C string.
        let name = unsafe { text(name)? };
        if kernel.has_module(name.trim_end_matches(".ko")) { Ok(1) } else { Err(ENOENT) }
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn modfind(name: *const c_char) -> c_int {
    // SAFETY: the caller passes a C string.
    reply(enter("modfind", |kernel| if kernel.has_module(&unsafe { text(name)? }) { Ok(1) } else { Err(ENOENT) }))
}

/// Only that processes whose parent ended become this one's children.
#[unsafe(no_mangle)]
pub extern "C" fn procctl(kind: c_int, id: i64, command: c_int, _data: *mut c_void) -> c_int {
    const P_PID: c_int = 0;
    const PROC_REAP_ACQUIRE: c_int = 2;
    // SAFETY: no pointers.
    let own = id == 0 || id == i64::from(unsafe { libc::getpid() });
    if kind != P_PID || command != PROC_REAP_ACQUIRE || !own {
        return done(Err(EINVAL));
    }
    // SAFETY: no pointers.
    done(if unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) } == 0 { Ok(()) } else { Err(below()) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn setlogin(_name: *const c_char) -> c_int {
    0
}

/// Where the system below gives a superuser no groups, as in a user namespace of one user, the model has no use for them either.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn setgroups(count: c_int, groups: *const libc::gid_t) -> c_int {
    // SAFETY: the caller passes so many numbers.
    if unsafe { libc::syscall(libc::SYS_setgroups, count as libc::c_long, groups) } == 0 {
        return 0;
    }
    match below() {
        EPERM if process::may_set_groups() => 0,
        errno => done(Err(errno)),
    }
}

/// Of login.conf(5) it has two classes: the processes of `root` leave no core files, those of `limited` open 64 files. It is called from within jails, where the
/// simulator's own files are out of reach.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn setclasscontext(class: *const c_char, flags: c_uint) -> c_int {
    const LOGIN_SETRESOURCES: c_uint = 0x10;
    // SAFETY: the caller passes a C string.
    let Ok(class) = (unsafe { text(class) }) else { return done(Err(EINVAL)) };
    let limit = match class.as_str() {
        _ if flags & LOGIN_SETRESOURCES == 0 => None,
        "root" => Some((libc::RLIMIT_CORE, 0)),
        "limited" => Some((libc::RLIMIT_NOFILE, 64)),
        _ => None,
    };
    if let Some((resource, amount)) = limit {
        let limit = libc::rlimit { rlim_cur: amount, rlim_max: amount };
        // SAFETY: the limit outlives the call.
        unsafe { libc::setrlimit(resource, &raw const limit) };
    }
    done(if ["root", "default", "limited"].contains(&class.as_str()) { Ok(()) } else { Err(EINVAL) })
}

#[unsafe(no_mangle)]
pub extern "C" fn flock(fd: c_int, operation: c_int) -> c_int {
    // SAFETY: no pointers; LOCK_* are the same on both systems, EAGAIN is not.
    if unsafe { libc::syscall(libc::SYS_flock, fd, operation) } == 0 {
        return 0;
    }
    let Errno(number) = below();
    done(Err(if number == libc::EAGAIN { crate::errno::EAGAIN } else { Errno(number) }))
}

/// Bytes at the beginning of a file become a hole, fspacectl(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fspacectl(fd: c_int, command: c_int, range: *const c_void, flags: c_int, _rest: u64) -> c_int {
    const SPACECTL_DEALLOC: c_int = 1;
    const RANGE: usize = 16;
    done(enter("fspacectl", |_| {
        // SAFETY: the caller passes a struct spacectl_range.
        let range = unsafe { at(range as u64, RANGE)? };
        if command != SPACECTL_DEALLOC || flags != 0 {
            return Err(EINVAL);
        }
        let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        // SAFETY: no pointers.
        let result = unsafe { libc::fallocate(fd, mode, range.get_u64(0) as i64, range.get_u64(8) as i64) };
        if result == 0 { Ok(()) } else { Err(below()) }
    }))
}

#[unsafe(no_mangle)]
pub extern "C" fn libzfs_core_init() -> c_int {
    code(enter("libzfs_core_init", |kernel| if kernel.has_module("zfs") { Ok(()) } else { Err(ENOENT) }))
}

#[unsafe(no_mangle)]
pub extern "C" fn libzfs_core_fini() {}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn lzc_exists(name: *const c_char) -> c_int {
    // SAFETY: the caller passes a C string.
    enter("lzc_exists", |kernel| Ok(zfs::exists(kernel, &unsafe { text(name)? }))).map_or(0, c_int::from)
}

const LZC_DATSET_TYPE_ZFS: c_int = 2;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn lzc_create(
    name: *const c_char,
    kind: c_int,
    properties: u64,
    _key: *mut c_void,
    _key_length: c_uint,
) -> c_int {
    // SAFETY: the caller passes a C string and a list.
    code(enter("lzc_create", |kernel| unsafe {
        if kind != LZC_DATSET_TYPE_ZFS {
            return Err(EINVAL);
        }
        zfs::create(kernel, &text(name)?, List::at(properties)?.properties())
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn lzc_clone(name: *const c_char, origin: *const c_char, properties: u64) -> c_int {
    // SAFETY: the caller passes C strings and a list.
    code(enter("lzc_clone", |kernel| unsafe {
        zfs::clone(kernel, &text(name)?, &text(origin)?, List::at(properties)?.properties())
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn lzc_destroy(name: *const c_char) -> c_int {
    // SAFETY: the caller passes a C string.
    code(enter("lzc_destroy", |kernel| zfs::destroy(kernel, &unsafe { text(name)? })))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn lzc_rollback_to(name: *const c_char, snapshot: *const c_char) -> c_int {
    // SAFETY: the caller passes C strings.
    code(enter("lzc_rollback_to", |kernel| unsafe { zfs::rollback(kernel, &text(name)?, &text(snapshot)?) }))
}

/// A list of the names that stood in the way, for the caller to free.
unsafe fn failures(cell: *mut u64, (errno, names): (Errno, Vec<String>)) -> Errno {
    let list = List(
        names
            .into_iter()
            .filter_map(|name| Some((std::ffi::CString::new(name).ok()?, Value::Number(errno.0 as u64))))
            .collect(),
    );
    // SAFETY: the caller's pointer has room for one address.
    unsafe { *cell = if list.0.is_empty() { 0 } else { Box::into_raw(Box::new(list)) as u64 } };
    errno
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn lzc_snapshot(names: u64, _properties: u64, errors: *mut u64) -> c_int {
    // SAFETY: the caller passes a list and room for an address.
    code(enter("lzc_snapshot", |kernel| unsafe {
        zfs::snapshot(kernel, &List::at(names)?.names()).map_err(|failed| failures(errors, failed))
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn lzc_destroy_snaps(names: u64, defer: c_int, errors: *mut u64) -> c_int {
    // SAFETY: the caller passes a list and room for an address.
    code(enter("lzc_destroy_snaps", |kernel| unsafe {
        zfs::destroy_snapshots(kernel, &List::at(names)?.names(), defer != 0).map_err(|failed| failures(errors, failed))
    }))
}

const NV_UNIQUE_NAME: c_uint = 1;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvlist_alloc(cell: *mut u64, flags: c_uint, _sleep: c_int) -> c_int {
    if flags != NV_UNIQUE_NAME {
        return EINVAL.0;
    }
    // SAFETY: the caller's pointer has room for one address.
    unsafe { *cell = Box::into_raw(Box::<List>::default()) as u64 };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvlist_free(list: u64) {
    if list != 0 {
        // SAFETY: the caller passes a list that it frees once.
        drop(unsafe { Box::from_raw(list as *mut List) });
    }
}

unsafe fn put(list: u64, name: *const c_char, value: Value) -> c_int {
    // SAFETY: the caller passes a list and a C string.
    code(unsafe { List::at(list) }.map(|list| list.put(unsafe { CStr::from_ptr(name) }.to_owned(), value)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvlist_add_boolean(list: u64, name: *const c_char) -> c_int {
    // SAFETY: as the caller promised.
    unsafe { put(list, name, nvlist::Value::Boolean) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvlist_add_uint64(list: u64, name: *const c_char, value: u64) -> c_int {
    // SAFETY: as the caller promised.
    unsafe { put(list, name, Value::Number(value)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvlist_add_string(list: u64, name: *const c_char, value: *const c_char) -> c_int {
    // SAFETY: as the caller promised.
    unsafe {
        match text(value) {
            Ok(value) => put(list, name, Value::Text(value)),
            Err(Errno(number)) => number,
        }
    }
}

/// A pair is the address of its place in the list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvlist_next_nvpair(list: u64, pair: u64) -> u64 {
    // SAFETY: the caller passes a list, and null or a pair of it.
    let Ok(list) = (unsafe { List::at(list) }) else { return 0 };
    let address = |index: usize| list.0.get(index).map_or(0, |one| &raw const *one as u64);
    let index = (0..list.0.len()).find(|index| address(*index) == pair);
    address(if pair == 0 { 0 } else { index.map_or(usize::MAX, |index| index + 1) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvpair_name(pair: u64) -> u64 {
    // SAFETY: the caller passes a pair that nvlist_next_nvpair gave.
    unsafe { (*(pair as *const (std::ffi::CString, Value))).0.as_ptr() as u64 }
}

/// For tests: what the loaded rules make of a packet, JSON to JSON. Returns the length of the answer, -1 if it does not fit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sim_pf_packet(packet: *const c_char, answer: *mut c_char, size: usize) -> c_int {
    reply(enter("packet", |kernel| {
        // SAFETY: the caller passes a C string.
        let packet = unsafe { text(packet)? };
        let host = kernel.pf_host();
        let verdict = pf::packet(&mut kernel.pf, &host, &packet);
        // SAFETY: the caller passes as much room as it says.
        let room = unsafe { at(answer as u64, size)? };
        rctl::give(&verdict, room)?;
        Ok(verdict.len() as c_int)
    }))
}

/// For tests: the module pf is unloaded, and with it all that it had.
#[unsafe(no_mangle)]
pub extern "C" fn sim_pf_unload() -> c_int {
    done(enter("unload", |kernel| {
        kernel.modules.remove("pf");
        kernel.pf = pf::Pf::default();
        kernel.pf_unloaded += 1;
        kernel.pf_looked_for = false;
        Ok(())
    }))
}

/// For tests: pf forgets all connections.
#[unsafe(no_mangle)]
pub extern "C" fn sim_pf_forget() -> c_int {
    done(enter("forget", |kernel| {
        kernel.pf.forget();
        Ok(())
    }))
}

/// For tests, where the model has no processes: the last one of a jail has ended. It is gone, or dying for as long as
/// something of it is held.
#[unsafe(no_mangle)]
pub extern "C" fn sim_jail_end(jid: c_int, dying: c_int) -> c_int {
    done(enter("jail end", |kernel| jail::end(kernel, jid, dying != 0)))
}

/// For tests: the time passes that pf takes to free what was taken out of it.
#[unsafe(no_mangle)]
pub extern "C" fn sim_pf_purge() -> c_int {
    done(enter("purge", |kernel| {
        kernel.pf.pass_time();
        Ok(())
    }))
}

/// For tests: the whole state as JSON, written to a file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sim_state(path: *const c_char) -> c_int {
    done(enter("state", |kernel| {
        jail::reap(kernel);
        // SAFETY: the caller passes a C string.
        let path = unsafe { text(path)? };
        std::fs::write(path, serde_json::to_vec(kernel).map_err(|_| ENODEV)?).map_err(|_| below())
    }))
}
