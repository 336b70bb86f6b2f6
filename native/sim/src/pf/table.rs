//! Requests about tables of addresses and networks, struct pfioc_table. net/pfvar.h, netpfil/pf/pf_table.c

use super::entry::{Definition, Entry, Table};
use super::rule::PATH;
use super::{DIOCRADDADDRS, DIOCRDELADDRS, Pf};
use crate::errno::{Answer, EBUSY, EINVAL, ENODEV, ENOENT, ESRCH};
use crate::memory::{Bytes, BytesMut, at};

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
