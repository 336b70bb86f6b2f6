//! Tables of addresses and networks.

use super::rule::{PATH, octets};
use super::{DIOCRADDADDRS, DIOCRDELADDRS, Pf};
use crate::errno::{Answer, EBUSY, EINVAL, ENODEV, ENOENT, ESRCH};
use crate::interface::{AF_INET, AF_INET6};
use crate::memory::{Bytes, BytesMut, at};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const TABLE: usize = 1064;
const ADDRESS: usize = 20;
const NAME: usize = 32;
/// Offsets in struct pfioc_table.
const TABLE_NAME: usize = 1024;
const TABLE_FLAGS: usize = 1056;
const BUFFER: usize = 1064;
const ELEMENT: usize = 1072;
const SIZE: usize = 1076;
const SIZE2: usize = 1080;
const ADDED: usize = 1084;
const DELETED: usize = 1088;
const CHANGED: usize = 1092;
const FLAGS: usize = 1096;
const TICKET: usize = 1100;
// PFR_TFLAG_*, PFR_FLAG_*
const PERSIST: u32 = 0x1;
const ACTIVE: u32 = 0x4;
const INACTIVE: u32 = 0x8;
const REFERENCED: u32 = 0x10;
const REFDANCHOR: u32 = 0x20;
const ADDRSTOO: u32 = 0x10;
/// Elements of one request, net.pf.request_maxcount.
const MOST: u32 = 65535;
/// The anchor of the kernel's own tables.
const RESERVED: &str = "_pf";

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
    entries: Option<Vec<Entry>>,
    persists: bool,
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
    fn read(bytes: &[u8]) -> Answer<Self> {
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

    fn write(&self, bytes: &mut [u8]) {
        bytes.fill(0);
        bytes[..16].copy_from_slice(&octets(self.ip));
        bytes[16] = if self.ip.is_ipv4() { AF_INET as u8 } else { AF_INET6 as u8 };
        bytes[17] = self.prefix;
        bytes[18] = u8::from(self.not);
    }

    /// The order in which the kernel's trees are walked.
    fn place(&self) -> (bool, [u8; 16], u8) {
        (self.ip.is_ipv6(), octets(self.ip), u8::MAX - self.prefix)
    }

    fn is_same(&self, other: &Self) -> bool {
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
    fn is_behind(&self, path: &str, name: &str) -> bool {
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

    fn tables_that(&self, path: &str, are: impl Fn(&Table) -> bool) -> Vec<String> {
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

    fn place_of(&mut self, path: &str, name: &str) -> Option<&mut Table> {
        self.anchors.get_mut(path)?.tables.get_mut(name)
    }
}

/// The text is padded with zeros to its end.
fn padded_name(bytes: &[u8], at: usize, size: usize) -> Answer<String> {
    let name = bytes.get_name(at, size)?;
    if bytes[at + name.len()..at + size].iter().any(|byte| *byte != 0) { Err(EINVAL) } else { Ok(name) }
}

fn requires_element(bytes: &[u8], size: usize) -> Answer {
    if bytes.get_u32(ELEMENT) as usize == size { Ok(()) } else { Err(ENODEV) }
}

/// Those that were seen to be taken; PFR_FLAG_ATOMIC, for one, is refused by every release where addresses change.
fn requires_flags(bytes: &[u8], allowed: u32) -> Answer {
    if bytes.get_u32(FLAGS) & !allowed == 0 { Ok(()) } else { Err(EINVAL) }
}

fn buffer(bytes: &[u8], size: usize) -> Answer<&'static mut [u8]> {
    if bytes.get_u32(SIZE) > MOST {
        return Err(EINVAL);
    }
    // SAFETY: the caller's buffer has as many elements as it says.
    unsafe { at(bytes.get_u64(BUFFER), bytes.get_u32(SIZE) as usize * size) }
}

/// The table that a request is about: name, anchor, and flags of which a request may have some.
fn told(bytes: &[u8], flags: u32) -> Answer<(String, String)> {
    let (path, name) = (padded_name(bytes, 0, PATH)?, padded_name(bytes, TABLE_NAME, NAME)?);
    let valid = !name.is_empty() && path != RESERVED && bytes.get_u32(TABLE_FLAGS) & !flags == 0;
    if valid { Ok((path, name)) } else { Err(EINVAL) }
}

/// DIOCRCLRTABLES
pub fn clear(pf: &mut Pf, bytes: &mut [u8]) -> Answer {
    requires_element(bytes, 0)?;
    requires_flags(bytes, 0)?;
    let path = padded_name(bytes, 0, PATH)?;
    if !pf.anchors.contains_key(&path) {
        return Err(ENOENT);
    }
    let names = pf.tables_that(&path, |table| table.active);
    for name in &names {
        if let Some(table) = pf.place_of(&path, name) {
            table.active = false;
        }
        pf.settle_table(&path, name);
    }
    bytes.put_u32(DELETED, names.len() as u32);
    Ok(())
}

/// DIOCRADDTABLES. Without PFR_TFLAG_PERSIST it was not seen: a table that no rule uses would go with the next change of it.
pub fn add(pf: &mut Pf, bytes: &mut [u8]) -> Answer {
    requires_element(bytes, TABLE)?;
    requires_flags(bytes, 0)?;
    let elements = buffer(bytes, TABLE)?.chunks_exact(TABLE);
    let wanted = elements.map(|element| match element.get_u32(TABLE_FLAGS) {
        PERSIST => told(element, PERSIST),
        _ => Err(EINVAL),
    });
    let wanted = wanted.collect::<Answer<Vec<_>>>()?;
    let mut added = 0;
    for (path, name) in wanted {
        pf.make_table(&path, &name);
        let Some(table) = pf.place_of(&path, &name) else { continue };
        added += u32::from(!table.active);
        table.active = true;
        table.persists = true;
    }
    bytes.put_u32(ADDED, added);
    Ok(())
}

/// DIOCRGETTABLES: places of tables are among them.
pub fn list(pf: &Pf, bytes: &mut [u8]) -> Answer {
    requires_element(bytes, TABLE)?;
    requires_flags(bytes, 0)?;
    let path = padded_name(bytes, 0, PATH)?;
    let anchor = pf.anchors.get(&path).ok_or(ENOENT)?;
    let count = anchor.tables.len();
    if count <= bytes.get_u32(SIZE) as usize {
        for ((name, table), element) in anchor.tables.iter().zip(buffer(bytes, TABLE)?.chunks_exact_mut(TABLE)) {
            element.fill(0);
            element.put_name(0, PATH, &path)?;
            element.put_name(TABLE_NAME, NAME, name)?;
            let flag = |on: bool, flag: u32| if on { flag } else { 0 };
            let flags = [
                flag(table.persists, PERSIST),
                flag(table.active, ACTIVE),
                flag(table.defined.is_some(), INACTIVE),
                flag(pf.is_referenced(&path, name), REFERENCED),
                flag(pf.is_behind(&path, name), REFDANCHOR),
            ];
            element.put_u32(TABLE_FLAGS, flags.iter().sum());
        }
    }
    bytes.put_u32(SIZE, count as u32);
    Ok(())
}

fn named<'a>(pf: &'a mut Pf, bytes: &[u8]) -> Answer<&'a mut Table> {
    let (path, name) = told(bytes, 0)?;
    pf.place_of(&path, &name).filter(|table| table.active).ok_or(ESRCH)
}

