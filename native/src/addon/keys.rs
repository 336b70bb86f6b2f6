//! The keys that detach.

/// Looks for a sequence of bytes in what is typed. Those that may begin it are held back until it is known.
pub struct Keys {
    sequence: Vec<u8>,
    /// How many of them were typed last.
    typed: usize,
}

impl Keys {
    /// An empty sequence never comes.
    pub fn new(sequence: Vec<u8>) -> Self {
        Self { sequence, typed: 0 }
    }

    /// Appends to `passed` what is not the sequence; true when that is complete. What follows it is nobody's.
    pub fn pass(&mut self, typed: &[u8], passed: &mut Vec<u8>) -> bool {
        for byte in typed {
            while self.typed > 0 && self.sequence[self.typed] != *byte {
                self.give_up_one(passed);
            }
            if self.sequence.get(self.typed) != Some(byte) {
                passed.push(*byte);
                continue;
            }
            self.typed += 1;
            if self.typed == self.sequence.len() {
                return true;
            }
        }
        false
    }

    /// The first of those held back begins nothing; a later one may.
    fn give_up_one(&mut self, passed: &mut Vec<u8>) {
        let held = &self.sequence[..self.typed];
        let kept = (0..self.typed).rev().find(|length| held.ends_with(&self.sequence[..*length])).unwrap_or(0);
        passed.extend_from_slice(&held[..self.typed - kept]);
        self.typed = kept;
    }
}
