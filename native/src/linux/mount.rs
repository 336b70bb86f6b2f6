//! File systems mounted by descriptor: made or cloned detached, then attached to a directory that was resolved inside
//! the container's root. A symlink in an image can therefore never lead a mount elsewhere. fsopen(2), open_tree(2)

use super::sys::open_resolved;
use crate::common::sys::{self, check, owned, text};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr::null;

// linux/mount.h
const FSOPEN_CLOEXEC: u32 = 1;
const FSMOUNT_CLOEXEC: u32 = 1;
const FSCONFIG_SET_STRING: u32 = 1;
const FSCONFIG_CMD_CREATE: u32 = 6;
const OPEN_TREE_CLONE: u32 = 1;
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 4;
const MOVE_MOUNT_T_EMPTY_PATH: u32 = 0x40;
pub const RDONLY: u64 = 1;
pub const NOSUID: u64 = 2;
pub const NODEV: u64 = 4;
pub const NOEXEC: u64 = 8;
/// Links that one path may go through, as for the kernel: path_resolution(7).
const LINKS: u32 = 40;

#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// A directory that paths are resolved in as if it were `/`.
pub struct RootDirectory(OwnedFd);

impl RootDirectory {
    pub fn open(path: &str) -> io::Result<Self> {
        sys::open(path, libc::O_PATH | libc::O_DIRECTORY).map(Self)
    }

    /// Opens what is at `path` below the root. `..` and symlinks stay inside.
    fn resolve(&self, path: &str, flags: libc::c_int) -> io::Result<OwnedFd> {
        resolve_in(self.0.as_raw_fd(), path, flags, 0)
    }

    /// A directory directly below the root, made if missing. A symlink in its place is ELOOP: what klee mounts itself
    /// belongs at this very name.
    pub fn own_directory(&self, name: &str) -> io::Result<OwnedFd> {
        make_directory(self.0.as_fd(), name)?;
        resolve_directory(self.0.as_fd(), name)
    }

    /// The mount point at `path`: a directory, or an empty file when a file is to be mounted. Made if missing, with its
    /// parents; where a link points at what is missing, that is made, within the root.
    pub fn mount_point(&self, path: &str, directory: bool) -> io::Result<OwnedFd> {
        match self.resolve(path, libc::O_PATH) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => self.make_mount_point(path, directory),
            found => found,
        }
    }

    fn make_mount_point(&self, path: &str, directory: bool) -> io::Result<OwnedFd> {
        let mut left = components(path);
        // Names that are no links, from the root on: what `..` leaves is known.
        let mut walked: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(name) = left.pop() {
            if name == ".." {
                walked.pop();
                continue;
            }
            let parent = self.resolve(&format!("/{}", walked.join("/")), libc::O_PATH | libc::O_DIRECTORY)?;
            match link_target(parent.as_fd(), &name) {
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                    if directory || !left.is_empty() {
                        make_directory(parent.as_fd(), &name)?;
                    } else {
                        make_file(parent.as_fd(), &name, 0o644)?;
                    }
                    walked.push(name);
                }
                Err(error) => return Err(error),
                Ok(None) => walked.push(name),
                Ok(Some(target)) => {
                    links += 1;
                    if links > LINKS {
                        return Err(io::Error::from_raw_os_error(libc::ELOOP));
                    }
                    if target.starts_with('/') {
                        walked.clear();
                    }
                    left.extend(components(&target));
                }
            }
        }
        self.resolve(&format!("/{}", walked.join("/")), libc::O_PATH)
    }
}

/// The names of a path, the last one first.
fn components(path: &str) -> Vec<String> {
    path.split('/').rev().filter(|name| !name.is_empty() && *name != ".").map(str::to_owned).collect()
}

