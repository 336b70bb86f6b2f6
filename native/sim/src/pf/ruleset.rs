//! Rules of rulesets: added within a transaction, read, and changed one by one in the main ruleset.

use super::name_values::{Named, Value};
use super::rule::{CALL_AT, PATH, RULE, RULE_AT, Rule, ruleset_of};
use super::{Host, Pf, Ruleset, called};
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
    admit(pf, &path, &rule);
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

/// An anchor that is called comes into being.
fn admit(pf: &mut Pf, path: &str, rule: &Rule) {
    if !rule.call.is_empty() {
        pf.make(&called(path, &rule.call).0);
    }
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

/// DIOCGETRULENV: the same in name-value form.
pub fn read_named(pf: &Pf, request: &Named) -> Answer<Named> {
    let path = request.text("anchor")?;
    let number = ruleset_of(request.number("ruleset")? as u8)?;
    let ruleset = &pf.anchors.get(path).ok_or(ENOENT)?.rulesets[number];
    if request.number("ticket")? != u64::from(ruleset.active_ticket) {
        return Err(EBUSY);
    }
    let index = request.number("nr")?;
    let rule = ruleset.active.get(index as usize).ok_or(EBUSY)?;
    let body = &rule.body.0;
    let number = |at: usize| Value::Number(u64::from(body[at]));
    let text = |at: usize, size: usize| Value::Text(body.get_name(at, size).unwrap_or_default());
    let bytes = |at: usize| Value::List(vec![("addr".into(), Value::Binary(body[at..at + 16].to_vec()))]);
    let end = |at: usize| {
        let mut wrap = vec![
            ("type".to_owned(), number(at + 40)),
            ("iflags".to_owned(), number(at + 41)),
            ("addr".to_owned(), bytes(at)),
            ("mask".to_owned(), bytes(at + 16)),
        ];
        match body[at + 40] {
            super::rule::DYNIFTL => wrap.push(("ifname".into(), text(at, 16))),
            super::rule::TABLE => wrap.push(("tblname".into(), text(at, 32))),
            _ => {}
        }
        let ports = [48, 50].map(|offset| u64::from(body.get_u16(at + offset)));
        Value::List(vec![
            ("addr".into(), Value::List(wrap)),
            ("port".into(), Value::Numbers(ports.to_vec())),
            ("neg".into(), number(at + 52)),
            ("port_op".into(), number(at + 53)),
        ])
    };
    let mut fields: Vec<(String, Value)> = vec![
        ("nr".into(), Value::Number(index)),
        ("src".into(), end(0)),
        ("dst".into(), end(56)),
        ("label".into(), text(176, 64)),
        ("ifname".into(), text(240, 16)),
        ("tagname".into(), text(384, 64)),
        ("match_tagname".into(), text(448, 64)),
        ("rule_flag".into(), Value::Number(u64::from(body.get_u32(900)))),
    ];
    let single = [
        ("action", 904),
        ("direction", 905),
        ("log", 906),
        ("quick", 908),
        ("ifnot", 909),
        ("natpass", 911),
        ("keep_state", 912),
        ("af", 913),
        ("proto", 914),
        ("type", 915),
        ("code", 916),
        ("flags", 917),
        ("flagset", 918),
    ];
    fields.extend(single.map(|(name, at)| (name.to_owned(), number(at))));
    Ok(vec![("rule".into(), Value::List(fields)), ("anchor_call".into(), Value::Text(rule.call.clone()))].into())
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
            ruleset.active.remove(index);
        }
        ADD_HEAD | ADD_TAIL => {
            let rule = take(pf, bytes)?;
            let active = &pf.anchors[&path].rulesets[number].active;
            if host.release >= NO_TWINS && active.iter().any(|one| one.is_twin(&rule)) {
                return Err(EEXIST);
            }
            admit(pf, &path, &rule);
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
    pf.tidy();
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
