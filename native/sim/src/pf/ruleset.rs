//! Rules of rulesets: added within a transaction, read, and changed one by one in the main ruleset.

use super::anchor::Ruleset;
use super::rule::{CALL_AT, PATH, RULE, RULE_AT, Rule, ruleset_of};
use super::{Host, Pf};
use crate::errno::{Answer, EBUSY, EEXIST, EINVAL, ENOENT};
use crate::memory::{Bytes, BytesMut};

/// Offsets in struct pfioc_rule.
const TICKET: usize = 4;
const POOL_TICKET: usize = 8;
const NUMBER: usize = 12;
const ANCHOR: usize = 16;
const ACTION: usize = RULE_AT + 904;
/// Release from which on a ruleset has no rule twice.
const NO_TWINS: u32 = 14;

/// DIOCADDRULE
pub fn add(pf: &mut Pf, host: &Host, bytes: &mut [u8]) -> Answer {
    let path = bytes.get_name(ANCHOR, PATH)?;
    let number = ruleset_of(bytes.get_u8(ACTION))?;
    let ruleset = &pf.anchors.get(&path).ok_or(EINVAL)?.rulesets[number];
    if bytes.get_u32(TICKET) != ruleset.inactive_ticket {
        return Err(EBUSY);
    }
    if !ruleset.open {
        return Err(EINVAL);
    }
    let rule = take(pf, bytes)?;
    if host.release >= NO_TWINS && pf.anchors[&path].rulesets[number].inactive.iter().any(|one| one.is_twin(&rule)) {
        return Err(EEXIST);
    }
    pf.admit(&path, &rule);
    if let Some(anchor) = pf.anchors.get_mut(&path) {
        anchor.rulesets[number].inactive.push(rule);
    }
    Ok(())
}

/// The rule with the pool buffer, which is empty afterwards.
fn take(pf: &mut Pf, bytes: &[u8]) -> Answer<Rule> {
    if bytes.get_u32(POOL_TICKET) != pf.pool_ticket {
        return Err(EBUSY);
    }
    let rule = Rule::read(bytes, pf.pool.clone())?;
    pf.pool.clear();
    Ok(rule)
}

fn find<'a>(pf: &'a Pf, bytes: &[u8]) -> Answer<&'a Ruleset> {
    let number = ruleset_of(bytes.get_u8(ACTION))?;
    let path = bytes.get_name(ANCHOR, PATH)?;
    Ok(&pf.anchors.get(&path).ok_or(EINVAL)?.rulesets[number])
}

/// DIOCGETRULES
pub fn count(pf: &Pf, bytes: &mut [u8]) -> Answer {
    let ruleset = find(pf, bytes)?;
    let (count, ticket) = (ruleset.active.len() as u32, ruleset.active_ticket);
    bytes.put_u32(NUMBER, count);
    bytes.put_u32(TICKET, ticket);
    Ok(())
}

/// DIOCGETRULE
pub fn read(pf: &Pf, bytes: &mut [u8]) -> Answer {
    let ruleset = find(pf, bytes)?;
    let number = bytes.get_u32(NUMBER);
    if bytes.get_u32(TICKET) != ruleset.active_ticket {
        return Err(EBUSY);
    }
    let rule = ruleset.active.get(number as usize).ok_or(EBUSY)?;
    let mut body = rule.body.0.clone();
    body.put_u32(820, number);
    bytes[RULE_AT..RULE_AT + RULE].copy_from_slice(&body);
    bytes.put_name(CALL_AT, PATH, &rule.call)
}

/// DIOCCHANGERULE
pub fn change(pf: &mut Pf, host: &Host, bytes: &mut [u8]) -> Answer {
    const ADD_HEAD: u32 = 1;
    const ADD_TAIL: u32 = 2;
    const REMOVE: u32 = 5;
    const GET_TICKET: u32 = 6;
    let path = bytes.get_name(ANCHOR, PATH)?;
    let number = ruleset_of(bytes.get_u8(ACTION))?;
    let what = bytes.get_u32(0);
    let ruleset = &mut pf.anchors.get_mut(&path).ok_or(EINVAL)?.rulesets[number];
    if what == GET_TICKET {
        ruleset.active_ticket += 1;
        bytes.put_u32(TICKET, ruleset.active_ticket);
        return Ok(());
    }
    if bytes.get_u32(TICKET) != ruleset.active_ticket {
        return Err(EINVAL);
    }
    match what {
        REMOVE => {
            let index = bytes.get_u32(NUMBER) as usize;
            if index >= ruleset.active.len() {
                return Err(EINVAL);
            }
            let rule = ruleset.active.remove(index);
            pf.unlink(&path, vec![rule]);
        }
        ADD_HEAD | ADD_TAIL => {
            let rule = take(pf, bytes)?;
            let active = &pf.anchors[&path].rulesets[number].active;
            if host.release >= NO_TWINS && active.iter().any(|one| one.is_twin(&rule)) {
                return Err(EEXIST);
            }
            pf.admit(&path, &rule);
            if let Some(anchor) = pf.anchors.get_mut(&path) {
                let active = &mut anchor.rulesets[number].active;
                let place = if what == ADD_HEAD { 0 } else { active.len() };
                active.insert(place, rule);
            }
        }
        _ => return Err(EINVAL),
    }
    if let Some(anchor) = pf.anchors.get_mut(&path) {
        anchor.rulesets[number].active_ticket += 1;
    }
    pf.remove_if_empty(&path);
    Ok(())
}

/// Offsets in struct pfioc_ruleset.
const RULESET_PATH: usize = 4;
const RULESET_NAME: usize = 1028;
const NAME: usize = 64;

/// DIOCGETRULESETS
pub fn count_children(pf: &Pf, bytes: &mut [u8]) -> Answer {
    let path = bytes.get_name(RULESET_PATH, PATH)?;
    if !pf.anchors.contains_key(&path) {
        return Err(ENOENT);
    }
    bytes.put_u32(0, pf.children(&path).len() as u32);
    Ok(())
}

/// DIOCGETRULESET
pub fn child(pf: &Pf, bytes: &mut [u8]) -> Answer {
    let path = bytes.get_name(RULESET_PATH, PATH)?;
    if !pf.anchors.contains_key(&path) {
        return Err(ENOENT);
    }
    let name = pf.children(&path).into_iter().nth(bytes.get_u32(0) as usize).ok_or(EBUSY)?;
    bytes.put_name(RULESET_NAME, NAME, &name)
}
