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
const ADDED: usize = 1084;
const DELETED: usize = 1088;
const FLAGS: usize = 1096;
const TICKET: usize = 1100;
// PFR_TFLAG_*, PFR_FLAG_*
const PERSIST: u32 = 0x1;
const USER_FLAGS: u32 = 0x43;
const ADDRSTOO: u32 = 0x10;

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    pub entries: Vec<Entry>,
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
        [path, ""].iter().find_map(|path| self.anchors.get(*path)?.tables.get(name))
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
    // SAFETY: the caller's buffer has as many elements as it says.
    unsafe { at(bytes.get_u64(BUFFER), bytes.get_u32(SIZE) as usize * size) }
}

fn entries(bytes: &[u8]) -> Answer<Vec<Entry>> {
    buffer(bytes, ADDRESS)?.chunks_exact(ADDRESS).map(Entry::read).collect()
}

/// DIOCRCLRTABLES
pub fn clear(pf: &mut Pf, bytes: &mut [u8]) -> Answer {
    requires_element(bytes, 0)?;
    requires_flags(bytes, 0)?;
    let path = padded_name(bytes, 0, PATH)?;
    let count = match pf.anchors.get_mut(&path) {
        Some(anchor) => std::mem::take(&mut anchor.tables).len(),
        None => 0,
    };
    bytes.put_u32(DELETED, count as u32);
    pf.tidy();
    Ok(())
}

/// DIOCRADDTABLES
pub fn add(pf: &mut Pf, bytes: &mut [u8]) -> Answer {
    requires_element(bytes, TABLE)?;
    requires_flags(bytes, 0)?;
    let mut added = 0;
    for element in buffer(bytes, TABLE)?.chunks_exact(TABLE) {
        let (path, name) = (padded_name(element, 0, PATH)?, padded_name(element, TABLE_NAME, NAME)?);
        let flags = element.get_u32(TABLE_FLAGS);
        if name.is_empty() || flags & !USER_FLAGS != 0 {
            return Err(EINVAL);
        }
        // Without this flag a table that no rule uses is gone at once.
        if flags & PERSIST == 0 {
            continue;
        }
        pf.make(&path);
        if let Some(anchor) = pf.anchors.get_mut(&path)
            && !anchor.tables.contains_key(&name)
        {
            anchor.tables.insert(name, Table::default());
            added += 1;
        }
    }
    bytes.put_u32(ADDED, added);
    Ok(())
}

/// DIOCRGETTABLES
pub fn list(pf: &Pf, bytes: &mut [u8]) -> Answer {
    requires_element(bytes, TABLE)?;
    requires_flags(bytes, 0)?;
    let path = padded_name(bytes, 0, PATH)?;
    let anchor = pf.anchors.get(&path).ok_or(ENOENT)?;
    let count = anchor.tables.len();
    if count <= bytes.get_u32(SIZE) as usize {
        for (name, element) in anchor.tables.keys().zip(buffer(bytes, TABLE)?.chunks_exact_mut(TABLE)) {
            element.fill(0);
            element.put_name(0, PATH, &path)?;
            element.put_name(TABLE_NAME, NAME, name)?;
            element.put_u32(TABLE_FLAGS, PERSIST | 0x4);
        }
    }
    bytes.put_u32(SIZE, count as u32);
    Ok(())
}

fn named<'a>(pf: &'a mut Pf, bytes: &[u8]) -> Answer<&'a mut Table> {
    let (path, name) = (padded_name(bytes, 0, PATH)?, padded_name(bytes, TABLE_NAME, NAME)?);
    pf.anchors.get_mut(&path).and_then(|anchor| anchor.tables.get_mut(&name)).ok_or(ESRCH)
}

/// DIOCRADDADDRS, DIOCRDELADDRS, DIOCRSETADDRS
pub fn change(pf: &mut Pf, request: u64, bytes: &mut [u8]) -> Answer {
    requires_element(bytes, ADDRESS)?;
    requires_flags(bytes, 0)?;
    let given = entries(bytes)?;
    let table = named(pf, bytes)?;
    let before = table.entries.len();
    let known = given.iter().filter(|entry| table.entries.iter().any(|one| one.is_same(entry))).count();
    match request {
        DIOCRDELADDRS => table.entries.retain(|one| !given.iter().any(|entry| entry.is_same(one))),
        DIOCRADDADDRS => {
            for entry in given {
                if !table.entries.iter().any(|one| one.is_same(&entry)) {
                    table.entries.push(entry);
                }
            }
        }
        _ => table.entries = given,
    }
    let after = table.entries.len();
    let (added, deleted) = match request {
        DIOCRADDADDRS => (after - before, 0),
        DIOCRDELADDRS => (0, before - after),
        _ => (after - known, before - known),
    };
    bytes.put_u32(ADDED, added as u32);
    bytes.put_u32(DELETED, deleted as u32);
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
    let (path, name) = (padded_name(bytes, 0, PATH)?, padded_name(bytes, TABLE_NAME, NAME)?);
    let given = entries(bytes)?;
    if name.is_empty() || (!given.is_empty() && bytes.get_u32(FLAGS) & ADDRSTOO == 0) {
        return Err(EINVAL);
    }
    let anchor = pf.anchors.get_mut(&path).ok_or(EBUSY)?;
    if !anchor.tables_open || anchor.table_ticket != bytes.get_u32(TICKET) {
        return Err(EBUSY);
    }
    bytes.put_u32(ADDED, u32::from(!anchor.tables.contains_key(&name)));
    anchor.defined.insert(name, Table { entries: given });
    Ok(())
}
