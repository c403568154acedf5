//! Decoding of envelopes, whole or in part.

use std::borrow::Cow;

use uuid::Uuid;

use crate::call::value::Decoder;
use crate::call::{Args, Call, Calls, Method};
use crate::record::envelope::Envelope;
use crate::record::envelope::codec::visitor_ref::VisitorRef;
use crate::record::envelope::codec::{CUSTOM_METHOD, METHOD_CODES};

/// Splits off bytes that were written after their length. `None` if they are truncated.
pub(crate) fn split_bytes(encoded: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut decoder = Decoder::new(encoded);
    let len = decoder.len()?;
    let bytes = decoder.take_bytes(len)?;
    Some((bytes, decoder.take_bytes(decoder.remaining())?))
}

/// Decodes the visitor. The returned decoder is at the calls: those of the context, then of each
/// mode, each list after its length. `None` if the data is malformed.
pub(crate) fn decode_header(encoded: &[u8]) -> Option<(VisitorRef<'_>, Decoder<'_>)> {
    let mut decoder = Decoder::new(encoded);
    let flags = decoder.byte()?;
    let visitor = VisitorRef {
        cookie: decoder.optional_text()?,
        ip: decoder.optional_text()?,
        user_agent: decoder.optional_text()?,
        url: decoder.optional_text()?,
        referrer: decoder.optional_text()?,
        has_session: flags & 2 != 0,
        via_server: flags & 1 != 0,
        omitted: if flags & 4 == 0 {
            None
        } else {
            Some(decoder.text()?)
        },
    };
    Some((visitor, decoder))
}

/// Returns whether the data is exactly one encoded envelope.
pub(crate) fn validate(encoded: &[u8]) -> bool {
    let decode_all = || {
        let (_, mut decoder) = decode_header(encoded)?;
        for _ in 0..4 {
            (0..decoder.len()?).try_for_each(|_| decoder.skip_call())?;
        }
        (decoder.remaining() == 0).then_some(())
    };
    decode_all().is_some()
}

/// Decodes an envelope. `None` only if the data is not an encoded envelope.
pub(crate) fn decode(id: Uuid, encoded: &[u8]) -> Option<Envelope> {
    let (visitor, mut decoder) = decode_header(encoded)?;
    let context = decoder.many(Decoder::call)?;
    let calls = Calls {
        before_setup: decoder.many(Decoder::call)?,
        setup: decoder.many(Decoder::call)?,
        tracking: decoder.many(Decoder::call)?,
    };
    if decoder.remaining() > 0 {
        return None;
    }
    Some(Envelope {
        id,
        visitor: visitor.to_visitor(),
        context,
        calls,
        via_server: visitor.via_server,
    })
}

/// Returns the call at an index: the calls of all modes are counted, in the order in which they
/// run, and those of the context are not. `None` if there is no such call.
pub(crate) fn call_at(encoded: &[u8], index: usize) -> Option<Call> {
    let (_, mut decoder) = decode_header(encoded)?;
    (0..decoder.len()?).try_for_each(|_| decoder.skip_call())?;
    let mut preceding = index;
    for _ in 0..3 {
        let len = decoder.len()?;
        (0..len.min(preceding)).try_for_each(|_| decoder.skip_call())?;
        if preceding < len {
            return decoder.call();
        }
        preceding -= len;
    }
    None
}

impl<'a> Decoder<'a> {
    #[expect(
        clippy::option_option,
        reason = "the outer `None` is malformed data, the inner one an absent text"
    )]
    fn optional_text(&mut self) -> Option<Option<&'a str>> {
        match self.len()?.checked_sub(1) {
            Some(len) => Some(Some(self.take(len)?)),
            None => Some(None),
        }
    }

    /// Reads the method of the next call; the number of its arguments follows.
    #[inline]
    pub(crate) fn method(&mut self) -> Option<Cow<'static, Method>> {
        match self.byte()? {
            CUSTOM_METHOD => Method::from_path(&self.many(Self::text)?).map(Cow::Owned),
            code => METHOD_CODES.get(usize::from(code)).map(Cow::Borrowed),
        }
    }

    fn skip_call(&mut self) -> Option<()> {
        self.method()?;
        (0..self.len()?).try_for_each(|_| self.validate().map(drop))
    }

    /// Reads a call.
    pub(crate) fn call(&mut self) -> Option<Call> {
        let method = self.method()?.into_owned();
        let len = self.len()?;
        let (mut args, mut is_ordered) = (*self, true);
        for _ in 0..len {
            is_ordered &= self.validate()?;
        }
        let encoded = args.take_bytes(args.remaining() - self.remaining())?;
        if is_ordered {
            return Some(Call::with_args(method, Args::from_encoded(len, encoded)));
        }
        // Written by a build whose JSON objects preserve the order of their names.
        let mut values = Decoder::new(encoded);
        Some(Call::new(
            method,
            (0..len).map(|_| values.value()).collect::<Option<_>>()?,
        ))
    }
}
