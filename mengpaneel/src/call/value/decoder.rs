//! Decoder of encoded values.

#![expect(
    clippy::inline_always,
    reason = "without it, the result is copied through memory at the call"
)]

use serde_json::{Map, Number, Value};

use crate::call::value::value_ref::ValueRef;

/// Cursor in encoded values. All methods that read return `None` at the end, or if the encoding is
/// invalid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    /// Creates a decoder at the start of `encoded`.
    pub(crate) fn new(encoded: &'a [u8]) -> Self {
        Self(encoded)
    }

    /// Returns the number of remaining bytes.
    pub(crate) fn remaining(&self) -> usize {
        self.0.len()
    }

    /// Returns the tag of the next value without consuming it.
    #[inline]
    pub(crate) fn tag(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Reads a byte.
    #[inline]
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Reads `N` bytes.
    #[inline]
    pub(crate) fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    /// Reads a length.
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

    /// Reads `len` bytes.
    #[inline]
    pub(crate) fn take_bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    /// Reads a text of `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a str> {
        std::str::from_utf8(self.take_bytes(len)?).ok()
    }

    /// Reads a length and a text.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let len = self.len()?;
        self.take(len)
    }

    /// Reads a value without allocating.
    #[inline(always)]
    pub(crate) fn read(&mut self) -> Option<ValueRef<'a>> {
        let start = self.0;
        Some(match self.byte()? {
            b'0' => ValueRef::Null,
            b'f' => ValueRef::Bool(false),
            b't' => ValueRef::Bool(true),
            b'u' => ValueRef::Unsigned(u64::from_le_bytes(self.bytes()?)),
            b'i' => ValueRef::Negative(i64::from_le_bytes(self.bytes()?)),
            b'd' => ValueRef::Float(f64::from_le_bytes(self.bytes()?)),
            b's' => ValueRef::Text(self.name()?),
            _ => {
                self.0 = start;
                ValueRef::Encoded(self.take_raw()?)
            }
        })
    }

    /// Reads a value as encoded bytes.
    pub(crate) fn take_raw(&mut self) -> Option<&'a [u8]> {
        let start = self.0;
        self.skip()?;
        start.get(..start.len() - self.0.len())
    }

    /// Skips a value without validating it.
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

    /// Reads the bytes of a name. The encoder wrote UTF-8, so the bytes are not validated again.
    #[inline]
    pub(crate) fn name(&mut self) -> Option<&'a [u8]> {
        let len = self.len()?;
        self.take_bytes(len)
    }

    /// Reads a length, and that number of items with `read`.
    pub(crate) fn many<T>(&mut self, read: fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let len = self.len()?;
        // A length from another source may have any size.
        let mut items = Vec::with_capacity(len.min(64));
        for _ in 0..len {
            items.push(read(self)?);
        }
        Some(items)
    }

    /// Skips a value and validates it. Returns whether all names are sorted, as the encoder writes
    /// them.
    pub(crate) fn validate(&mut self) -> Option<bool> {
        let start = self.0;
        match self.byte()? {
            b'a' => {
                let mut is_ordered = true;
                for _ in 0..self.len()? {
                    is_ordered &= self.validate()?;
                }
                Some(is_ordered)
            }
            b'o' => {
                let (mut is_ordered, mut last) = (true, None);
                for _ in 0..self.len()? {
                    let name = Some(self.text()?);
                    is_ordered &= last < name;
                    last = name;
                    is_ordered &= self.validate()?;
                }
                Some(is_ordered)
            }
            b'n' => self.text()?.parse::<Number>().map(|_| true).ok(),
            b's' => self.text().map(|_| true),
            _ => {
                self.0 = start;
                match self.read()? {
                    ValueRef::Float(float) => float.is_finite().then_some(true),
                    _ => Some(true),
                }
            }
        }
    }

    /// Reads a value.
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
