//! A name as far as it matters.

use std::ops::Deref;

use crate::browser::tokens::LONGEST_NAME;

/// A short name in place. What is longer is cut: no name that matters is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Name {
    bytes: [u8; LONGEST_NAME],
    length: usize,
}

impl Name {
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    /// A name in lower case.
    pub(crate) fn lower(name: &[u8]) -> Self {
        let mut lower = Self {
            length: name.len().min(LONGEST_NAME),
            ..Self::default()
        };
        for (to, from) in lower.bytes.iter_mut().zip(name) {
            *to = from.to_ascii_lowercase();
        }
        lower
    }
}

impl Deref for Name {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}
