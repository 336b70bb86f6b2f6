//! The packet filter, pf(4): `ioctl` takes the requests of /dev/pf, `packet` tells what the loaded rules make of a packet.

mod anchor;
mod entry;
mod evaluate;
mod name_values;
mod rule;
mod rule_check;
mod rule_named;
mod ruleset;
mod sparse;
mod state;
mod table;
mod transaction;

use crate::errno::{Answer, EEXIST, ENODEV, ENOENT};
use crate::memory::{BytesMut, at};
use anchor::{Anchor, Unlinked};
use rule::Pool;
use serde::{Deserialize, Serialize};
use state::State;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

pub use evaluate::packet;
pub use rule::octets;

/// Rulesets that hold rules, PF_RULESET_* of netpfil/pf/pf.h: scrub, filter, nat, binat, rdr.
pub const RULESETS: usize = 5;
pub const FILTER: usize = 1;
pub const NAT: usize = 2;
pub const RDR: usize = 4;
/// Comes after them in transactions.
pub const TABLES: usize = 6;

#[derive(Clone, Serialize, Deserialize)]
pub struct Pf {
    pub running: bool,
    /// By path; the main ruleset's is empty.
    anchors: BTreeMap<String, Anchor>,
    /// Rules that were taken out of their rulesets and are not freed yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unlinked: Vec<Unlinked>,
    /// Of the purge thread: how often it has come by.
    round: u64,
    /// The one pool buffer of all programs, with its ticket.
    pool: Pool,
    pool_ticket: u32,
    states: Vec<State>,
    last_state: u64,
    /// Interfaces and groups that `set skip on` exempts, and interfaces that are filtered in spite of their group.
    skipped: BTreeSet<String>,
    filtered: BTreeSet<String>,
}

impl Default for Pf {
    fn default() -> Self {
        Self {
            running: false,
            anchors: BTreeMap::from([(String::new(), Anchor::default())]),
            unlinked: Vec::new(),
            round: 0,
            pool: Pool::default(),
            pool_ticket: 0,
            states: Vec::new(),
            last_state: 0,
            skipped: BTreeSet::new(),
            filtered: BTreeSet::new(),
        }
    }
}

/// What pf knows of the rest of the kernel.
pub struct Host {
    pub release: u32,
    pub interfaces: Vec<Interface>,
}

pub struct Interface {
    pub name: String,
    pub groups: Vec<String>,
    pub addresses: Vec<IpAddr>,
}

pub const DIOCSTART: u64 = 0x2000_4401;
const DIOCSTOP: u64 = 0x2000_4402;
const DIOCADDRULE: u64 = 0xcbe0_4404;
const DIOCGETRULES: u64 = 0xcbe0_4406;
const DIOCGETRULE: u64 = 0xcbe0_4407;
const DIOCGETRULENV: u64 = 0xc018_4407;
const DIOCGETSTATUS: u64 = 0xc1a0_4415;
const DIOCGETSTATUSNV: u64 = 0xc018_4415;
const DIOCGETSTATES: u64 = 0xc010_4419;
const DIOCCHANGERULE: u64 = 0xcbe0_441a;
const DIOCKILLSTATES: u64 = 0xc0e0_4429;
const DIOCKILLSTATESNV: u64 = 0xc018_4429;
const DIOCBEGINADDRS: u64 = 0xc470_4433;
const DIOCADDADDR: u64 = 0xc470_4434;
const DIOCGETRULESETS: u64 = 0xc444_443a;
const DIOCGETRULESET: u64 = 0xc444_443b;
const DIOCRCLRTABLES: u64 = 0xc450_443c;
const DIOCRADDTABLES: u64 = 0xc450_443d;
const DIOCRGETTABLES: u64 = 0xc450_443f;
const DIOCRADDADDRS: u64 = 0xc450_4443;
const DIOCRDELADDRS: u64 = 0xc450_4444;
const DIOCRSETADDRS: u64 = 0xc450_4445;
const DIOCRGETADDRS: u64 = 0xc450_4446;
const DIOCRINADEFINE: u64 = 0xc450_444d;
const DIOCXBEGIN: u64 = 0xc010_4451;
const DIOCXCOMMIT: u64 = 0xc010_4452;
const DIOCXROLLBACK: u64 = 0xc010_4453;
const DIOCIGETIFACES: u64 = 0xc028_4457;
const DIOCSETIFFLAG: u64 = 0xc028_4459;
const DIOCCLRIFFLAG: u64 = 0xc028_445a;

