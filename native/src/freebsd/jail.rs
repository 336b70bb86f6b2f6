//! The jail of the container, which klee has made, jail_set(2).

use super::library::Library;
use crate::common::sys::{check, text};
use crate::failure::{At, Outcome};
use std::ffi::{CString, c_int, c_uint};
use std::io;
use std::ptr::{null, null_mut};

// sys/jail.h
const JAIL_UPDATE: c_int = 2;
// sys/types.h, sys/sysctl.h, sys/proc.h, sys/user.h
const CTL_KERN: c_int = 1;
const KERN_PROC: c_int = 14;
const KERN_PROC_PROC: c_int = 8;
const SZOMB: u8 = 5;

/// struct kinfo_proc of sys/user.h: its size, and where the state and the jail of a process are.
const KINFO_PROC: usize = 1088;
const KI_STAT: usize = 388;
const KI_JID: usize = 592;

#[derive(Clone, Copy)]
pub struct Jail {
    library: Library,
    pub jid: i32,
}

/// A parameter's value as the kernel takes it.
enum Value<'a> {
    Int(i32),
    Text(&'a str),
    /// The name says it all.
    None,
}

impl Jail {
    pub fn new(library: Library, jid: i32) -> Self {
        Self { library, jid }
    }

    /// This process, and all that it starts, is in the jail from now on, with the jail's root as its own.
    pub fn attach(self) -> Outcome<()> {
        let call = self.library.jail_attach()?;
        // SAFETY: no pointers.
        check(unsafe { call(self.jid) }.into()).map(drop).at("jail_attach", self.jid)
    }

    /// Gives it its name, now that a process runs in it, and has the kernel remove it with its last one.
    pub fn begin(self, name: &str, persist: bool) -> Outcome<()> {
        let call = self.library.jail_set()?;
        let mut parameters = vec![("jid", Value::Int(self.jid)), ("name", Value::Text(name))];
        if !persist {
            parameters.push(("nopersist", Value::None));
        }
        with_vector(&parameters, |vector, count| {
            // SAFETY: the vector and all it points to live during the call.
            check(unsafe { call(vector, count, JAIL_UPDATE) }.into()).map(drop)
        })
        .at("jail_set", name)
    }

    /// A jail that is dying is none any more.
    pub fn exists(self) -> bool {
        let Ok(call) = self.library.jail_get() else { return false };
        let found = with_vector(&[("jid", Value::Int(self.jid))], |vector, count| {
            // SAFETY: the vector and all it points to live during the call.
            check(unsafe { call(vector, count, 0) }.into()).map(drop)
        });
        found.is_ok()
    }

    /// Does a process run in it, by the kernel's list of all? None where it cannot be had.
    pub fn is_inhabited(self) -> Option<bool> {
        let processes = self.processes()?;
        let is_member = |one: &[u8]| one[KI_JID..KI_JID + 4] == self.jid.to_ne_bytes() && one[KI_STAT] != SZOMB;
        Some(processes.chunks_exact(KINFO_PROC).any(is_member))
    }

    /// Of the whole system, sysctl(3): an array of struct kinfo_proc.
    fn processes(self) -> Option<Vec<u8>> {
        let call = self.library.sysctl()?;
        let name = [CTL_KERN, KERN_PROC, KERN_PROC_PROC];
        let ask = |room: *mut libc::c_void, size: &mut usize| {
            // SAFETY: the name and the size outlive the call; the room has as many bytes as the size says.
            unsafe { call(name.as_ptr(), name.len() as c_uint, room, size, null(), 0) == 0 }
        };
        let mut size = 0;
        if !ask(null_mut(), &mut size) {
            return None;
        }
        // Others may begin meanwhile.
        let mut bytes = vec![0; size + size / 8 + KINFO_PROC];
        size = bytes.len();
        if !ask(bytes.as_mut_ptr().cast(), &mut size) {
            return None;
        }
        bytes.truncate(size);
        // Each begins with its own size: of another release the fields are elsewhere.
        let known = bytes.first_chunk::<4>().is_none_or(|first| i32::from_ne_bytes(*first) == KINFO_PROC as i32);
        known.then_some(bytes)
    }

    /// The id of the jail that has this name now.
    pub fn id_of(self, name: &str) -> Option<i32> {
        let call = self.library.jail_get().ok()?;
        let mut id = None;
        let _ = with_vector(&[("name", Value::Text(name))], |vector, count| {
            // SAFETY: the vector and all it points to live during the call.
            id = check(unsafe { call(vector, count, 0) }.into()).ok().map(|jid| jid as i32);
            Ok(())
        });
        id
    }
}

/// Lays parameters out as pairs of iovecs.
fn with_vector(
    parameters: &[(&str, Value<'_>)],
    call: impl FnOnce(*mut libc::iovec, libc::c_uint) -> io::Result<()>,
) -> io::Result<()> {
    let names = parameters.iter().map(|(name, _)| text(name)).collect::<io::Result<Vec<CString>>>()?;
    let values = parameters
        .iter()
        .map(|(_, value)| match value {
            Value::Int(number) => Ok(number.to_ne_bytes().to_vec()),
            Value::Text(string) => text(string).map(CString::into_bytes_with_nul),
            Value::None => Ok(Vec::new()),
        })
        .collect::<io::Result<Vec<Vec<u8>>>>()?;
    let part = |bytes: &[u8]| libc::iovec {
        iov_base: if bytes.is_empty() { null_mut() } else { bytes.as_ptr().cast_mut().cast() },
        iov_len: bytes.len(),
    };
    let mut vector: Vec<libc::iovec> =
        names.iter().zip(&values).flat_map(|(name, value)| [part(name.as_bytes_with_nul()), part(value)]).collect();
    call(vector.as_mut_ptr(), vector.len() as libc::c_uint)
}
