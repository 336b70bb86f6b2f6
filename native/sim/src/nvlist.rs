//! Lists of libnvpair, as far as libzfs_core's callers fill them and read failures out of them.

use crate::errno::{Answer, EINVAL};
use std::collections::BTreeMap;
use std::ffi::CString;

#[derive(Default)]
pub struct List(pub Vec<(CString, Value)>);

pub enum Value {
    Boolean,
    Number(u64),
    Text(String),
}

impl List {
    /// # Safety
    /// `address` is one that `nvlist_alloc` gave, and not freed yet.
    pub unsafe fn at<'a>(address: u64) -> Answer<&'a mut Self> {
        if address == 0 {
            return Err(EINVAL);
        }
        // SAFETY: the caller's promise.
        Ok(unsafe { &mut *(address as *mut Self) })
    }

    pub fn put(&mut self, name: CString, value: Value) {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value));
    }

    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.to_string_lossy().into_owned()).collect()
    }

    pub fn properties(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| match value {
            Value::Boolean => String::new(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => text.clone(),
        };
        self.0.iter().map(|(name, value)| (name.to_string_lossy().into_owned(), text(value))).collect()
    }
}