/// Where the link of this name points; none when it is something else.
fn link_target(parent: BorrowedFd<'_>, name: &str) -> io::Result<Option<String>> {
    let found = resolve_in(parent.as_raw_fd(), name, libc::O_PATH | libc::O_NOFOLLOW, 0)?;
    let mut target = vec![0u8; libc::PATH_MAX as usize];
    // SAFETY: the path is an empty C string, and target has the length that is told.
    let length = unsafe { libc::readlinkat(found.as_raw_fd(), c"".as_ptr(), target.as_mut_ptr().cast(), target.len()) };
    match check(length as i64) {
        // readlink(2): with an empty path, what is no link is ENOENT; others say EINVAL.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOENT)) => Ok(None),
        Err(error) => Err(error),
        Ok(length) => {
            target.truncate(length as usize);
            String::from_utf8(target).map(Some).map_err(|_| io::Error::from_raw_os_error(libc::EILSEQ))
        }
    }
}

impl AsFd for RootDirectory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn resolve_in(root: RawFd, path: &str, flags: libc::c_int, resolve: u64) -> io::Result<OwnedFd> {
    let resolve = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS | resolve;
    loop {
        match open_resolved(root, path, flags, resolve) {
            // Something above was renamed meanwhile, the kernel cannot vouch for `..`: openat2(2) says to try again.
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
            result => return result,
        }
    }
}

/// What is directly below a directory, not through a symlink.
pub fn resolve(parent: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    resolve_in(parent.as_raw_fd(), name, libc::O_PATH, libc::RESOLVE_NO_SYMLINKS)
}

/// A directory directly below another, not through a symlink.
pub fn resolve_directory(parent: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    resolve_in(parent.as_raw_fd(), name, libc::O_PATH | libc::O_DIRECTORY, libc::RESOLVE_NO_SYMLINKS)
}

/// Is it a directory, not a single file?
pub fn is_directory(fd: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: stat is plain data; zero is a valid value for each field.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: stat outlives the call.
    check(unsafe { libc::fstat(fd.as_raw_fd(), &mut stat) }.into())?;
    Ok(stat.st_mode & libc::S_IFMT == libc::S_IFDIR)
}

/// Is it on a file system of this kind, by `f_type` of statfs(2)?
pub fn is_on(fd: BorrowedFd<'_>, magic: libc::c_long) -> io::Result<bool> {
    // SAFETY: statfs is plain data; zero is a valid value for each field.
    let mut statfs: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: statfs outlives the call.
    check(unsafe { libc::fstatfs(fd.as_raw_fd(), &mut statfs) }.into())?;
    Ok(statfs.f_type as i64 == magic)
}

/// mkdir; one that is there already is fine.
pub fn make_directory(parent: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let name = text(name)?;
    // SAFETY: name outlives the call.
    let made = check(unsafe { libc::mkdirat(parent.as_raw_fd(), name.as_ptr(), 0o755) }.into());
    exists_is_fine(made.map(drop))
}

/// An empty file; one that is there already is fine.
pub fn make_file(parent: BorrowedFd<'_>, name: &str, mode: libc::mode_t) -> io::Result<()> {
    let name = text(name)?;
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW | libc::O_WRONLY | libc::O_CLOEXEC;
    // SAFETY: name outlives the call.
    let made = owned(unsafe { libc::openat(parent.as_raw_fd(), name.as_ptr(), flags, mode) }.into());
    exists_is_fine(made.map(drop))
}

fn exists_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        result => result,
    }
}

/// A mount that is not attached anywhere yet.
pub struct Detached(OwnedFd);

