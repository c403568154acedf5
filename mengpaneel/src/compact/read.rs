//! Reading what was written: whole, or only looking.

use serde_json::{Map, Number, Value};
use uuid::Uuid;

use super::seen::{Seen, Visit};
use super::{NUMBERED, OTHER};
use crate::call::{Call, Calls, Method};
use crate::parcel::Parcel;

/// The name of the parcel that was written.
pub fn id(written: &[u8]) -> Option<Uuid> {
    written.first_chunk().copied().map(Uuid::from_bytes)
}

/// What was written, from its begin: name and visit, then calls.
pub fn begin(written: &[u8]) -> Option<(Uuid, Visit<'_>, Reader<'_>)> {
    let mut reader = Reader(written);
    let id = Uuid::from_bytes(reader.bytes()?);
    let flags = reader.byte()?;
    let visit = Visit {
        cookie: reader.optional_text()?,
        ip: reader.optional_text()?,
        user_agent: reader.optional_text()?,
        url: reader.optional_text()?,
        referrer: reader.optional_text()?,
        has_session: flags & 2 != 0,
        via_server: flags & 1 != 0,
    };
    Some((id, visit, reader))
}

/// Whether it is a parcel that was written, and nothing else.
#[cfg(any(test, feature = "file", feature = "redis"))]
pub fn is_whole(written: &[u8]) -> bool {
    let whole = || {
        let (_, _, mut reader) = begin(written)?;
        for _ in 0..4 {
            reader.each(Reader::skip_call)?;
        }
        reader.0.is_empty().then_some(())
    };
    whole().is_some()
}

/// The parcel that was written. `None` only where something else was.
pub fn read(written: &[u8]) -> Option<Parcel> {
    let (id, visit, mut reader) = begin(written)?;
    let context = reader.many(Reader::call)?;
    let calls = Calls {
        before_setup: reader.many(Reader::call)?,
        setup: reader.many(Reader::call)?,
        tracking: reader.many(Reader::call)?,
    };
    Some(Parcel { id, visitor: visit.to_visitor(), context, calls, via_server: visit.via_server })
}

/// What is left to be read: the calls of the context, of each mode, each behind their number.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    /// How many follow.
    pub fn len(&mut self) -> Option<usize> {
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

    fn take(&mut self, len: usize) -> Option<&'a str> {
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = self.len()?;
        self.take(len)
    }

    #[expect(clippy::option_option, reason = "there may be none, or nothing that can be read")]
    fn optional_text(&mut self) -> Option<Option<&'a str>> {
        match self.len()?.checked_sub(1) {
            Some(len) => Some(Some(self.take(len)?)),
            None => Some(None),
        }
    }

    /// The method of the call that follows, if it is a common one; then the number of its arguments.
    pub fn seen_method(&mut self) -> Option<&'static Method> {
        static COMMON: [Method; 12] = NUMBERED;
        COMMON.get(usize::from(self.byte()?))
    }

    /// The value that follows, if it holds no others.
    pub fn seen(&mut self) -> Option<Seen<'a>> {
        Some(match self.byte()? {
            b'0' => Seen::Null,
            b'f' => Seen::Bool(false),
            b't' => Seen::Bool(true),
            b'u' => Seen::Natural(u64::from_le_bytes(self.bytes()?)),
            b'i' => Seen::Integer(i64::from_le_bytes(self.bytes()?)),
            b'd' => Seen::Float(f64::from_le_bytes(self.bytes()?)),
            b's' => Seen::Text(self.text()?),
            _ => return None,
        })
    }

    /// The members of the object that follows, if it is one and they hold no others.
    pub fn seen_members(&mut self) -> Option<Vec<(&'a str, Seen<'a>)>> {
        if self.byte()? != b'o' {
            return None;
        }
        self.many(|reader| Some((reader.text()?, reader.seen()?)))
    }

    fn many<T>(&mut self, one: fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let len = self.len()?;
        // What is no parcel may say that any number follows.
        let mut all = Vec::with_capacity(len.min(64));
        for _ in 0..len {
            all.push(one(self)?);
        }
        Some(all)
    }

    #[cfg(any(test, feature = "file", feature = "redis"))]
    fn each(&mut self, one: fn(&mut Self) -> Option<()>) -> Option<()> {
        (0..self.len()?).try_for_each(|_| one(self))
    }

    #[cfg(any(test, feature = "file", feature = "redis"))]
    fn skip_call(&mut self) -> Option<()> {
        match self.byte()? {
            OTHER => Method::from_path(&self.many(Self::text)?).map(drop)?,
            number => NUMBERED.get(usize::from(number)).map(drop)?,
        }
        self.each(Self::skip_value)
    }

    #[cfg(any(test, feature = "file", feature = "redis"))]
    fn skip_value(&mut self) -> Option<()> {
        match self.0.first()? {
            b'a' | b'o' | b'n' => {}
            b'd' => return matches!(self.seen()?, Seen::Float(float) if float.is_finite()).then_some(()),
            _ => return self.seen().map(drop),
        }
        match self.byte()? {
            b'a' => self.each(Self::skip_value),
            b'o' => self.each(|reader| reader.text().and_then(|_| reader.skip_value())),
            _ => self.text()?.parse::<Number>().map(drop).ok(),
        }
    }

    fn call(&mut self) -> Option<Call> {
        let method = match self.byte()? {
            OTHER => Method::from_path(&self.many(Self::text)?)?,
            number => NUMBERED.get(usize::from(number))?.clone(),
        };
        Some(Call::new(method, self.many(Self::value)?))
    }

    fn value(&mut self) -> Option<Value> {
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
