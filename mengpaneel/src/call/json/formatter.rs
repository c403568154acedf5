//! Serialisation of the application's values.

use std::io::{self, Write};

use serde::Serialize;
use serde::ser::Error as _;
use serde_json::ser::Formatter;
use serde_json::{Error, Number, Serializer, Value};

use crate::call::json::{KnownNames, MAX_DEPTH, MAX_EXACT_INTEGER};

/// Writes a value; see [`write_with_names`].
///
/// # Errors
/// Like [`write_with_names`].
#[cfg(test)]
pub(crate) fn write(value: &(impl Serialize + ?Sized), to: &mut Vec<u8>) -> Result<(), Error> {
    write_with_names(value, to).map(drop)
}

/// Writes a value. An integer beyond ±2^53 becomes a text, at any depth: a browser would round it.
/// Returns the names that it may have as an object.
///
/// # Errors
/// Returns an error if JSON cannot represent the value. The caller must then truncate `to`.
pub(crate) fn write_with_names(
    value: &(impl Serialize + ?Sized),
    to: &mut Vec<u8>,
) -> Result<KnownNames, Error> {
    let (start, mut state) = (to.len(), State::default());
    value.serialize(&mut Serializer::with_formatter(
        &mut *to,
        ValueFormatter(&mut state),
    ))?;
    if state.is_too_deep {
        return Err(too_deep());
    }
    if state.open != 0 || state.is_irregular {
        // The value has ignored the error of a part, or announced no parts and then had some. Only
        // `to_value` writes such a value correctly.
        to.truncate(start);
        let value = serde_json::to_value(value)?;
        return write_with_names(&value, to).map(|_| KnownNames::ALL);
    }
    Ok(state.names)
}

fn too_deep() -> Error {
    Error::custom(format_args!("it is nested more than {MAX_DEPTH} deep"))
}

/// Progress of the serialisation.
#[derive(Default)]
struct State {
    /// Number of lists and objects around the current value.
    depth: usize,
    is_too_deep: bool,
    /// True if a part was begun outside of a list or an object.
    is_irregular: bool,
    /// Number of values that were begun and not ended, and keys without a value.
    open: usize,
    key: Key,
    names: KnownNames,
}

/// Progress in a key.
#[derive(Clone, Copy, Default, PartialEq)]
enum Key {
    /// Outside of keys.
    #[default]
    None,
    /// At the start of a key.
    Start,
    /// Behind a part of a key.
    Rest,
}

/// Formatter of compact JSON with limits for integers and depth.
struct ValueFormatter<'a>(&'a mut State);

impl ValueFormatter<'_> {
    /// Begins an item of a list, or the key of a member.
    #[inline]
    fn begin_part<W: Write + ?Sized>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        self.0.open += 1;
        self.0.is_irregular |= self.0.open != self.0.depth;
        if self.0.depth > MAX_DEPTH {
            self.0.is_too_deep = true;
            return Err(io::Error::other(too_deep()));
        }
        if first { Ok(()) } else { to.write_all(b",") }
    }

    fn integer<W: Write + ?Sized>(
        &self,
        to: &mut W,
        number: impl itoa::Integer,
        magnitude: u64,
    ) -> io::Result<()> {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(number).as_bytes();
        if magnitude <= MAX_EXACT_INTEGER || self.0.key != Key::None {
            return to.write_all(digits);
        }
        write!(to, "\"{}\"", String::from_utf8_lossy(digits))
    }

    /// Writes a number with more than 64 bits. `serde_json` decides if it is valid.
    fn large<W: Write + ?Sized>(
        &self,
        to: &mut W,
        number: impl itoa::Integer + Serialize + Copy,
    ) -> io::Result<()> {
        if self.0.key == Key::None {
            serde_json::to_value(number)?;
        }
        self.integer(to, number, u64::MAX)
    }
}

impl Formatter for ValueFormatter<'_> {
    #[inline]
    fn write_i64<W: Write + ?Sized>(&mut self, to: &mut W, value: i64) -> io::Result<()> {
        self.integer(to, value, value.unsigned_abs())
    }

    #[inline]
    fn write_u64<W: Write + ?Sized>(&mut self, to: &mut W, value: u64) -> io::Result<()> {
        self.integer(to, value, value)
    }

    fn write_i128<W: Write + ?Sized>(&mut self, to: &mut W, value: i128) -> io::Result<()> {
        match (u64::try_from(value), i64::try_from(value)) {
            (Ok(value), _) => self.write_u64(to, value),
            (_, Ok(value)) => self.write_i64(to, value),
            _ => self.large(to, value),
        }
    }

    fn write_u128<W: Write + ?Sized>(&mut self, to: &mut W, value: u128) -> io::Result<()> {
        match u64::try_from(value) {
            Ok(value) => self.write_u64(to, value),
            Err(_) => self.large(to, value),
        }
    }

    fn write_f32<W: Write + ?Sized>(&mut self, to: &mut W, value: f32) -> io::Result<()> {
        self.write_f64(to, value.into())
    }

    /// Writes a number of `serde_json` with the feature `arbitrary_precision`.
    fn write_number_str<W: Write + ?Sized>(&mut self, to: &mut W, value: &str) -> io::Result<()> {
        let number: Number = value.parse()?;
        let magnitude = number.as_i64().map(i64::unsigned_abs).or(number.as_u64());
        let is_exact =
            number.is_f64() || magnitude.is_some_and(|magnitude| magnitude <= MAX_EXACT_INTEGER);
        if is_exact || self.0.key != Key::None {
            return to.write_all(value.as_bytes());
        }
        write!(to, "\"{value}\"")
    }

    /// Writes JSON that is in the value as a text: `serde_json`'s `RawValue`.
    fn write_raw_fragment<W: Write + ?Sized>(&mut self, to: &mut W, json: &str) -> io::Result<()> {
        let (mut text, value) = (Vec::new(), serde_json::from_str::<Value>(json)?);
        let formatter = ValueFormatter(&mut *self.0);
        value.serialize(&mut Serializer::with_formatter(&mut text, formatter))?;
        to.write_all(&text)
    }

    #[inline]
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        to: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if self.0.key != Key::None && self.0.depth == 1 {
            match self.0.key {
                Key::Start => self.0.names.add(fragment.as_bytes()),
                _ => self.0.names = KnownNames::ALL,
            }
            self.0.key = Key::Rest;
        }
        to.write_all(fragment.as_bytes())
    }

    #[inline]
    fn begin_array<W: Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.depth += 1;
        to.write_all(b"[")
    }

    #[inline]
    fn end_array<W: Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.depth = self.0.depth.saturating_sub(1);
        to.write_all(b"]")
    }

    #[inline]
    fn begin_array_value<W: Write + ?Sized>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        self.begin_part(to, first)
    }

    #[inline]
    fn end_array_value<W: Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.0.open -= 1;
        Ok(())
    }

    #[inline]
    fn begin_object<W: Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.depth += 1;
        to.write_all(b"{")
    }

    #[inline]
    fn end_object<W: Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.0.depth = self.0.depth.saturating_sub(1);
        to.write_all(b"}")
    }

    #[inline]
    fn begin_object_key<W: Write + ?Sized>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        self.0.key = Key::Start;
        self.begin_part(to, first)
    }

    #[inline]
    fn end_object_key<W: Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.0.key = Key::None;
        Ok(())
    }

    #[inline]
    fn end_object_value<W: Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.0.open -= 1;
        Ok(())
    }
}
