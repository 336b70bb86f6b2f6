//! A rule as the kernel keeps it, struct pf_rule, and the pool of addresses that a translation leads to.

use super::Pf;
pub use super::rule_check::{DROP, NAT, NONAT, NORDR, PASS, RDR};
use super::rule_check::{check_family, check_fields};
use super::sparse::Sparse;
use crate::errno::{Answer, EAFNOSUPPORT, EBUSY, EINVAL};
use crate::family::{AF_INET, AF_INET6};
use crate::memory::Bytes;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

pub const RULE: usize = 976;
const POOL_ADDRESS: usize = 88;
/// Where struct pfioc_rule has the rule and the call.
pub const RULE_AT: usize = 2064;
pub const CALL_AT: usize = 1040;
pub const PATH: usize = 1024;

// PF_ADDR_* of netpfil/pf/pf.h
pub const ADDRMASK: u8 = 0;
pub const DYNIFTL: u8 = 2;
pub const TABLE: u8 = 3;
const RANGE: u8 = 5;
const ICMP_MAXTYPE: u16 = 40;
const OVERLOAD_TABLE: usize = 512;

/// Addresses of a pool, struct pf_pooladdr.
pub type Pool = Vec<Sparse>;

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    pub body: Sparse,
    /// The anchor that it calls, as it was given; empty for a plain rule.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub call: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pool: Pool,
}

/// One end of a rule, struct pf_rule_addr.
pub struct End<'a> {
    bytes: &'a [u8],
}

/// What an address is compared with, struct pf_addr_wrap.
pub enum Wrapped {
    Network { address: [u8; 16], mask: [u8; 16] },
    Interface(String),
    Table(String),
}

/// Reads a struct pf_addr_wrap, strictly.
pub fn wrapped(bytes: &[u8]) -> Answer<Wrapped> {
    const POINTER: usize = 32;
    if bytes.get_u64(POINTER) != 0 {
        return Err(EINVAL);
    }
    let array = |from: usize| bytes[from..from + 16].try_into().expect("16 bytes were taken");
    match bytes.get_u8(40) {
        ADDRMASK => Ok(Wrapped::Network { address: array(0), mask: array(16) }),
        // The mask follows the name.
        DYNIFTL => Ok(Wrapped::Interface(bytes.get_name(0, 16)?)),
        TABLE => Ok(Wrapped::Table(bytes.get_name(0, 32)?)),
        _ => Err(EINVAL),
    }
}

impl End<'_> {
    pub fn wrapped(&self) -> Wrapped {
        wrapped(self.bytes).expect("it was checked when it came in")
    }
    pub fn not(&self) -> bool {
        self.bytes.get_u8(52) != 0
    }
    /// Does the port fit? PF_OP_*.
    pub fn fits_port(&self, port: u16) -> bool {
        let (first, last) = (self.bytes.get_u16be(48), self.bytes.get_u16be(50));
        match self.bytes.get_u8(53) {
            0 => true,
            1 => port > first && port < last,
            2 => port == first,
            3 => port != first,
            4 => port < first,
            5 => port <= first,
            6 => port > first,
            7 => port >= first,
            8 => port < first || port > last,
            9 => port >= first && port <= last,
            _ => false,
        }
    }
    pub fn has_ports(&self) -> bool {
        self.bytes.get_u8(53) != 0
    }
    pub fn first_port(&self) -> u16 {
        self.bytes.get_u16be(48)
    }
}

