//! Reading what was written: as values, or only looking.

#![expect(
    clippy::inline_always,
    reason = "what a function answers is copied through memory where it is called"
)]

use serde_json::{Map, Number, Value};

use crate::call::value::seen::ValueRef;

/// What is left to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    /// Of what was written there.
    pub(crate) fn new(written: &'a [u8]) -> Self {
        Self(written)
    }

    /// How many bytes are left.
    pub(crate) fn remaining(&self) -> usize {
        self.0.len()
    }

    /// The first byte of the value that follows, which says what it is; it is read again.
    #[inline]
    pub(crate) fn tag(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next byte.
    #[inline]
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next so many bytes.
    #[inline]
    pub(crate) fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    /// How many follow.
    #[inline(always)]
    pub(crate) fn len(&mut self) -> Option<usize> {
        match self.0.split_first()? {
            (first, rest) if first & 0x80 == 0 => {
                self.0 = rest;
                Some(usize::from(*first))
            }
            _ => self.long_len(),
        }
    }

    #[cold]
    fn long_len(&mut self) -> Option<usize> {
        let (mut len, mut shift) = (0, 0);
        loop {
            let byte = self.byte()?;
            len |= usize::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(len);
            }
            shift += 7;
        }
    }

    /// The next so many bytes.
    #[inline]
    pub(crate) fn take_bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    /// The text of so many bytes.
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a str> {
        std::str::from_utf8(self.take_bytes(len)?).ok()
    }

    /// The text that follows, behind its length.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let len = self.len()?;
        self.take(len)
    }

    /// The value that follows.
    #[inline(always)]
    pub(crate) fn read(&mut self) -> Option<ValueRef<'a>> {
        let before = self.0;
        Some(match self.byte()? {
            b'0' => ValueRef::Null,
            b'f' => ValueRef::Bool(false),
            b't' => ValueRef::Bool(true),
            b'u' => ValueRef::Natural(u64::from_le_bytes(self.bytes()?)),
            b'i' => ValueRef::Integer(i64::from_le_bytes(self.bytes()?)),
            b'd' => ValueRef::Float(f64::from_le_bytes(self.bytes()?)),
            b's' => ValueRef::Text(self.name()?),
            _ => {
                self.0 = before;
                ValueRef::Nested(self.take_raw()?)
            }
        })
    }

    /// The bytes of the value that follows.
    pub(crate) fn take_raw(&mut self) -> Option<&'a [u8]> {
        let before = self.0;
        self.skip()?;
        before.get(..before.len() - self.0.len())
    }

    /// Passes the value that follows, without a look at what it holds.
    #[inline]
    pub(crate) fn skip(&mut self) -> Option<()> {
        let (tag, rest) = self.0.split_first()?;
        let len = match (tag, rest.first()) {
            (b's', Some(len)) if len & 0x80 == 0 => usize::from(*len) + 1,
            (b'u' | b'i' | b'd', _) => 8,
            (b'0' | b'f' | b't', _) => 0,
            _ => return self.skip_other(),
        };
        self.0 = rest.get(len..)?;
        Some(())
    }

    fn skip_other(&mut self) -> Option<()> {
        match self.byte()? {
            b's' | b'n' => self.name().map(drop),
            b'a' => (0..self.len()?).try_for_each(|_| self.skip()),
            b'o' => (0..self.len()?).try_for_each(|_| self.name().and_then(|_| self.skip())),
            _ => None,
        }
    }

    /// The bytes of the name that follows. What we wrote is text: it is not looked at again.
    #[inline]
    pub(crate) fn name(&mut self) -> Option<&'a [u8]> {
        let len = self.len()?;
        self.take_bytes(len)
    }

    /// As many as there are, each behind the other.
    pub(crate) fn many<T>(&mut self, one: fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let len = self.len()?;
        // What was not written by us may say that any number follows.
        let mut all = Vec::with_capacity(len.min(64));
        for _ in 0..len {
            all.push(one(self)?);
        }
        Some(all)
    }

    /// Passes the value that follows, if it is one that can be read. Tells whether its names stand
    /// in their order, as we write them.
    pub(crate) fn take_raw_value(&mut self) -> Option<bool> {
        let before = self.0;
        match self.byte()? {
            b'a' => {
                let mut is_ordered = true;
                for _ in 0..self.len()? {
                    is_ordered &= self.take_raw_value()?;
                }
                Some(is_ordered)
            }
            b'o' => {
                let (mut is_ordered, mut last) = (true, None);
                for _ in 0..self.len()? {
                    let name = Some(self.text()?);
                    is_ordered &= last < name;
                    last = name;
                    is_ordered &= self.take_raw_value()?;
                }
                Some(is_ordered)
            }
            b'n' => self.text()?.parse::<Number>().map(|_| true).ok(),
            b's' => self.text().map(|_| true),
            _ => {
                self.0 = before;
                match self.read()? {
                    ValueRef::Float(float) => float.is_finite().then_some(true),
                    _ => Some(true),
                }
            }
        }
    }

    /// The value that follows.
    pub(crate) fn value(&mut self) -> Option<Value> {
        Some(match self.byte()? {
            b'0' => Value::Null,
            b'f' => Value::Bool(false),
            b't' => Value::Bool(true),
            b'u' => Value::from(u64::from_le_bytes(self.bytes()?)),
            b'i' => Value::from(i64::from_le_bytes(self.bytes()?)),
            b'd' => Value::Number(Number::from_f64(f64::from_le_bytes(self.bytes()?))?),
            b'n' => Value::Number(self.text()?.parse().ok()?),
            b's' => Value::String(self.text()?.to_owned()),
            b'a' => Value::Array(self.many(Self::value)?),
            b'o' => {
                let mut entries = Map::new();
                for _ in 0..self.len()? {
                    let key = self.text()?.to_owned();
                    entries.insert(key, self.value()?);
                }
                Value::Object(entries)
            }
            _ => return None,
        })
    }
}
