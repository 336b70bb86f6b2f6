//! Name-value lists as libnv packs them, nv(9), little-endian: struct pfioc_nv.

use crate::errno::{Answer, EINVAL, ENOSPC};
use crate::memory::{Bytes, BytesMut, at};

const HEADER: usize = 19;
const MAGIC: u8 = 0x6c;
// Types of sys/contrib/libnv.
const BOOL: u8 = 2;
const NUMBER: u8 = 3;
const TEXT: u8 = 4;
const LIST: u8 = 5;
const BINARY: u8 = 7;
const NUMBERS: u8 = 9;
const TEXTS: u8 = 10;
const UP: u8 = 255;

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Bool(bool),
    Number(u64),
    Text(String),
    Binary(Vec<u8>),
    Numbers(Vec<u64>),
    Texts(Vec<String>),
    List(Vec<(String, Value)>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Named(Vec<(String, Value)>);

impl From<Vec<(String, Value)>> for Named {
    fn from(pairs: Vec<(String, Value)>) -> Self {
        Self(pairs)
    }
}

impl Named {
    fn get(&self, name: &str) -> Answer<&Value> {
        self.0.iter().find(|(one, _)| one == name).map(|(_, value)| value).ok_or(EINVAL)
    }
    pub fn number(&self, name: &str) -> Answer<u64> {
        if let Value::Number(number) = self.get(name)? { Ok(*number) } else { Err(EINVAL) }
    }
    pub fn flag(&self, name: &str) -> Answer<bool> {
        if let Value::Bool(flag) = self.get(name)? { Ok(*flag) } else { Err(EINVAL) }
    }
    pub fn text(&self, name: &str) -> Answer<&str> {
        if let Value::Text(text) = self.get(name)? { Ok(text) } else { Err(EINVAL) }
    }
    pub fn binary(&self, name: &str) -> Answer<Vec<u8>> {
        if let Value::Binary(bytes) = self.get(name)? { Ok(bytes.clone()) } else { Err(EINVAL) }
    }
    pub fn numbers(&self, name: &str) -> Answer<Vec<u64>> {
        if let Value::Numbers(numbers) = self.get(name)? { Ok(numbers.clone()) } else { Err(EINVAL) }
    }
    pub fn list(&self, name: &str) -> Answer<Self> {
        if let Value::List(list) = self.get(name)? { Ok(Self(list.clone())) } else { Err(EINVAL) }
    }

    pub fn pack(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_list(&mut bytes, &self.0);
        let whole = bytes.len();
        fill_sizes(&mut bytes, 0, whole);
        bytes
    }

    pub fn unpack(bytes: &[u8]) -> Answer<Self> {
        let mut at = 0;
        let list = take_list(bytes, &mut at, false)?;
        if at == bytes.len() { Ok(Self(list)) } else { Err(EINVAL) }
    }
}

fn put_list(bytes: &mut Vec<u8>, list: &[(String, Value)]) {
    bytes.push(MAGIC);
    bytes.extend_from_slice(&[0; HEADER - 1]);
    for (name, value) in list {
        match value {
            Value::Bool(value) => put_pair(bytes, BOOL, name, 0, &[u8::from(*value)]),
            Value::Number(number) => put_pair(bytes, NUMBER, name, 0, &number.to_le_bytes()),
            Value::Text(text) => put_pair(bytes, TEXT, name, 0, &[text.as_bytes(), &[0]].concat()),
            Value::Binary(data) => put_pair(bytes, BINARY, name, 0, data),
            Value::Numbers(numbers) => {
                let data: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                put_pair(bytes, NUMBERS, name, numbers.len() as u64, &data);
            }
            Value::Texts(texts) => {
                let data: Vec<u8> = texts.iter().flat_map(|text| [text.as_bytes(), &[0]].concat()).collect();
                put_pair(bytes, TEXTS, name, texts.len() as u64, &data);
            }
            Value::List(list) => {
                let mut child = Vec::new();
                put_list(&mut child, list);
                put_pair(bytes, LIST, name, 0, &child);
                put_pair(bytes, UP, "", 0, &[]);
            }
        }
    }
}

fn put_pair(bytes: &mut Vec<u8>, kind: u8, name: &str, items: u64, data: &[u8]) {
    bytes.push(kind);
    bytes.extend_from_slice(&(name.len() as u16 + 1).to_le_bytes());
    bytes.extend_from_slice(&(data.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&items.to_le_bytes());
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(data);
}

/// A header's size counts all bytes after it, of a nested list those of its parents, too.
fn fill_sizes(bytes: &mut [u8], header: usize, end: usize) {
    let rest = (bytes.len() - header - HEADER) as u64;
    bytes.put_u64(header + 11, rest);
    let mut at = header + HEADER;
    while at < end {
        let (kind, name, size) = (bytes[at], bytes.get_u16(at + 1) as usize, bytes.get_u64(at + 3) as usize);
        let data = at + HEADER + name;
        if kind == LIST {
            fill_sizes(bytes, data, data + size);
        }
        at = data + size;
    }
}

fn take_list(bytes: &[u8], at: &mut usize, nested: bool) -> Answer<Vec<(String, Value)>> {
    let header = *at;
    if bytes.len() < header + HEADER || bytes[header] != MAGIC || bytes[header + 2] & !1 != 0 {
        return Err(EINVAL);
    }
    if bytes.get_u64(header + 11) as usize != bytes.len() - header - HEADER || bytes.get_u64(header + 3) != 0 {
        return Err(EINVAL);
    }
    *at += HEADER;
    let mut list = Vec::new();
    while *at < bytes.len() {
        if bytes.len() < *at + HEADER {
            return Err(EINVAL);
        }
        let (kind, name_size) = (bytes[*at], bytes.get_u16(*at + 1) as usize);
        let (size, items) = (bytes.get_u64(*at + 3) as usize, bytes.get_u64(*at + 11) as usize);
        let start = *at + HEADER + name_size;
        if name_size == 0 || bytes.len() < start || bytes.len() - start < size {
            return Err(EINVAL);
        }
        let name = bytes.get_name(*at + HEADER, name_size)?;
        *at = start;
        if kind == UP {
            return if nested { Ok(list) } else { Err(EINVAL) };
        }
        if kind == LIST {
            list.push((name, Value::List(take_list(bytes, at, true)?)));
            continue;
        }
        let data = &bytes[start..start + size];
        *at += size;
        list.push((name, scalar(kind, data, items)?));
    }
    if nested { Err(EINVAL) } else { Ok(list) }
}

fn scalar(kind: u8, data: &[u8], items: usize) -> Answer<Value> {
    match kind {
        BOOL if data.len() == 1 => Ok(Value::Bool(data[0] != 0)),
        NUMBER if data.len() == 8 => Ok(Value::Number(data.get_u64(0))),
        TEXT => Ok(Value::Text(data.get_name(0, data.len())?)),
        BINARY => Ok(Value::Binary(data.to_vec())),
        NUMBERS if data.len() == items * 8 => {
            Ok(Value::Numbers((0..items).map(|index| data.get_u64(index * 8)).collect()))
        }
        _ => Err(EINVAL),
    }
}

/// Answers a request of struct pfioc_nv: data, length of the request, room.
pub fn answer<R: Into<Named>>(bytes: &mut [u8], work: impl FnOnce(&Named) -> Answer<R>) -> Answer {
    let (address, length, room) = (bytes.get_u64(0), bytes.get_u64(8) as usize, bytes.get_u64(16) as usize);
    if length > room {
        return Err(EINVAL);
    }
    // SAFETY: the caller's buffer has as much room as it says.
    let data = unsafe { at(address, room)? };
    let packed = work(&Named::unpack(&data[..length])?)?.into().pack();
    if packed.len() > room {
        return Err(ENOSPC);
    }
    data[..packed.len()].copy_from_slice(&packed);
    bytes.put_u64(8, packed.len() as u64);
    Ok(())
}