impl Rule {
    fn byte(&self, at: usize) -> u8 {
        self.body.0[at]
    }
    fn name(&self, at: usize, size: usize) -> String {
        self.body.0.get_name(at, size).unwrap_or_default()
    }
    pub fn source(&self) -> End<'_> {
        End { bytes: &self.body.0[0..56] }
    }
    pub fn destination(&self) -> End<'_> {
        End { bytes: &self.body.0[56..112] }
    }
    pub fn label(&self) -> String {
        self.name(176, 64)
    }
    pub fn interface(&self) -> String {
        self.name(240, 16)
    }
    pub fn tag(&self) -> String {
        self.name(384, 64)
    }
    pub fn tagged(&self) -> String {
        self.name(448, 64)
    }
    /// Of the pool: the first and last port, in host order.
    pub fn proxy_ports(&self) -> (u16, u16) {
        (self.body.0.get_u16(620), self.body.0.get_u16(622))
    }
    pub fn rule_flag(&self) -> u32 {
        self.body.0.get_u32(900)
    }
    pub fn action(&self) -> u8 {
        self.byte(904)
    }
    pub fn direction(&self) -> u8 {
        self.byte(905)
    }
    pub fn quick(&self) -> bool {
        self.byte(908) != 0
    }
    pub fn not_interface(&self) -> bool {
        self.byte(909) != 0
    }
    pub fn nat_pass(&self) -> bool {
        self.byte(911) != 0
    }
    pub fn keep_state(&self) -> bool {
        self.byte(912) != 0
    }
    pub fn family(&self) -> i32 {
        self.byte(913).into()
    }
    pub fn protocol(&self) -> u8 {
        self.byte(914)
    }
    /// One up: 0 is any.
    pub fn icmp_type(&self) -> u8 {
        self.byte(915)
    }
    pub fn flags(&self) -> (u8, u8) {
        (self.byte(917), self.byte(918))
    }

    /// Names of the tables that it is about, each once.
    pub fn tables(&self) -> Vec<String> {
        let ends = [0, 56].map(|at| &self.body.0[at..at + 48]);
        let pool = self.pool.iter().map(|address| &address.0[..48]);
        let overload = self.name(OVERLOAD_TABLE, 32);
        let named = ends.into_iter().chain(pool).filter_map(|wrap| match wrapped(wrap) {
            Ok(Wrapped::Table(name)) => Some(name),
            _ => None,
        });
        let mut names: Vec<String> = named.chain((!overload.is_empty()).then_some(overload)).collect();
        names.sort();
        names.dedup();
        names
    }

    pub fn names(&self, table: &str) -> bool {
        self.tables().iter().any(|name| name == table)
    }

    /// A rule of struct pfioc_rule, with the pool that was made for it, as the kernel takes it in.
    pub fn read(bytes: &[u8], pool: Pool) -> Answer<Self> {
        const RTABLEID: usize = 700;
        const RETURN_ICMP: usize = 864;
        const STRINGS: [(usize, usize); 8] =
            [(176, 64), (240, 16), (256, 64), (320, 64), (384, 64), (448, 64), (512, 32), (112, 64)];
        let call = bytes.get_name(CALL_AT, PATH)?;
        let mut body = bytes[RULE_AT..RULE_AT + RULE].to_vec();
        for (offset, size) in STRINGS.iter().take(7) {
            body.get_name(*offset, *size)?;
        }
        for end in [0, 56] {
            let wrap = wrapped(&body[end..end + 48])?;
            if let Wrapped::Network { address, mask } = &wrap {
                check_family(address, mask, body[913].into())?;
            }
            let ports = body[end + 53] != 0;
            if body[end + 53] > 9 || (ports && ![6, 17].contains(&body[914])) {
                return Err(EINVAL);
            }
        }
        check_fields(&body)?;
        if body.get_u16(RETURN_ICMP) >> 8 > ICMP_MAXTYPE {
            return Err(EINVAL);
        }
        if body.get_i32(RTABLEID) != -1 {
            return Err(EBUSY);
        }
        let rule = Self { body: Sparse(body.clone()), call, pool };
        // Translations lead somewhere, but for the calls of anchors and exemptions.
        if [NAT, RDR].contains(&rule.action()) && rule.call.is_empty() && rule.pool.is_empty() {
            return Err(EINVAL);
        }
        if !rule.call.is_empty() {
            // How many anchors up the path begins, counted from 1; 0 for one from the main ruleset on.
            let up = rule.call.matches("../").count() as u8;
            body[925] = if rule.call.starts_with('/') { 0 } else { 1 + up };
            body[926] = u8::from(rule.call.ends_with("/*") || rule.call == "*");
        }
        Ok(Self { body: Sparse(body), ..rule })
    }

    /// The same but for what the kernel itself counts.
    pub fn is_twin(&self, other: &Self) -> bool {
        self == other
    }
}

/// The ruleset that an action belongs to, pf_get_ruleset_number; of scrub, binat and match no request was seen.
pub fn ruleset_of(action: u8) -> Answer<usize> {
    match action {
        PASS | DROP => Ok(super::FILTER),
        NAT | NONAT => Ok(super::NAT),
        RDR | NORDR => Ok(super::RDR),
        _ => Err(EINVAL),
    }
}

/// DIOCADDADDR
pub fn add_address(pf: &mut Pf, bytes: &[u8]) -> Answer {
    if bytes.get_u32(4) != pf.pool_ticket {
        return Err(EBUSY);
    }
    let family = i32::from(bytes.get_u8(18));
    if ![AF_INET, AF_INET6].contains(&family) {
        return Err(EAFNOSUPPORT);
    }
    let address = &bytes[1048..1048 + POOL_ADDRESS];
    if address.get_u8(40) == RANGE {
        return Err(EINVAL);
    }
    if let Wrapped::Network { address, mask } = wrapped(&address[..48])? {
        check_family(&address, &mask, family)?;
    }
    // Neither flags of an interface's addresses, nor an interface to route to, nor links of a list.
    if address[41..].iter().any(|byte| *byte != 0) {
        return Err(EINVAL);
    }
    pf.pool.push(Sparse(address.to_vec()));
    Ok(())
}

/// An address as 16 bytes, those of IPv4 in front.
pub fn octets(ip: IpAddr) -> [u8; 16] {
    let mut bytes = [0; 16];
    match ip {
        IpAddr::V4(ip) => bytes[..4].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => bytes.copy_from_slice(&ip.octets()),
    }
    bytes
}
