//! Rulesets of device nodes, devfs(5): ioctls of any directory that a devfs is mounted on. fs/devfs/devfs_rule.c

use crate::errno::{Answer, EEXIST, EINVAL, EIO, ENOENT, ENOTTY, EPERM, ERANGE, ERPCMISMATCH, ESRCH};
use crate::memory::{Bytes, BytesMut, at};
use crate::process;
use crate::state::Kernel;

const DEVFSIO_RADD: u64 = 0xc0ec_4400;
const DEVFSIO_SUSE: u64 = 0x8002_440a;
const DEVFSIO_SAPPLY: u64 = 0x8002_440b;
const DEVFSIO_SGETNEXT: u64 = 0xc002_440c;
const DEVFS_MAGIC: u32 = 0xdb0a_087a;
/// Between numbers that the kernel gives itself.
const STEP: u16 = 100;

/// # Safety
/// `argument` is the address of as many bytes as the request says.
pub unsafe fn ioctl(kernel: &mut Kernel, request: u64, argument: u64) -> Answer {
    if process::own_jail() != 0 {
        return Err(EPERM);
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { at(argument, (request >> 16 & 0x1fff) as usize)? };
    match request {
        DEVFSIO_RADD => add(kernel, bytes),
        // Of the file system that the descriptor is of, whose nodes the model has not: the host's /dev.
        DEVFSIO_SUSE => {
            let ruleset = bytes.get_u16(0);
            if ruleset != 0 {
                kernel.rulesets.entry(ruleset).or_default();
            }
            Ok(())
        }
        DEVFSIO_SAPPLY => kernel.rulesets.get(&bytes.get_u16(0)).map(|_| ()).ok_or(ESRCH),
        DEVFSIO_SGETNEXT => {
            let after = bytes.get_u16(0);
            let next = kernel.rulesets.range(after.saturating_add(1)..).next().map(|(number, _)| *number);
            bytes.put_u16(0, next.ok_or(ENOENT)?);
            Ok(())
        }
        _ => Err(ENOTTY),
    }
}

/// A rule at the end of its ruleset, or with a number of its own: struct devfs_rule.
fn add(kernel: &mut Kernel, bytes: &[u8]) -> Answer {
    const PATH_PATTERN: u32 = 0x2;
    const SHOW_OR_HIDE: u32 = 0x1;
    const INCLUDE: u32 = 0x10;
    if bytes.get_u32(0) != DEVFS_MAGIC {
        return Err(ERPCMISMATCH);
    }
    let id = bytes.get_u32(4);
    let (ruleset, number) = ((id >> 16) as u16, id as u16);
    let rules = kernel.rulesets.get(&ruleset);
    if rules.is_some_and(|rules| number != 0 && rules.contains(&number)) {
        return Err(EEXIST);
    }
    if ruleset == 0 {
        return Err(EIO);
    }
    let (conditions, actions, shown) = (bytes.get_u32(8), bytes.get_u32(216), bytes.get_u32(220));
    // By the path alone; by other properties, and to give owners, no rule is added.
    let path = bytes.get_name(16, 200)?;
    let plain = bytes.get_u32(12) == 0 && bytes[224..234].iter().all(|byte| *byte == 0);
    let named = conditions == if path.is_empty() { 0 } else { PATH_PATTERN };
    let included = bytes.get_u16(234);
    let acts = match actions {
        SHOW_OR_HIDE => [1, 2].contains(&shown) && included == 0,
        INCLUDE => shown == 0,
        _ => false,
    };
    if !plain || !named || !acts {
        return Err(EINVAL);
    }
    if actions == INCLUDE && !kernel.rulesets.contains_key(&included) {
        return Err(ESRCH);
    }
    let rules = kernel.rulesets.entry(ruleset).or_default();
    let next = rules.last().map_or(Some(STEP), |last| last.checked_add(STEP)).ok_or(ERANGE)?;
    rules.insert(if number == 0 { next } else { number });
    Ok(())
}