/// Legacy requests that release 15 has no more, and those in name-value form that 12 has not yet.
const UNTIL_15: [u64; 3] = [DIOCGETRULE, DIOCGETSTATUS, DIOCKILLSTATES];
const SINCE_14: [u64; 3] = [DIOCGETRULENV, DIOCGETSTATUSNV, DIOCKILLSTATESNV];

/// One request of /dev/pf. `argument` is the address of as many bytes as the request says, with good pointers in them.
pub fn ioctl(pf: &mut Pf, host: &Host, request: u64, argument: u64) -> Answer {
    // SAFETY: see above.
    let bytes = unsafe { at(argument, (request >> 16 & 0x1fff) as usize)? };
    if host.release >= 15 && UNTIL_15.contains(&request) || host.release < 14 && SINCE_14.contains(&request) {
        return Err(ENODEV);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    pf.purge(anchor::round_at(now));
    match request {
        DIOCSTART if pf.running => Err(EEXIST),
        DIOCSTART => {
            pf.running = true;
            Ok(())
        }
        DIOCSTOP if !pf.running => Err(ENOENT),
        DIOCSTOP => {
            pf.running = false;
            Ok(())
        }
        DIOCGETSTATUS => {
            const RUNNING: usize = 360;
            const STATES: usize = 364;
            bytes.fill(0);
            bytes.put_u32(RUNNING, u32::from(pf.running));
            bytes.put_u32(STATES, pf.states.len() as u32);
            Ok(())
        }
        DIOCGETSTATUSNV => {
            name_values::answer(bytes, |_| Ok(vec![("running".into(), name_values::Value::Bool(pf.running))]))
        }
        DIOCBEGINADDRS => {
            pf.pool = Pool::default();
            pf.pool_ticket += 1;
            bytes.put_u32(4, pf.pool_ticket);
            Ok(())
        }
        DIOCADDADDR => rule::add_address(pf, bytes),
        DIOCADDRULE => ruleset::add(pf, host, bytes),
        DIOCGETRULES => ruleset::count(pf, bytes),
        DIOCGETRULE => ruleset::read(pf, bytes),
        DIOCGETRULENV => name_values::answer(bytes, |request| rule_named::read(pf, request)),
        DIOCCHANGERULE => ruleset::change(pf, host, bytes),
        DIOCGETRULESETS => ruleset::count_children(pf, bytes),
        DIOCGETRULESET => ruleset::child(pf, bytes),
        DIOCXBEGIN => transaction::begin(pf, bytes),
        DIOCXCOMMIT => transaction::commit(pf, bytes),
        DIOCXROLLBACK => transaction::roll_back(pf, bytes),
        DIOCRCLRTABLES => table::clear(pf, bytes),
        DIOCRADDTABLES => table::add(pf, bytes),
        DIOCRGETTABLES => table::list(pf, bytes),
        DIOCRADDADDRS | DIOCRDELADDRS | DIOCRSETADDRS => table::change(pf, request, bytes),
        DIOCRGETADDRS => table::addresses(pf, bytes),
        DIOCRINADEFINE => table::define(pf, bytes),
        DIOCGETSTATES => state::list(pf, bytes),
        DIOCKILLSTATES => state::kill(pf, bytes),
        DIOCKILLSTATESNV => name_values::answer(bytes, |request| state::kill_named(pf, request)),
        DIOCSETIFFLAG => state::skip(pf, host, bytes, true),
        DIOCCLRIFFLAG => state::skip(pf, host, bytes, false),
        DIOCIGETIFACES => state::interfaces(pf, host, bytes),
        _ => Err(ENODEV),
    }
}

/// The path of the anchor that a rule calls, and whether all within it are meant.
fn called(path: &str, call: &str) -> (String, bool) {
    let (call, all) = match call.strip_suffix("/*") {
        Some(call) => (call, true),
        None => (call.strip_suffix('*').unwrap_or(call), call == "*"),
    };
    let mut base = path;
    let mut rest = call;
    if let Some(absolute) = call.strip_prefix('/') {
        return (absolute.to_owned(), all);
    }
    while let Some(above) = rest.strip_prefix("../") {
        base = base.rsplit_once('/').map_or("", |(parent, _)| parent);
        rest = above;
    }
    let joined = [base, rest].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("/");
    (joined, all)
}

impl Pf {
    pub fn forget(&mut self) {
        self.states.clear();
    }
}

#[cfg(test)]
mod tests;
