//! Decoding of envelopes, whole or in part.

use std::borrow::Cow;

use serde_json::Value;
use uuid::Uuid;

use crate::call::json::{JsonRef, KnownNames};
use crate::call::{Args, Call, Calls, Method};
use crate::record::envelope::Envelope;
use crate::record::envelope::codec::reader::Reader;
use crate::record::envelope::codec::visitor_ref::VisitorRef;
use crate::record::envelope::codec::{CUSTOM_METHOD, METHOD_CODES};

/// Splits off bytes that were written after their length. `None` if they are truncated.
pub(crate) fn split_bytes(encoded: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = Reader::new(encoded);
    let bytes = reader.bytes()?;
    Some((bytes, reader.rest()))
}

/// Decodes the visitor. The returned reader is at the calls: those of the context, then of each
/// mode, each list after its length. `None` if the data is malformed.
pub(crate) fn decode_header(encoded: &[u8]) -> Option<(VisitorRef<'_>, Reader<'_>)> {
    let mut reader = Reader::new(encoded);
    let flags = reader.byte()?;
    let visitor = VisitorRef {
        cookie: reader.optional_text()?,
        ip: reader.optional_text()?,
        user_agent: reader.optional_text()?,
        url: reader.optional_text()?,
        referrer: reader.optional_text()?,
        has_session: flags & 2 != 0,
        via_server: flags & 1 != 0,
        omitted: if flags & 4 == 0 {
            None
        } else {
            Some(reader.text()?)
        },
    };
    Some((visitor, reader))
}

/// Returns whether the data is exactly one encoded envelope.
pub(crate) fn validate(encoded: &[u8]) -> bool {
    let decode_all = || {
        let (_, mut reader) = decode_header(encoded)?;
        for _ in 0..4 {
            (0..reader.len()?).try_for_each(|_| reader.check_call())?;
        }
        (reader.is_at_end()).then_some(())
    };
    decode_all().is_some()
}

/// Decodes an envelope. `None` only if the data is not an encoded envelope.
pub(crate) fn decode(id: Uuid, encoded: &[u8]) -> Option<Envelope> {
    let (visitor, mut reader) = decode_header(encoded).filter(|_| validate(encoded))?;
    let context = reader.many(Reader::call)?;
    let calls = Calls {
        before_setup: reader.many(Reader::call)?,
        setup: reader.many(Reader::call)?,
        tracking: reader.many(Reader::call)?,
    };
    Some(Envelope {
        id,
        visitor: visitor.to_visitor(),
        context,
        calls,
        via_server: visitor.via_server,
    })
}

/// Returns the call at a byte position. `None` if there is no call.
pub(crate) fn call_at(encoded: &[u8], position: usize) -> Option<Call> {
    Reader::new(encoded.get(position..)?).call()
}

impl<'a> Reader<'a> {
    #[expect(
        clippy::option_option,
        reason = "the outer `None` is malformed data, the inner one an absent text"
    )]
    fn optional_text(&mut self) -> Option<Option<&'a str>> {
        match self.len()?.checked_sub(1) {
            Some(len) => Some(Some(std::str::from_utf8(self.take(len)?).ok()?)),
            None => Some(None),
        }
    }

    /// Reads the method of the next call; its arguments follow.
    #[inline]
    pub(crate) fn method(&mut self) -> Option<Cow<'static, Method>> {
        match self.byte()? {
            CUSTOM_METHOD => Method::from_path(&self.many(Self::text)?).map(Cow::Owned),
            code => METHOD_CODES.get(usize::from(code)).map(Cow::Borrowed),
        }
    }

    /// Reads the arguments of a call: their number, the names of an event's properties, and their
    /// JSON list.
    #[inline]
    pub(crate) fn args(&mut self) -> Option<(usize, KnownNames, JsonRef<'a>)> {
        let (len, names) = (self.len()?, KnownNames::from_byte(self.byte()?));
        Some((len, names, JsonRef::new(self.bytes()?)))
    }

    /// Reads a call, and checks that its arguments are valid JSON.
    fn check_call(&mut self) -> Option<()> {
        self.method()?;
        let (len, _, json) = self.args()?;
        let args: Vec<Value> = serde_json::from_slice(json.as_bytes()).ok()?;
        (args.len() == len).then_some(())
    }

    /// Reads a call.
    pub(crate) fn call(&mut self) -> Option<Call> {
        let method = self.method()?;
        let (len, names, json) = self.args()?;
        let args = Args::from_json(len, json.as_bytes(), names);
        Some(Call::with_args(method.into_owned(), args))
    }
}
