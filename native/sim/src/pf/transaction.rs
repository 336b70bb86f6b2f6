//! Transactions over rulesets and tables of any number of anchors, all or nothing.

use super::rule::PATH;
use super::{Pf, RULESETS, TABLES};
use crate::errno::{Answer, EBUSY, EINVAL, ENODEV};
use crate::memory::{Bytes, BytesMut, at};

const ELEMENT: usize = 1032;
const TICKET: usize = 1028;
/// net.pf.request_maxcount
const MOST: u32 = 65535;

struct Part {
    ruleset: usize,
    path: String,
    ticket: u32,
}

fn array(bytes: &[u8]) -> Answer<&'static mut [u8]> {
    let (count, size) = (bytes.get_u32(0), bytes.get_u32(4));
    if size as usize != ELEMENT {
        return Err(ENODEV);
    }
    if count > MOST {
        return Err(EINVAL);
    }
    // SAFETY: the caller's array has as many elements as it says.
    unsafe { at(bytes.get_u64(8), count as usize * ELEMENT) }
}

fn parts(bytes: &[u8]) -> Answer<Vec<Part>> {
    array(bytes)?
        .chunks_exact(ELEMENT)
        .map(|element| {
            let ruleset = element.get_u32(0) as usize;
            if ruleset >= RULESETS && ruleset != TABLES {
                return Err(EINVAL);
            }
            Ok(Part { ruleset, path: element.get_name(4, PATH)?, ticket: element.get_u32(TICKET) })
        })
        .collect()
}

/// DIOCXBEGIN
pub fn begin(pf: &mut Pf, bytes: &[u8]) -> Answer {
    let parts = parts(bytes)?;
    for (part, element) in parts.iter().zip(array(bytes)?.chunks_exact_mut(ELEMENT)) {
        if part.path.split('/').any(|name| name.starts_with('_') || name.len() >= 64) || part.path.starts_with('/') {
            return Err(EINVAL);
        }
        pf.make(&part.path);
        let Some(anchor) = pf.anchors.get_mut(&part.path) else { continue };
        let ticket = if part.ruleset == TABLES {
            anchor.defined.clear();
            anchor.tables_open = true;
            anchor.table_ticket += 1;
            anchor.table_ticket
        } else {
            let ruleset = &mut anchor.rulesets[part.ruleset];
            ruleset.inactive.clear();
            ruleset.open = true;
            ruleset.inactive_ticket += 1;
            ruleset.inactive_ticket
        };
        element.put_u32(TICKET, ticket);
    }
    Ok(())
}

/// DIOCXCOMMIT
pub fn commit(pf: &mut Pf, bytes: &[u8]) -> Answer {
    let parts = parts(bytes)?;
    for part in &parts {
        let anchor = pf.anchors.get(&part.path).ok_or(EINVAL)?;
        let (open, ticket) = match part.ruleset {
            TABLES => (anchor.tables_open, anchor.table_ticket),
            number => (anchor.rulesets[number].open, anchor.rulesets[number].inactive_ticket),
        };
        if !open || ticket != part.ticket {
            return Err(EBUSY);
        }
    }
    for part in &parts {
        let Some(anchor) = pf.anchors.get_mut(&part.path) else { continue };
        if part.ruleset == TABLES {
            let defined = std::mem::take(&mut anchor.defined);
            anchor.tables.extend(defined);
            anchor.tables_open = false;
        } else {
            let ruleset = &mut anchor.rulesets[part.ruleset];
            ruleset.active = std::mem::take(&mut ruleset.inactive);
            ruleset.active_ticket = ruleset.inactive_ticket;
            ruleset.open = false;
        }
    }
    pf.tidy();
    Ok(())
}

/// DIOCXROLLBACK
pub fn roll_back(pf: &mut Pf, bytes: &[u8]) -> Answer {
    for part in parts(bytes)? {
        let Some(anchor) = pf.anchors.get_mut(&part.path) else { continue };
        if part.ruleset == TABLES {
            if anchor.tables_open && anchor.table_ticket == part.ticket {
                anchor.defined.clear();
                anchor.tables_open = false;
            }
        } else {
            let ruleset = &mut anchor.rulesets[part.ruleset];
            if ruleset.open && ruleset.inactive_ticket == part.ticket {
                ruleset.inactive.clear();
                ruleset.open = false;
            }
        }
    }
    pf.tidy();
    Ok(())
}
