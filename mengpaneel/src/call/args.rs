//! The arguments of a call: written when they are recorded, taken apart for who asks for values.

use std::sync::OnceLock;

use serde_json::Value;

use crate::written::{Object, Reader, Seen, write_text, write_text_value, write_value};

/// The arguments of a call, in order.
#[derive(Clone, Debug, Default)]
pub struct Args {
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
        Self { len: values.len(), written, values: OnceLock::from(values) }
    }
}

impl Args {
    /// None yet, with room for a few.
    pub fn with_room() -> Self {
        Self { written: Vec::with_capacity(224), ..Self::default() }
    }

    /// What was written as so many values.
    pub fn of_written(len: usize, written: &[u8]) -> Self {
        Self { len, written: written.to_vec(), values: OnceLock::new() }
    }

    /// Adds one, which is written by that. It must write one value.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.values.take();
        self.len += 1;
        write(&mut self.written);
    }

    /// Adds a text.
    pub fn push_text(&mut self, text: &str) {
        self.push(|to| write_text_value(text, to));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// As they are written, one behind the other.
    pub fn written(&self) -> &[u8] {
        &self.written
    }

    /// As values.
    pub fn values(&self) -> &[Value] {
        self.values.get_or_init(|| {
            let mut reader = Reader::of(&self.written);
            (0..self.len).map_while(|_| reader.value()).collect()
        })
    }

    /// The one at `index`, as it is seen.
    pub fn seen(&self, index: usize) -> Option<Seen<'_>> {
        self.reader_at(index)?.seen()
    }

    /// The member of that name, of the object at `index`.
    pub fn member(&self, index: usize, name: &str) -> Option<Seen<'_>> {
        let mut reader = self.reader_at(index)?;
        if reader.byte()? != b'o' {
            return None;
        }
        for _ in 0..reader.len()? {
            if reader.text()? == name {
                return reader.seen();
            }
            reader.pass()?;
        }
        None
    }

    /// Adds members to the object at `index`, whose names it does not have. It is put there if it
    /// is absent; anything else in that place stays as it is.
    pub fn default_members(&mut self, index: usize, members: &[(&str, Seen<'_>)]) {
        while self.len <= index {
            self.push(|to| to.push(b'0'));
        }
        let Some(reader) = self.reader_at(index) else { return };
        let missing = members.iter().filter(|(name, _)| self.member(index, name).is_none());
        let missing: Vec<_> = missing.collect();
        let at = self.written.len() - reader.left();
        let mut after = reader;
        let behind = if after.pass().is_some() { self.written.len() - after.left() } else { return };
        self.values.take();
        let rest = self.written.split_off(behind);
        if self.written.get(at) == Some(&b'0') {
            self.written.truncate(at);
            Object::begin(&mut self.written).end(&mut self.written);
        }
        if self.written.get(at) == Some(&b'o')
            && let Some(mut object) = Object::open(at, &mut self.written)
        {
            for (name, value) in missing {
                object.member(&mut self.written, |to| write_text(name, to), |to| write_seen(*value, to));
            }
            object.end(&mut self.written);
        }
        self.written.extend_from_slice(&rest);
    }

    /// What is left to be read from the one at `index` on.
    pub fn reader_at(&self, index: usize) -> Option<Reader<'_>> {
        let mut reader = Reader::of(&self.written);
        for _ in 0..index {
            reader.pass()?;
        }
        (index < self.len).then_some(reader)
    }
}

fn write_seen(value: Seen<'_>, to: &mut Vec<u8>) {
    match value {
        Seen::Text(text) => write_text_value(text, to),
        Seen::Nested(written) => to.extend_from_slice(written),
        Seen::Value(value) => write_value(value, to),
        Seen::Null => write_value(&Value::Null, to),
        Seen::Bool(truth) => write_value(&truth.into(), to),
        Seen::Natural(number) => write_value(&number.into(), to),
        Seen::Integer(number) => write_value(&number.into(), to),
        Seen::Float(number) => write_value(&number.into(), to),
    }
}