impl Detached {
    /// A new file system.
    pub fn new(kind: &str, options: &[(&str, &str)], attributes: u64) -> io::Result<Self> {
        let (name, kind) = (kind, text(kind)?);
        // SAFETY: kind outlives the call.
        let context = owned(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) })?;
        // Without it mount(8) shows "none".
        for (key, value) in [("source", name)].iter().chain(options) {
            configure(&context, FSCONFIG_SET_STRING, Some((key, value)))?;
        }
        configure(&context, FSCONFIG_CMD_CREATE, None)?;
        // SAFETY: no pointers.
        owned(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, attributes) }).map(Self)
    }

    /// A copy of the mount that shows `path`, resolved as open(2) does; without the mounts below it.
    pub fn clone_of(path: &str) -> io::Result<Self> {
        Self::clone_at(libc::AT_FDCWD, path, 0)
    }

    /// A copy of the mount that shows what `fd` refers to.
    pub fn clone_of_fd(fd: BorrowedFd<'_>) -> io::Result<Self> {
        Self::clone_at(fd.as_raw_fd(), "", libc::AT_EMPTY_PATH)
    }

    fn clone_at(directory: RawFd, path: &str, at: libc::c_int) -> io::Result<Self> {
        let path = text(path)?;
        let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC as u32 | at as u32;
        // SAFETY: path outlives the call.
        owned(unsafe { libc::syscall(libc::SYS_open_tree, directory, path.as_ptr(), flags) }).map(Self)
    }

    /// Adds attributes, mount_setattr(2).
    pub fn set(&self, attributes: u64) -> io::Result<()> {
        let attr = MountAttr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
        let (fd, size) = (self.0.as_raw_fd(), size_of::<MountAttr>());
        // SAFETY: the path is an empty C string, attr outlives the call, and the size is attr's own.
        check(unsafe { libc::syscall(libc::SYS_mount_setattr, fd, c"".as_ptr(), libc::AT_EMPTY_PATH, &attr, size) })
            .map(drop)
    }

    /// Attaches the mount over what `target` refers to.
    pub fn attach(&self, target: BorrowedFd<'_>) -> io::Result<()> {
        let (from, to) = (self.0.as_raw_fd(), target.as_raw_fd());
        let flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
        // SAFETY: both paths are empty C strings.
        check(unsafe { libc::syscall(libc::SYS_move_mount, from, c"".as_ptr(), to, c"".as_ptr(), flags) }).map(drop)
    }
}

impl AsFd for Detached {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn configure(context: &OwnedFd, command: u32, setting: Option<(&str, &str)>) -> io::Result<()> {
    let setting = setting.map(|(key, value)| Ok::<_, io::Error>((text(key)?, text(value)?))).transpose()?;
    let (key, value) = setting.as_ref().map_or((null(), null()), |(key, value)| (key.as_ptr(), value.as_ptr()));
    // SAFETY: key and value are null or strings that outlive the call.
    check(unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), command, key, value, 0) }).map(drop)
}

/// mount(2) for what the descriptor calls do not reach: propagation, and options longer than fsconfig's 255 bytes.
pub fn mount(source: &str, target: &str, kind: &str, flags: libc::c_ulong, options: &str) -> io::Result<()> {
    let (source, target, kind, options) = (text(source)?, text(target)?, text(kind)?, text(options)?);
    // SAFETY: all four strings outlive the call.
    check(
        unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, options.as_ptr().cast()) }.into(),
    )
    .map(drop)
}

/// The options of an overlay. Backslash, colon and comma are special to its parser.
pub fn overlay_options(lower: &[String], upper: &str, work: &str) -> String {
    let lower: Vec<String> = lower.iter().map(|path| escape(path)).collect();
    format!("lowerdir={},upperdir={},workdir={}", lower.join(":"), escape(upper), escape(work))
}

fn escape(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for character in path.chars() {
        if matches!(character, '\\' | ':' | ',') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Makes the current directory the root of this mount namespace and forgets the old one, pivot_root(2).
pub fn make_root(directory: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: all paths are C strings.
    unsafe {
        check(libc::fchdir(directory.as_raw_fd()).into())?;
        check(libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()))?;
        // The old root now lies over the new one at "/".
        check(libc::umount2(c".".as_ptr(), libc::MNT_DETACH).into())?;
        check(libc::chdir(c"/".as_ptr()).into()).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::overlay_options;

    #[test]
    fn special_characters_are_escaped() {
        let options = overlay_options(&["/a:b".into(), "/".into()], "/u,p", "/w\\k");
        assert_eq!(options, "lowerdir=/a\\:b:/,upperdir=/u\\,p,workdir=/w\\\\k");
    }
}
