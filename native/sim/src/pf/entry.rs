//! Tables of addresses and networks: what is in one, and when one goes.

use super::Pf;
use super::rule::octets;
use crate::errno::{Answer, EINVAL};
use crate::family::{AF_INET, AF_INET6};
use crate::memory::Bytes;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A table, or the place of one: rules name tables that nobody has made, and a table of the main ruleset stands behind
/// each one of an anchor that has its name. A place that nothing holds is none: `Pf::settle_table`.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Table {
    pub entries: Vec<Entry>,
    /// It was made, and is not only the place of one.
    pub active: bool,
    pub persists: bool,
    /// As a transaction is defining it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defined: Option<Definition>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// None: the addresses stay.
    pub entries: Option<Vec<Entry>>,
    pub persists: bool,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub ip: IpAddr,
    pub prefix: u8,
    /// Addresses in it are not in the table.
    #[serde(default)]
    pub not: bool,
}

impl Entry {
    pub fn read(bytes: &[u8]) -> Answer<Self> {
        let (family, prefix, not) = (i32::from(bytes.get_u8(16)), bytes.get_u8(17), bytes.get_u8(18));
        let (ip, size): (IpAddr, usize) = match family {
            AF_INET => (Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into(), 4),
            AF_INET6 => (Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[..16]).expect("16 bytes were taken")).into(), 16),
            _ => return Err(EINVAL),
        };
        let beyond = bytes[..16].iter().enumerate().any(|(index, byte)| {
            let bits = usize::from(prefix).saturating_sub(index * 8).min(8);
            byte & !(0xff00_u16 >> bits) as u8 != 0
        });
        // pfra_fback is the kernel's to write.
        if usize::from(prefix) > size * 8 || beyond || not > 1 || bytes.get_u8(19) != 0 {
            return Err(EINVAL);
        }
        Ok(Self { ip, prefix, not: not == 1 })
    }

    pub fn write(&self, bytes: &mut [u8]) {
        bytes.fill(0);
        bytes[..16].copy_from_slice(&octets(self.ip));
        bytes[16] = if self.ip.is_ipv4() { AF_INET as u8 } else { AF_INET6 as u8 };
        bytes[17] = self.prefix;
        bytes[18] = u8::from(self.not);
    }

    /// The order in which the kernel's trees are walked.
    pub fn place(&self) -> (bool, [u8; 16], u8) {
        (self.ip.is_ipv6(), octets(self.ip), u8::MAX - self.prefix)
    }

    pub fn is_same(&self, other: &Self) -> bool {
        self.ip == other.ip && self.prefix == other.prefix
    }

    fn holds(&self, ip: IpAddr) -> bool {
        if self.ip.is_ipv4() != ip.is_ipv4() {
            return false;
        }
        let (own, other) = (octets(self.ip), octets(ip));
        (0..usize::from(self.prefix)).all(|bit| {
            let mask = 0x80 >> (bit % 8);
            own[bit / 8] & mask == other[bit / 8] & mask
        })
    }
}

impl Table {
    /// The entry with the longest prefix decides.
    pub fn holds(&self, ip: IpAddr) -> bool {
        self.entries
            .iter()
            .filter(|entry| entry.holds(ip))
            .max_by_key(|entry| entry.prefix)
            .is_some_and(|entry| !entry.not)
    }
}

impl Pf {
    /// An anchor's table, or else the main ruleset's of this name.
    pub fn table(&self, path: &str, name: &str) -> Option<&Table> {
        let active = |path: &str| self.anchors.get(path)?.tables.get(name).filter(|table| table.active);
        active(path).or_else(|| active(""))
    }

    /// The place of a table, and that of the main ruleset's table behind it.
    pub fn make_table(&mut self, path: &str, name: &str) {
        for path in [path, ""] {
            self.make(path);
            if let Some(anchor) = self.anchors.get_mut(path) {
                anchor.tables.entry(name.to_owned()).or_default();
            }
        }
    }

    /// Is it the main ruleset's table behind one of an anchor?
    pub fn is_behind(&self, path: &str, name: &str) -> bool {
        path.is_empty()
            && self.anchors.iter().any(|(path, anchor)| !path.is_empty() && anchor.tables.contains_key(name))
    }

    /// Something of a table was changed: what is to stay of it? pfr_setflags_ktable
    pub fn settle_table(&mut self, path: &str, name: &str) {
        let (referenced, behind) = (self.is_referenced(path, name), self.is_behind(path, name));
        let Some(anchor) = self.anchors.get_mut(path) else { return };
        let Some(table) = anchor.tables.get_mut(name) else { return };
        table.active &= referenced || table.persists;
        if table.active {
            return;
        }
        table.persists = false;
        table.entries.clear();
        if referenced || behind || table.defined.is_some() {
            return;
        }
        anchor.tables.remove(name);
        if !path.is_empty() {
            self.settle_table("", name);
        }
        self.remove_if_empty(path);
    }

    pub fn tables_that(&self, path: &str, are: impl Fn(&Table) -> bool) -> Vec<String> {
        let tables = self.anchors.get(path).into_iter().flat_map(|anchor| &anchor.tables);
        tables.filter(|(_, table)| are(table)).map(|(name, _)| name.clone()).collect()
    }

    /// pfr_ina_rollback, pfr_ina_begin
    pub fn discard_definitions(&mut self, path: &str) {
        for name in self.tables_that(path, |table| table.defined.is_some()) {
            if let Some(table) = self.place_of(path, &name) {
                table.defined = None;
            }
            self.settle_table(path, &name);
        }
    }

    /// pfr_ina_commit
    pub fn commit_definitions(&mut self, path: &str) {
        for name in self.tables_that(path, |table| table.defined.is_some()) {
            let Some(table) = self.place_of(path, &name) else { continue };
            let Some(definition) = table.defined.take() else { continue };
            if let Some(entries) = definition.entries {
                table.entries = entries;
            }
            table.active = true;
            table.persists = definition.persists;
            self.settle_table(path, &name);
        }
    }

    pub fn place_of(&mut self, path: &str, name: &str) -> Option<&mut Table> {
        self.anchors.get_mut(path)?.tables.get_mut(name)
    }
}
