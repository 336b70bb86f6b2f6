//! Functions of FreeBSD's C library by name, dlsym(3).

use crate::failure::{Failure, Outcome};
use std::ffi::{CStr, CString, c_int, c_uint, c_void};

/// The library that a spec names, or all that this program is linked with.
#[derive(Clone, Copy)]
pub struct Library(*mut c_void);

/// struct kevent of sys/event.h, where a pointer has 64 bits.
#[repr(C)]
pub struct Kevent {
    pub ident: usize,
    pub filter: libc::c_short,
    pub flags: libc::c_ushort,
    pub fflags: libc::c_uint,
    pub data: i64,
    pub udata: usize,
    pub ext: [u64; 4],
}

const _: () = assert!(size_of::<Kevent>() == 64);

type ClassCall = unsafe extern "C" fn(*const libc::c_char, c_uint) -> c_int;
type EventCall = unsafe extern "C" fn(c_int, *const Kevent, c_int, *mut Kevent, c_int, *const libc::timespec) -> c_int;
type SysctlCall = unsafe extern "C" fn(*const c_int, c_uint, *mut c_void, *mut usize, *const c_void, usize) -> c_int;
type JailCall = unsafe extern "C" fn(*mut libc::iovec, c_uint, c_int) -> c_int;

impl Library {
    /// It stays open for good.
    pub fn open(name: Option<&str>) -> Outcome<Self> {
        let Some(name) = name else {
            // Names of what it holds are found among the program's own from here on.
            // Release 15 has the former, 14 the latter; an upgraded 15 has both, and is linked with its own.
            for libutil in [c"libutil.so.10", c"libutil.so.9"] {
                // SAFETY: a C string that outlives the call.
                if !unsafe { libc::dlopen(libutil.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) }.is_null() {
                    break;
                }
            }
            return Ok(Self(libc::RTLD_DEFAULT));
        };
        let path = CString::new(name).map_err(|_| Failure::refusal("dlopen", name, "a NUL is in its name"))?;
        // SAFETY: a C string that outlives the call.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
        if handle.is_null() { Err(Failure::refusal("dlopen", name, &last_error())) } else { Ok(Self(handle)) }
    }

    fn find(self, name: &CStr) -> Option<*mut c_void> {
        // SAFETY: the handle is open, and the name a C string.
        let address = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        (!address.is_null()).then_some(address)
    }

    fn required(self, name: &CStr) -> Outcome<*mut c_void> {
        let missing = || Failure::refusal("dlsym", name.to_string_lossy(), "there is no such function");
        self.find(name).ok_or_else(missing)
    }

    pub fn jail_set(self) -> Outcome<JailCall> {
        // SAFETY: jail_set(2) is declared like this in sys/jail.h.
        self.required(c"jail_set").map(|address| unsafe { std::mem::transmute::<*mut c_void, JailCall>(address) })
    }

    pub fn jail_get(self) -> Outcome<JailCall> {
        // SAFETY: jail_get(2) is declared like this in sys/jail.h.
        self.required(c"jail_get").map(|address| unsafe { std::mem::transmute::<*mut c_void, JailCall>(address) })
    }

    pub fn jail_attach(self) -> Outcome<unsafe extern "C" fn(c_int) -> c_int> {
        // SAFETY: jail_attach(2) is declared like this in sys/jail.h.
        self.required(c"jail_attach")
            .map(|address| unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn(c_int) -> c_int>(address) })
    }

    pub fn procctl(self) -> Outcome<unsafe extern "C" fn(c_int, i64, c_int, *mut c_void) -> c_int> {
        // SAFETY: procctl(2) is declared like this in sys/procctl.h; idtype_t is an enumeration and id_t has 64 bits.
        self.required(c"procctl").map(|address| unsafe {
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn(c_int, i64, c_int, *mut c_void) -> c_int>(address)
        })
    }

    pub fn setlogin(self) -> Outcome<unsafe extern "C" fn(*const libc::c_char) -> c_int> {
        // SAFETY: setlogin(2) is declared like this in unistd.h.
        self.required(c"setlogin").map(|address| unsafe {
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*const libc::c_char) -> c_int>(address)
        })
    }

    /// By name, since a program linked for 14 gets the call of 14 from the linker, on 15 as well: that one takes the first
    /// group for the effective one, and leaves it out of the supplementary groups.
    pub fn setgroups(self) -> Outcome<unsafe extern "C" fn(c_int, *const libc::gid_t) -> c_int> {
        // SAFETY: setgroups(2) is declared like this in unistd.h.
        self.required(c"setgroups").map(|address| unsafe {
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn(c_int, *const libc::gid_t) -> c_int>(address)
        })
    }

    /// Of libutil, as opened: it cannot be opened from within a jail.
    pub fn setclasscontext(self) -> Option<ClassCall> {
        // SAFETY: setclasscontext(3) is declared like this in login_cap.h.
        self.find(c"setclasscontext").map(|address| unsafe { std::mem::transmute::<*mut c_void, ClassCall>(address) })
    }

    pub fn sysctl(self) -> Option<SysctlCall> {
        // SAFETY: sysctl(3) is declared like this in sys/sysctl.h.
        self.find(c"sysctl").map(|address| unsafe { std::mem::transmute::<*mut c_void, SysctlCall>(address) })
    }

    pub fn kqueue(self) -> Option<unsafe extern "C" fn() -> c_int> {
        // SAFETY: kqueue(2) is declared like this in sys/event.h.
        self.find(c"kqueue")
            .map(|address| unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> c_int>(address) })
    }

    /// By name, since the linker could take the call of release 11, whose events are shorter.
    pub fn kevent(self) -> Option<EventCall> {
        // SAFETY: kevent(2) is declared like this in sys/event.h.
        self.find(c"kevent").map(|address| unsafe { std::mem::transmute::<*mut c_void, EventCall>(address) })
    }
}

fn last_error() -> String {
    // SAFETY: dlerror gives null or a C string that lives until the next call.
    let text = unsafe { libc::dlerror() };
    // SAFETY: as above.
    if text.is_null() { String::new() } else { unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned() }
}
