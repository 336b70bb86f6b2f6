//! Transactions over rulesets and tables of any number of anchors, all or nothing.

use super::rule::PATH;
use super::{FILTER, NAT, Pf, RDR, TABLES};
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
            if ![FILTER, NAT, RDR, TABLES].contains(&ruleset) {
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
        discard(pf, part);
        let Some(anchor) = pf.anchors.get_mut(&part.path) else { continue };
        let ticket = if part.ruleset == TABLES {
            anchor.tables_open = true;
            anchor.table_ticket += 1;
            anchor.table_ticket
        } else {
            let ruleset = &mut anchor.rulesets[part.ruleset];
            ruleset.open = true;
            ruleset.inactive_ticket += 1;
            ruleset.inactive_ticket
        };
        element.put_u32(TICKET, ticket);
    }
    Ok(())
}

/// Forgets what a transaction has begun of a part.
fn discard(pf: &mut Pf, part: &Part) {
    let Some(anchor) = pf.anchors.get_mut(&part.path) else { return };
    if part.ruleset == TABLES {
        pf.discard_definitions(&part.path);
    } else {
        let rules = std::mem::take(&mut anchor.rulesets[part.ruleset].inactive);
        pf.unlink(&part.path, rules);
    }
}

/// Has the part begun, with this ticket?
fn is_begun(pf: &Pf, part: &Part) -> bool {
    pf.anchors.get(&part.path).is_some_and(|anchor| {
        let (open, ticket) = match part.ruleset {
            TABLES => (anchor.tables_open, anchor.table_ticket),
            number => (anchor.rulesets[number].open, anchor.rulesets[number].inactive_ticket),
        };
        open && ticket == part.ticket
    })
}

/// DIOCXCOMMIT
pub fn commit(pf: &mut Pf, bytes: &[u8]) -> Answer {
    let parts = parts(bytes)?;
    if !parts.iter().all(|part| is_begun(pf, part)) {
        return Err(EBUSY);
    }
    for part in &parts {
        if part.ruleset == TABLES {
            pf.commit_definitions(&part.path);
        }
        let Some(anchor) = pf.anchors.get_mut(&part.path) else { continue };
        if part.ruleset == TABLES {
            anchor.tables_open = false;
        } else {
            let ruleset = &mut anchor.rulesets[part.ruleset];
            let old = std::mem::replace(&mut ruleset.active, std::mem::take(&mut ruleset.inactive));
            ruleset.active_ticket = ruleset.inactive_ticket;
            ruleset.open = false;
            pf.unlink(&part.path, old);
        }
        pf.remove_if_empty(&part.path);
    }
    Ok(())
}

/// DIOCXROLLBACK. An anchor that came into being by the transaction's rules alone stays, with nothing in it.
pub fn roll_back(pf: &mut Pf, bytes: &[u8]) -> Answer {
    for part in parts(bytes)? {
        if !is_begun(pf, &part) {
            continue;
        }
        discard(pf, &part);
        let Some(anchor) = pf.anchors.get_mut(&part.path) else { continue };
        if part.ruleset == TABLES {
            anchor.tables_open = false;
            pf.remove_if_empty(&part.path);
        } else {
            anchor.rulesets[part.ruleset].open = false;
        }
    }
    Ok(())
}