/// DIOCRADDADDRS, DIOCRDELADDRS, DIOCRSETADDRS
pub fn change(pf: &mut Pf, request: u64, bytes: &mut [u8]) -> Answer {
    requires_element(bytes, ADDRESS)?;
    requires_flags(bytes, 0)?;
    let given = buffer(bytes, ADDRESS)?;
    let table = named(pf, bytes)?;
    let given = given.chunks_exact(ADDRESS).map(Entry::read).collect::<Answer<Vec<_>>>()?;
    let is_given = |one: &Entry| given.iter().find(|entry| entry.is_same(one));
    let before = table.entries.len();
    let mut turned = 0;
    match request {
        DIOCRADDADDRS => {}
        DIOCRDELADDRS => table.entries.retain(|one| is_given(one).is_none_or(|entry| entry.not != one.not)),
        _ => {
            table.entries.retain(|one| is_given(one).is_some());
            for one in &mut table.entries {
                let not = is_given(one).map_or(one.not, |entry| entry.not);
                turned += u32::from(one.not != not);
                one.not = not;
            }
        }
    }
    let kept = table.entries.len();
    if request != DIOCRDELADDRS {
        for entry in given {
            if !table.entries.iter().any(|one| one.is_same(&entry)) {
                table.entries.push(entry);
            }
        }
    }
    let added = table.entries.len() - kept;
    table.entries.sort_by_key(Entry::place);
    bytes.put_u32(ADDED, added as u32);
    bytes.put_u32(DELETED, (before - kept) as u32);
    bytes.put_u32(CHANGED, turned);
    Ok(())
}

/// DIOCRGETADDRS
pub fn addresses(pf: &mut Pf, bytes: &mut [u8]) -> Answer {
    requires_element(bytes, ADDRESS)?;
    requires_flags(bytes, 0)?;
    let entries = named(pf, bytes)?.entries.clone();
    if entries.len() <= bytes.get_u32(SIZE) as usize {
        for (entry, element) in entries.iter().zip(buffer(bytes, ADDRESS)?.chunks_exact_mut(ADDRESS)) {
            entry.write(element);
        }
    }
    bytes.put_u32(SIZE, entries.len() as u32);
    Ok(())
}

/// DIOCRINADEFINE
pub fn define(pf: &mut Pf, bytes: &mut [u8]) -> Answer {
    requires_element(bytes, ADDRESS)?;
    requires_flags(bytes, ADDRSTOO)?;
    let addresses = buffer(bytes, ADDRESS)?;
    let has_addresses = bytes.get_u32(FLAGS) & ADDRSTOO != 0;
    if !addresses.is_empty() && !has_addresses {
        return Err(EINVAL);
    }
    let (path, name) = told(bytes, PERSIST)?;
    let anchor = pf.anchors.get(&path).ok_or(EBUSY)?;
    if !anchor.tables_open || anchor.table_ticket != bytes.get_u32(TICKET) {
        return Err(EBUSY);
    }
    let mut entries: Vec<Entry> = Vec::new();
    for address in addresses.chunks_exact(ADDRESS) {
        let entry = Entry::read(address)?;
        if !entries.iter().any(|one| one.is_same(&entry)) {
            entries.push(entry);
        }
    }
    entries.sort_by_key(Entry::place);
    let count = entries.len();
    let persists = bytes.get_u32(TABLE_FLAGS) & PERSIST != 0;
    pf.make_table(&path, &name);
    let Some(table) = pf.place_of(&path, &name) else { return Err(EBUSY) };
    let first = table.defined.is_none();
    table.defined = Some(Definition { entries: has_addresses.then_some(entries), persists });
    bytes.put_u32(TABLE_FLAGS, bytes.get_u32(TABLE_FLAGS) | INACTIVE);
    bytes.put_u32(ADDED, u32::from(first));
    bytes.put_u32(SIZE2, count as u32);
    Ok(())
}
