//! Rulesets of device nodes, devfs(5): ioctls of any directory that a devfs is mounted on.

use crate::errno::{Answer, EEXIST, EINVAL, ENOENT, ENOTTY, EPERM};
use crate::kernel::Kernel;
use crate::memory::{Bytes, BytesMut, at};
use crate::process;

const DEVFSIO_RADD: u64 = 0xc0ec_4400;
const DEVFSIO_SUSE: u64 = 0x8002_440a;
const DEVFSIO_SAPPLY: u64 = 0x8002_440b;
const DEVFSIO_SGETNEXT: u64 = 0xc002_440c;
const DEVFS_MAGIC: u32 = 0xdb0a_087a;

/// # Safety
/// `argument` is the address of as many bytes as the request says.
pub unsafe fn ioctl(kernel: &mut Kernel, request: u64, argument: u64) -> Answer {
    if process::own_jail() != 0 {
        return Err(EPERM);
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { at(argument, (request >> 16 & 0x1fff) as usize)? };
    match request {
        DEVFSIO_RADD => {
            let id = bytes.get_u32(4);
            let (ruleset, rule) = ((id >> 16) as u16, id & 0xffff);
            if bytes.get_u32(0) != DEVFS_MAGIC || ruleset == 0 {
                return Err(EINVAL);
            }
            let rules = kernel.rulesets.entry(ruleset).or_insert(0);
            if rule != 0 && rule <= *rules {
                return Err(EEXIST);
            }
            *rules += 1;
            let number = *rules * 100;
            bytes.put_u32(4, u32::from(ruleset) << 16 | number);
            Ok(())
        }
        DEVFSIO_SUSE | DEVFSIO_SAPPLY => Ok(()),
        DEVFSIO_SGETNEXT => {
            let after = bytes.get_u16(0);
            let next = kernel.rulesets.range(after.saturating_add(1)..).next().map(|(number, _)| *number);
            bytes.put_u16(0, next.ok_or(ENOENT)?);
            Ok(())
        }
        _ => Err(ENOTTY),
    }
}
