//! Options as name and value buffers, in the form of jail_set(2) and nmount(2): vfs_buildopts of the kernel.

use crate::errno::{Answer, E2BIG, EINVAL};
use crate::memory::{Bytes, BytesMut, at};

const IOVEC: usize = 16;
/// The kernel takes no more, all buffers together.
const LIMIT: usize = 64 << 10;

pub struct Option {
    pub name: String,
    /// None: a null pointer, which asks for the length.
    pub value: std::option::Option<&'static mut [u8]>,
    vector: &'static mut [u8],
}

pub struct Options(pub Vec<Option>);

impl Options {
    /// # Safety
    /// `vector` is the address of `count` iovecs, which point to memory of the lengths they say.
    pub unsafe fn read(vector: u64, count: u32) -> Answer<Self> {
        if !count.is_multiple_of(2) || count == 0 {
            return Err(EINVAL);
        }
        let mut total = 0;
        let mut options = Vec::new();
        for pair in 0..count as usize / 2 {
            // SAFETY: the caller's promise.
            let (name, value) = unsafe {
                (at(vector + (2 * pair * IOVEC) as u64, IOVEC)?, at(vector + ((2 * pair + 1) * IOVEC) as u64, IOVEC)?)
            };
            let (name_length, length) = (name.get_u64(8) as usize, value.get_u64(8) as usize);
            total += name_length + length;
            if total > LIMIT {
                return Err(E2BIG);
            }
            // SAFETY: the caller's promise.
            let text = unsafe { at(name.get_u64(0), name_length)? };
            let Some((0, text)) = text.split_last() else { return Err(EINVAL) };
            let name = String::from_utf8(text.to_vec()).map_err(|_| EINVAL)?;
            if name.is_empty() || name.contains('\0') || options.iter().any(|one: &Option| one.name == name) {
                return Err(EINVAL);
            }
            let address = value.get_u64(0);
            if address == 0 && length != 0 {
                return Err(EINVAL);
            }
            // SAFETY: the caller's promise.
            let data = if address == 0 { None } else { Some(unsafe { at(address, length)? }) };
            options.push(Option { name, value: data, vector: value });
        }
        Ok(Self(options))
    }

    pub fn find(&self, name: &str) -> std::option::Option<&Option> {
        self.0.iter().find(|one| one.name == name)
    }

    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The kernel's words, where the caller left room for them.
    pub fn say(&mut self, text: &str) {
        let room = self.0.iter_mut().find(|one| one.name == "errmsg").and_then(|one| one.value.as_mut());
        if let Some(room) = room.filter(|room| !room.is_empty()) {
            let length = text.len().min(room.len() - 1);
            room[..length].copy_from_slice(&text.as_bytes()[..length]);
            room[length] = 0;
        }
    }
}

impl Option {
    pub fn bytes(&self) -> &[u8] {
        self.value.as_deref().unwrap_or(&[])
    }

    /// A string with its NUL, and none before it.
    pub fn text(&self) -> Answer<String> {
        match self.bytes().split_last() {
            Some((0, text)) if !text.contains(&0) => String::from_utf8(text.to_vec()).map_err(|_| EINVAL),
            _ => Err(EINVAL),
        }
    }

    pub fn int(&self) -> Answer<i32> {
        if self.bytes().len() == 4 { Ok(self.bytes().get_i32(0)) } else { Err(EINVAL) }
    }

    /// Gives a string: where there is room for it the length stays what it was, vfs_setopts of the kernel.
    pub fn answer_text(&mut self, data: &[u8]) -> Answer {
        let Some(room) = &mut self.value else { return self.answer(data, false) };
        if room.len() < data.len() {
            return Err(EINVAL);
        }
        room[..data.len()].copy_from_slice(data);
        Ok(())
    }

    /// Gives a value: its length alone to a null pointer. An array may have more room than it needs, a number may not.
    pub fn answer(&mut self, data: &[u8], exact: bool) -> Answer {
        if let Some(room) = &mut self.value {
            if room.len() < data.len() || (exact && room.len() != data.len()) {
                return Err(EINVAL);
            }
            room[..data.len()].copy_from_slice(data);
        }
        self.vector.put_u64(8, data.len() as u64);
        Ok(())
    }
}
