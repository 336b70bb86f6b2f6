//! What a rule may say: what some recorded rule says.

use crate::errno::{Answer, EINVAL};
use crate::family::{AF_INET, AF_INET6};
use crate::memory::Bytes;

// Actions, netpfil/pf/pf.h
pub const PASS: u8 = 0;
pub const DROP: u8 = 1;
pub const NAT: u8 = 4;
pub const NONAT: u8 = 5;
pub const RDR: u8 = 8;
pub const NORDR: u8 = 9;

/// Parts of struct pf_rule that no recorded rule has anything in: what a kernel makes of them the model does not know.
const UNSEEN: &[std::ops::Range<usize>] = &[
    112..176, // skip
    256..384, // qname, pqname
    512..620, // overload_tblname, entries, and of the pool all before its ports
    625..700, // what follows the pool's opts, counters, kif, anchor, os_fingerprint
    704..864, // timeout, max_*, queues, nr, prob, cuid, cpid, states
    868..900, // max_mss, tags, scrub_flags, uid, gid
    907..908, // logif
    910..911, // match_tag_not
    919..976, // min_ttl and all after it
];

/// Each field has a value that some recorded rule has.
pub fn check_fields(body: &[u8]) -> Answer {
    const RETURN: u32 = 0x8;
    const RETURN_ICMP: u32 = 0x4;
    const POOL_OPTIONS: [u8; 2] = [0, 4];
    let unseen = UNSEEN.iter().any(|range| body[range.clone()].iter().any(|byte| *byte != 0));
    let families = [0, AF_INET as u8, AF_INET6 as u8];
    // PF_LOG of sys/netpfil/pf/pf.h, which pf.conf(5) has as `log`, is the one of four bits that klee needs.
    let truths = [906, 908, 909, 911, 912, 52, 108].iter().all(|at| body[*at] <= 1);
    let known = [PASS, DROP, NAT, NONAT, RDR, NORDR].contains(&body[904])
        && body[905] <= 2
        && families.contains(&body[913])
        && POOL_OPTIONS.contains(&body[624])
        && body.get_u32(900) & !(RETURN | RETURN_ICMP) == 0
        && body[917] & !body[918] == 0;
    if unseen || !truths || !known { Err(EINVAL) } else { Ok(()) }
}

/// An address without a family, or with bits beyond its mask, is not what anybody means.
pub fn check_family(address: &[u8; 16], mask: &[u8; 16], family: i32) -> Answer {
    let any = mask.iter().all(|byte| *byte == 0);
    let size = if family == AF_INET { 4 } else { 16 };
    let beyond =
        address.iter().zip(mask).any(|(byte, mask)| byte & !mask != 0) || mask[size..].iter().any(|byte| *byte != 0);
    if beyond || (!any && family == 0) { Err(EINVAL) } else { Ok(()) }
}
