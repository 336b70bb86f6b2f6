//! States: connections that pf remembers; and interfaces that it passes over.

use super::name_values::Named;
use super::rule::octets;
use super::{Host, Pf};
use crate::errno::{Answer, EINVAL, ENODEV};
use crate::family::{AF_INET, AF_INET6};
use crate::memory::{Bytes, BytesMut, at};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::ops::RangeInclusive;

const STATE: usize = 242;
/// Names this kernel among those that share states.
const CREATOR: u32 = 0x6b6c_6565;
const PFI_IFLAG_SKIP: u32 = 0x100;
const TCP: u8 = 6;
// Of enum pf_ops, net/pfvar.h, those that klee asks with.
const PF_OP_NONE: u64 = 0;
const PF_OP_RRG: u64 = 9;

/// A connection as it is on one side of a translation: from, to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Key {
    pub from: (IpAddr, u16),
    pub to: (IpAddr, u16),
}

impl Key {
    pub fn reversed(&self) -> Self {
        Self { from: self.to, to: self.from }
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub struct State {
    pub id: u64,
    pub protocol: u8,
    /// The first packet came in.
    pub inward: bool,
    /// It was answered.
    #[serde(default)]
    pub answered: bool,
    /// As the first packet went, on the wire and in the host's stack.
    pub wire: Key,
    pub stack: Key,
}

impl State {
    /// What becomes of a packet of this connection; None when it is none.
    pub fn passes(&self, protocol: u8, inward: bool, key: &Key) -> Option<Key> {
        if protocol != self.protocol {
            return None;
        }
        let (before, after) = match (self.inward, inward) {
            (true, true) => (self.wire.clone(), self.stack.clone()),
            (true, false) => (self.stack.reversed(), self.wire.reversed()),
            (false, false) => (self.stack.clone(), self.wire.clone()),
            (false, true) => (self.wire.reversed(), self.stack.reversed()),
        };
        (before == *key).then_some(after)
    }

    fn family(&self) -> i32 {
        if self.wire.from.0.is_ipv4() { AF_INET } else { AF_INET6 }
    }

    /// Is it a packet of the other direction?
    pub fn is_answer(&self, inward: bool) -> bool {
        inward != self.inward
    }

    /// struct pfsync_state_1301
    fn write(&self, bytes: &mut [u8]) {
        bytes.fill(0);
        bytes.put_u64(0, self.id);
        for (index, key) in [&self.wire, &self.stack].iter().enumerate() {
            // addr[0] is the destination of what comes in.
            let ends = if self.inward { [key.from, key.to] } else { [key.to, key.from] };
            for (end, (ip, port)) in ends.iter().enumerate() {
                let start = 24 + index * 36 + end * 16;
                bytes[start..start + 16].copy_from_slice(&octets(*ip));
                let port_at = 24 + index * 36 + 32 + end * 2;
                bytes[port_at..port_at + 2].copy_from_slice(&port.to_be_bytes());
            }
        }
        // struct pf_state_peer_export, whose state is one of netinet/tcp_fsm.h for TCP: SYN_SENT, ESTABLISHED.
        if self.protocol == TCP {
            for peer in [96, 128] {
                bytes[peer + 24] = if self.answered { 4 } else { 2 };
            }
        }
        bytes.put_u32(228, CREATOR);
        bytes[232] = self.family() as u8;
        bytes[233] = self.protocol;
        bytes[234] = if self.inward { 1 } else { 2 };
    }
}

impl Pf {
    /// Has it a connection between two ends, as the sockets of the host see them?
    pub fn has_connection(&self, one: (IpAddr, u16), other: (IpAddr, u16)) -> bool {
        self.states.iter().any(|state| {
            let ends = (state.stack.from, state.stack.to);
            ends == (one, other) || ends == (other, one)
        })
    }
}

/// DIOCGETSTATES
pub fn list(pf: &Pf, bytes: &mut [u8]) -> Answer {
    let needed = pf.states.len() * STATE;
    let room = bytes.get_u32(0) as usize;
    if room > 0 {
        let fits = pf.states.len().min(room / STATE);
        // SAFETY: the caller's buffer has as many bytes as it says.
        let list = unsafe { at(bytes.get_u64(8), fits * STATE)? };
        for (state, element) in pf.states.iter().zip(list.chunks_exact_mut(STATE)) {
            state.write(element);
        }
        bytes.put_u32(0, (fits * STATE) as u32);
    } else {
        bytes.put_u32(0, needed as u32);
    }
    Ok(())
}

/// DIOCKILLSTATES, by id alone: a struct pfioc_state_kill with nothing else in it.
pub fn kill(pf: &mut Pf, bytes: &mut [u8]) -> Answer {
    const AFTER_CREATOR: usize = 12;
    let (id, creator) = (bytes.get_u64(0), bytes.get_u32(8));
    if id == 0 || creator != CREATOR || bytes[AFTER_CREATOR..].iter().any(|byte| *byte != 0) {
        return Err(EINVAL);
    }
    let before = pf.states.len();
    pf.states.retain(|state| state.id != id);
    bytes.put_u32(216, (before - pf.states.len()) as u32);
    Ok(())
}

/// DIOCKILLSTATESNV: by id, or by what the connection has on the wire: protocol, addresses, ports.
pub fn kill_named(pf: &mut Pf, request: &Named) -> Answer<Named> {
    // Those that match the killed ones stay: the model knows no matching states. Without the word the request is refused.
    if request.flag("kill_match")? {
        return Err(EINVAL);
    }
    let compare = request.list("cmp")?;
    let id = compare.number("id")?;
    let family = request.number("af")? as i32;
    let protocol = request.number("proto")? as u8;
    // Required as well; by none of them was a state chosen.
    let creator = compare.number("creatorid")?;
    let texts = [request.text("ifname")?, request.text("label")?];
    if compare.number("direction")? != 0 || texts != ["", ""] || (id == 0 && creator != 0) {
        return Err(EINVAL);
    }
    let ends = [request.list("src")?, request.list("dst")?];
    let mut wanted = Vec::new();
    for end in &ends {
        let wrap = end.list("addr")?;
        let address = wrap.list("addr")?.binary("addr")?;
        let mask = wrap.list("mask")?.binary("addr")?;
        let plain = [wrap.number("type")?, wrap.number("iflags")?, end.number("neg")?] == [0; 3];
        if !plain || address.len() != 16 || mask.len() != 16 {
            return Err(EINVAL);
        }
        let ports = match (end.number("port_op")?, end.numbers("port")?.as_slice()) {
            (PF_OP_NONE, _) => 0..=u64::from(u16::MAX),
            // In network byte order, as struct pf_rule_addr has them.
            (PF_OP_RRG, [first, last]) => host_order(*first)..=host_order(*last),
            _ => return Err(EINVAL),
        };
        wanted.push((address, mask, ports));
    }
    let fits = |(ip, port): (IpAddr, u16), (address, mask, ports): &(Vec<u8>, Vec<u8>, RangeInclusive<u64>)| {
        ports.contains(&u64::from(port))
            && octets(ip).iter().zip(address).zip(mask).all(|((own, address), mask)| own & mask == address & mask)
    };
    let before = pf.states.len();
    pf.states.retain(|state| {
        let meant = match id {
            0 => {
                (family == 0 || family == state.family())
                    && (protocol == 0 || protocol == state.protocol)
                    && fits(state.wire.from, &wanted[0])
                    && fits(state.wire.to, &wanted[1])
            }
            id => state.id == id,
        };
        !meant
    });
    let killed = (before - pf.states.len()) as u64;
    Ok(vec![("killed".to_owned(), super::name_values::Value::Number(killed))].into())
}

fn host_order(port: u64) -> u64 {
    u64::from(u16::from_be(port as u16))
}

/// Interfaces of this name, or in a group of it: no name of a group ends with a digit.
fn meant<'a>(host: &'a Host, name: &'a str) -> impl Iterator<Item = &'a String> {
    let group = !name.ends_with(|last: char| last.is_ascii_digit());
    let fits = move |one: &&super::Interface| one.name == name || group && one.groups.iter().any(|own| own == name);
    host.interfaces.iter().filter(fits).map(|one| &one.name)
}

/// DIOCSETIFFLAG, DIOCCLRIFFLAG
pub fn skip(pf: &mut Pf, host: &Host, bytes: &[u8], on: bool) -> Answer {
    let name = bytes.get_name(0, 16)?;
    if bytes.get_u32(36) & !PFI_IFLAG_SKIP != 0 {
        return Err(EINVAL);
    }
    for name in meant(host, &name).chain([&name]) {
        if on {
            pf.filtered.remove(name);
            pf.skipped.insert(name.clone());
        } else {
            pf.skipped.remove(name);
            pf.filtered.insert(name.clone());
        }
    }
    Ok(())
}

/// DIOCIGETIFACES: struct pfi_kif of each, as far as name and flags. A count that exceeds the room is told all the same.
pub fn interfaces(pf: &Pf, host: &Host, bytes: &mut [u8]) -> Answer {
    const ELEMENT: usize = 216;
    const ELEMENT_FLAGS: usize = 172;
    let name = bytes.get_name(0, 16)?;
    if bytes.get_u32(24) as usize != ELEMENT {
        return Err(ENODEV);
    }
    let room = bytes.get_u32(28) as usize;
    let names: Vec<&String> = if name.is_empty() {
        host.interfaces.iter().map(|one| &one.name).collect()
    } else {
        meant(host, &name).collect()
    };
    // SAFETY: the caller's buffer has room for as many as it says.
    let buffer = unsafe { at(bytes.get_u64(16), room * ELEMENT)? };
    for (name, element) in names.iter().zip(buffer.chunks_exact_mut(ELEMENT)) {
        element.fill(0);
        element.put_name(0, 16, name)?;
        element.put_u32(ELEMENT_FLAGS, if pf.skips(host, name) { PFI_IFLAG_SKIP } else { 0 });
    }
    bytes.put_u32(28, names.len() as u32);
    Ok(())
}
