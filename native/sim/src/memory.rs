//! The caller's memory: FreeBSD's structs as bytes, read and written by offset, little-endian.

use crate::errno::{Answer, EFAULT, EINVAL, ENAMETOOLONG};

/// Memory that a caller passed by address.
///
/// # Safety
/// As for the kernel: the caller answers for it that `length` bytes are there and nobody else's meanwhile.
pub unsafe fn at<'a>(address: u64, length: usize) -> Answer<&'a mut [u8]> {
    if length == 0 {
        return Ok(&mut []);
    }
    if address == 0 {
        return Err(EFAULT);
    }
    // SAFETY: see above.
    Ok(unsafe { std::slice::from_raw_parts_mut(address as *mut u8, length) })
}

/// Numbers, strings and addresses in a struct.
pub trait Bytes {
    fn get_u8(&self, at: usize) -> u8;
    fn get_u16(&self, at: usize) -> u16;
    /// In network order.
    fn get_u16be(&self, at: usize) -> u16;
    fn get_u32(&self, at: usize) -> u32;
    fn get_i32(&self, at: usize) -> i32;
    fn get_u64(&self, at: usize) -> u64;
    /// A string of at most `size` bytes with its NUL; without one it is EINVAL.
    fn get_name(&self, at: usize, size: usize) -> Answer<String>;
}

/// The same, to be written.
pub trait BytesMut {
    fn put_u16(&mut self, at: usize, value: u16);
    fn put_u32(&mut self, at: usize, value: u32);
    fn put_u64(&mut self, at: usize, value: u64);
    /// Pads with zeros; ENAMETOOLONG when the string and its NUL do not fit.
    fn put_name(&mut self, at: usize, size: usize, name: &str) -> Answer;
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("N bytes were taken")
}

impl Bytes for [u8] {
    fn get_u8(&self, at: usize) -> u8 {
        self[at]
    }
    fn get_u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(array(self, at))
    }
    fn get_u16be(&self, at: usize) -> u16 {
        u16::from_be_bytes(array(self, at))
    }
    fn get_u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(array(self, at))
    }
    fn get_i32(&self, at: usize) -> i32 {
        i32::from_le_bytes(array(self, at))
    }
    fn get_u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(array(self, at))
    }
    fn get_name(&self, at: usize, size: usize) -> Answer<String> {
        let field = &self[at..at + size];
        let end = field.iter().position(|byte| *byte == 0).ok_or(EINVAL)?;
        String::from_utf8(field[..end].to_vec()).map_err(|_| EINVAL)
    }
}

impl BytesMut for [u8] {
    fn put_u16(&mut self, at: usize, value: u16) {
        self[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    fn put_u32(&mut self, at: usize, value: u32) {
        self[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    fn put_u64(&mut self, at: usize, value: u64) {
        self[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    fn put_name(&mut self, at: usize, size: usize, name: &str) -> Answer {
        if name.len() >= size {
            return Err(ENAMETOOLONG);
        }
        self[at..at + size].fill(0);
        self[at..at + name.len()].copy_from_slice(name.as_bytes());
        Ok(())
    }
}
