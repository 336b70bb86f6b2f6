//! capabilities(7) of a container's processes.

use crate::common::sys::check;
use crate::failure::{At, Outcome};
use std::io;

// linux/capability.h
const CHOWN: u32 = 0;
const DAC_OVERRIDE: u32 = 1;
const FOWNER: u32 = 3;
const FSETID: u32 = 4;
const KILL: u32 = 5;
const SETGID: u32 = 6;
const SETUID: u32 = 7;
const SETPCAP: u32 = 8;
const NET_BIND_SERVICE: u32 = 10;
const NET_RAW: u32 = 13;
const SYS_CHROOT: u32 = 18;
const SETFCAP: u32 = 31;

/// What root in a container may do: nothing that reaches the host, its network or its devices.
const KEPT: [u32; 11] =
    [CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, SYS_CHROOT, SETFCAP];

const VERSION_3: u32 = 0x2008_0522; // _LINUX_CAPABILITY_VERSION_3

#[repr(C)]
struct Header {
    version: u32,
    pid: libc::c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The set as a bit mask.
pub fn kept(raw_sockets: bool) -> u64 {
    let raw = if raw_sockets { 1 << NET_RAW } else { 0 };
    KEPT.iter().fold(raw, |mask, capability| mask | 1 << capability)
}

/// Takes all others from the bounding set: no program, whatever its owner or attributes, brings them back.
pub fn limit_bounding_set(kept: u64) -> Outcome<()> {
    for capability in 0..64 {
        // SAFETY: no pointers. The first number the kernel does not know ends the list.
        let has = unsafe { libc::prctl(libc::PR_CAPBSET_READ, capability, 0, 0, 0) };
        if has == -1 {
            break;
        }
        if has == 1 && kept & (1 << capability) == 0 {
            // SAFETY: no pointers.
            check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) }.into())
                .at("prctl PR_CAPBSET_DROP", capability)?;
        }
    }
    Ok(())
}

/// Leaves this process no more than these of the capabilities it has; none is inherited or ambient.
pub fn limit_own(kept: u64) -> io::Result<()> {
    let mut header = Header { version: VERSION_3, pid: 0 };
    let mut data = [Data::default(); 2];
    // SAFETY: version 3 takes two data elements, and both outlive the calls.
    unsafe {
        check(libc::syscall(libc::SYS_capget, &mut header, data.as_mut_ptr()))?;
        for (half, data) in data.iter_mut().enumerate() {
            data.permitted &= (kept >> (32 * half)) as u32;
            data.effective = data.permitted;
            data.inheritable = 0;
        }
        check(libc::syscall(libc::SYS_capset, &mut header, data.as_ptr()))?;
        check(libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0).into()).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::kept;

    #[test]
    fn raw_sockets_are_extra() {
        assert_eq!(kept(false), 0x8004_05fb);
        assert_eq!(kept(true), 0x8004_25fb);
    }
}
