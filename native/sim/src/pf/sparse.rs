//! Bytes of structs, as the state keeps them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes that are mostly zero: kept as runs `offset:hex`.
#[derive(Clone, PartialEq, Debug)]
pub struct Sparse(pub Vec<u8>);

impl Serialize for Sparse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = self.0.len().to_string();
        let mut at = 0;
        while at < self.0.len() {
            let zeros = self.0[at..].iter().take_while(|byte| **byte == 0).count();
            at += zeros;
            let run = self.0[at..].windows(4).position(|four| four == [0; 4]).unwrap_or(self.0.len() - at);
            if run > 0 {
                let hex: String = self.0[at..at + run].iter().map(|byte| format!("{byte:02x}")).collect();
                text.push_str(&format!(" {at}:{hex}"));
            }
            at += run;
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Sparse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bad = || serde::de::Error::custom("not bytes");
        let mut words = text.split(' ');
        let length = words.next().and_then(|word| word.parse().ok()).ok_or_else(bad)?;
        let mut bytes = vec![0; length];
        for word in words {
            let (offset, hex) = word.split_once(':').ok_or_else(bad)?;
            let offset: usize = offset.parse().map_err(|_| bad())?;
            for (index, pair) in hex.as_bytes().chunks(2).enumerate() {
                let byte = std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
                *bytes.get_mut(offset + index).ok_or_else(bad)? = byte.ok_or_else(bad)?;
            }
        }
        Ok(Self(bytes))
    }
}
