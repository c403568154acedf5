//! The arguments of a call: written when they are recorded, taken apart for who asks for values.

use std::cmp::Ordering;
use std::sync::OnceLock;

use serde_json::Value;

use crate::call::value::{Decoder, ValueRef, insert_defaults, write_text_value, write_value};

/// The arguments of a call, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Args {
    len: usize,
    written: Vec<u8>,
    values: OnceLock<Vec<Value>>,
}

impl PartialEq for Args {
    fn eq(&self, other: &Self) -> bool {
        (self.len, &self.written) == (other.len, &other.written)
    }
}

impl From<Vec<Value>> for Args {
    fn from(values: Vec<Value>) -> Self {
        let mut written = Vec::new();
        for value in &values {
            write_value(value, &mut written);
        }
        Self {
            len: values.len(),
            written,
            values: OnceLock::from(values),
        }
    }
}

impl Args {
    /// None yet, with room for a few.
    pub(crate) fn with_capacity() -> Self {
        Self {
            written: Vec::with_capacity(320),
            ..Self::default()
        }
    }

    /// What was written as so many values.
    pub(crate) fn from_encoded(len: usize, written: &[u8]) -> Self {
        Self {
            len,
            written: written.to_vec(),
            values: OnceLock::new(),
        }
    }

    /// Adds one, which is written by that. It must write one value.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.values.take();
        self.len += 1;
        write(&mut self.written);
    }

    /// Adds one, where there is one to write; else nothing is left of it.
    pub(crate) fn try_push(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Option<()>,
    ) -> Option<()> {
        let begin = self.written.len();
        let pushed = write(&mut self.written);
        match pushed {
            Some(()) => self.push(|_| {}),
            None => self.written.truncate(begin),
        }
        pushed
    }

    /// Adds a text.
    pub(crate) fn push_text(&mut self, text: &str) {
        self.push(|to| write_text_value(text, to));
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// As they are written, one behind the other.
    pub(crate) fn as_encoded(&self) -> &[u8] {
        &self.written
    }

    /// As values.
    pub(crate) fn values(&self) -> &[Value] {
        self.values.get_or_init(|| {
            let mut reader = Decoder::new(&self.written);
            (0..self.len).map_while(|_| reader.value()).collect()
        })
    }

    /// The one at `index`, as it is seen.
    pub(crate) fn get(&self, index: usize) -> Option<ValueRef<'_>> {
        self.decoder_at(index)?.read()
    }

    /// The member of that name, of the object at `index`.
    pub(crate) fn member(&self, index: usize, name: &str) -> Option<ValueRef<'_>> {
        let mut reader = self.decoder_at(index)?;
        if reader.byte()? != b'o' {
            return None;
        }
        for _ in 0..reader.len()? {
            // They stand in the order of their names.
            match reader.name()?.cmp(name.as_bytes()) {
                Ordering::Less => reader.skip()?,
                Ordering::Equal => return reader.read(),
                Ordering::Greater => return None,
            }
        }
        None
    }

    /// Adds members to the object at `index`, whose names it does not have; they are to be in the
    /// order of their names. It is put there if it is absent; anything else in that place stays
    /// as it is.
    pub(crate) fn default_members<const N: usize>(
        &mut self,
        index: usize,
        members: &[(&str, ValueRef<'_>); N],
    ) {
        while self.len <= index {
            self.push(|to| to.push(b'0'));
        }
        let Some(mut reader) = self.decoder_at(index) else {
            return;
        };
        let at = self.written.len() - reader.remaining();
        let is_absent = reader.byte() == Some(b'0');
        self.values.take();
        if is_absent {
            self.written.splice(at..=at, [b'o', 0]);
        }
        insert_defaults(members, at, &mut self.written);
    }

    /// What is left to be read from the one at `index` on.
    pub(crate) fn decoder_at(&self, index: usize) -> Option<Decoder<'_>> {
        let mut reader = Decoder::new(&self.written);
        for _ in 0..index {
            reader.skip()?;
        }
        (index < self.len).then_some(reader)
    }
}
