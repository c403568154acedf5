//! Arguments of a call, encoded when they are recorded, and decoded on request.

use std::cmp::Ordering;
use std::sync::OnceLock;

use serde_json::Value;

use crate::call::value::{Decoder, ValueRef, insert_defaults, write_text_value, write_value};

/// Encoded arguments of a call, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Args {
    len: usize,
    encoded: Vec<u8>,
    /// Decoded arguments, made on first use.
    values: OnceLock<Vec<Value>>,
}

impl PartialEq for Args {
    fn eq(&self, other: &Self) -> bool {
        (self.len, &self.encoded) == (other.len, &other.encoded)
    }
}

impl From<Vec<Value>> for Args {
    fn from(values: Vec<Value>) -> Self {
        let mut encoded = Vec::new();
        for value in &values {
            write_value(value, &mut encoded);
        }
        Self {
            len: values.len(),
            encoded,
            values: OnceLock::from(values),
        }
    }
}

impl Args {
    /// Creates an empty list with capacity for a few arguments.
    pub(crate) fn with_capacity() -> Self {
        Self {
            encoded: Vec::with_capacity(320),
            ..Self::default()
        }
    }

    /// Creates a list from `len` encoded values.
    pub(crate) fn from_encoded(len: usize, encoded: &[u8]) -> Self {
        Self {
            len,
            encoded: encoded.to_vec(),
            values: OnceLock::new(),
        }
    }

    /// Adds an argument. `write` must write exactly one value.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.values.take();
        self.len += 1;
        write(&mut self.encoded);
    }

    /// Adds an argument if `write` returns `Some`; otherwise removes the bytes that it wrote.
    pub(crate) fn try_push(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Option<()>,
    ) -> Option<()> {
        let start = self.encoded.len();
        let pushed = write(&mut self.encoded);
        match pushed {
            Some(()) => self.push(|_| {}),
            None => self.encoded.truncate(start),
        }
        pushed
    }

    /// Adds a string.
    pub(crate) fn push_text(&mut self, text: &str) {
        self.push(|to| write_text_value(text, to));
    }

    /// Returns the number of arguments.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns the encoded arguments, one after the other.
    pub(crate) fn as_encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Returns the decoded arguments.
    pub(crate) fn values(&self) -> &[Value] {
        self.values.get_or_init(|| {
            let mut decoder = Decoder::new(&self.encoded);
            (0..self.len).map_while(|_| decoder.value()).collect()
        })
    }

    /// Returns the argument at `index` without decoding it to a [`Value`].
    pub(crate) fn get(&self, index: usize) -> Option<ValueRef<'_>> {
        self.decoder_at(index)?.read()
    }

    /// Returns the member `name` of the object at `index`. `None` without such an object or member.
    pub(crate) fn member(&self, index: usize, name: &str) -> Option<ValueRef<'_>> {
        let mut decoder = self.decoder_at(index)?;
        if decoder.byte()? != b'o' {
            return None;
        }
        for _ in 0..decoder.len()? {
            // Members are sorted by name.
            match decoder.name()?.cmp(name.as_bytes()) {
                Ordering::Less => decoder.skip()?,
                Ordering::Equal => return decoder.read(),
                Ordering::Greater => return None,
            }
        }
        None
    }

    /// Adds members that the object at `index` does not have yet. `members` must be sorted by name.
    /// A missing argument or `null` becomes an object; any other value stays unchanged.
    pub(crate) fn default_members<const N: usize>(
        &mut self,
        index: usize,
        members: &[(&str, ValueRef<'_>); N],
    ) {
        while self.len <= index {
            self.push(|to| to.push(b'0'));
        }
        let Some(mut decoder) = self.decoder_at(index) else {
            return;
        };
        let at = self.encoded.len() - decoder.remaining();
        let is_absent = decoder.byte() == Some(b'0');
        self.values.take();
        if is_absent {
            self.encoded.splice(at..=at, [b'o', 0]);
        }
        insert_defaults(members, at, &mut self.encoded);
    }

    /// Returns a decoder at the argument at `index`. `None` if there is no such argument.
    pub(crate) fn decoder_at(&self, index: usize) -> Option<Decoder<'_>> {
        let mut decoder = Decoder::new(&self.encoded);
        for _ in 0..index {
            decoder.skip()?;
        }
        (index < self.len).then_some(decoder)
    }
}
