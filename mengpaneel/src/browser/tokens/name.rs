//! Short names of tags and attributes.

use std::ops::Deref;

use crate::browser::tokens::MAX_NAME_LEN;

/// Name stored inline, truncated to [`MAX_NAME_LEN`]. No relevant name is longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Name {
    bytes: [u8; MAX_NAME_LEN],
    length: usize,
}

impl Name {
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn push(&mut self, byte: u8) {
        if let Some(next) = self.bytes.get_mut(self.length) {
            *next = byte;
            self.length += 1;
        }
    }

    /// Creates a name in lower case.
    pub(crate) fn from_bytes(name: &[u8]) -> Self {
        let mut lowered = Self {
            length: name.len().min(MAX_NAME_LEN),
            ..Self::default()
        };
        for (to, from) in lowered.bytes.iter_mut().zip(name) {
            *to = from.to_ascii_lowercase();
        }
        lowered
    }
}

impl Deref for Name {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}
