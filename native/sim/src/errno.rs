//! FreeBSD's error numbers, sys/errno.h. Those up to 34 are Linux's, too.

/// Why a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

pub type Answer<T = ()> = Result<T, Errno>;

macro_rules! errors {
    ($($name:ident = $number:expr),* $(,)?) => {
        $(pub const $name: Errno = Errno($number);)*
        /// The number of a symbolic name.
        pub fn by_name(name: &str) -> Option<Errno> {
            match name { $(stringify!($name) => Some($name),)* _ => None }
        }
    };
}

errors! {
    EPERM = 1, ENOENT = 2, ESRCH = 3, EINTR = 4, EIO = 5, ENXIO = 6, EBADF = 9, ENOMEM = 12, EACCES = 13, EFAULT = 14,
    EBUSY = 16, EEXIST = 17, EXDEV = 18, ENODEV = 19, ENOTDIR = 20, EINVAL = 22, ENOTTY = 25, ENOSPC = 28, ERANGE = 34,
    EOPNOTSUPP = 45, EADDRINUSE = 48, EADDRNOTAVAIL = 49, ENAMETOOLONG = 63, ENOSYS = 78, EFTYPE = 79, ENOMSG = 83,
    ERPCMISMATCH = 73, EAFNOSUPPORT = 47, EPROTONOSUPPORT = 43, ENOTEMPTY = 66, E2BIG = 7, EAGAIN = 35, EDEADLK = 11,
    ENOTCAPABLE = 93,
}
