//! Reading what was written: whole, or only looking.

use uuid::Uuid;

use crate::call::value::Decoder;
use crate::call::{Args, Call, Calls, Method};
use crate::record::envelope::Envelope;
use crate::record::envelope::codec::visitor_ref::VisitorRef;
use crate::record::envelope::codec::{CUSTOM_METHOD, METHOD_CODES};

/// The name of the parcel that was written.
pub(crate) fn id(written: &[u8]) -> Option<Uuid> {
    written.first_chunk().copied().map(Uuid::from_bytes)
}

/// What was written, from its begin: name and visit, then calls: of the context, of each mode, each
/// behind their number.
pub(crate) fn decode_header(written: &[u8]) -> Option<(Uuid, VisitorRef<'_>, Decoder<'_>)> {
    let mut reader = Decoder::new(written);
    let id = Uuid::from_bytes(reader.bytes()?);
    let flags = reader.byte()?;
    let visit = VisitorRef {
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
    Some((id, visit, reader))
}

/// Whether it is a parcel that was written, and nothing else.
#[cfg(any(test, feature = "file", feature = "redis"))]
pub(crate) fn validate(written: &[u8]) -> bool {
    let whole = || {
        let (_, _, mut reader) = decode_header(written)?;
        for _ in 0..4 {
            (0..reader.len()?).try_for_each(|_| reader.skip_call())?;
        }
        (reader.remaining() == 0).then_some(())
    };
    whole().is_some()
}

/// The parcel that was written. `None` only where something else was.
pub(crate) fn decode(written: &[u8]) -> Option<Envelope> {
    let (id, visit, mut reader) = decode_header(written)?;
    let context = reader.many(Decoder::call)?;
    let calls = Calls {
        before_setup: reader.many(Decoder::call)?,
        setup: reader.many(Decoder::call)?,
        tracking: reader.many(Decoder::call)?,
    };
    Some(Envelope {
        id,
        visitor: visit.to_visitor(),
        context,
        calls,
        via_server: visit.via_server,
    })
}

impl<'a> Decoder<'a> {
    #[expect(
        clippy::option_option,
        reason = "there may be none, or nothing that can be read"
    )]
    fn optional_text(&mut self) -> Option<Option<&'a str>> {
        match self.len()?.checked_sub(1) {
            Some(len) => Some(Some(self.take(len)?)),
            None => Some(None),
        }
    }

    /// The method of the call that follows, if it is a common one; then the number of its
    /// arguments.
    pub(crate) fn seen_method(&mut self) -> Option<&'static Method> {
        METHOD_CODES.get(usize::from(self.byte()?))
    }

    #[cfg(any(test, feature = "file", feature = "redis"))]
    fn skip_call(&mut self) -> Option<()> {
        match self.byte()? {
            CUSTOM_METHOD => Method::from_path(&self.many(Self::text)?).map(drop)?,
            number => METHOD_CODES.get(usize::from(number)).map(drop)?,
        }
        (0..self.len()?).try_for_each(|_| self.validate().map(drop))
    }

    fn call(&mut self) -> Option<Call> {
        let method = match self.byte()? {
            CUSTOM_METHOD => Method::from_path(&self.many(Self::text)?)?,
            number => METHOD_CODES.get(usize::from(number))?.clone(),
        };
        let len = self.len()?;
        let (args, mut is_ordered) = (*self, true);
        for _ in 0..len {
            is_ordered &= self.validate()?;
        }
        let mut args = args;
        let written = args.take_bytes(args.remaining() - self.remaining())?;
        if is_ordered {
            return Some(Call::with_args(method, Args::from_encoded(len, written)));
        }
        // Written by a build whose JSON keeps names as they come.
        let mut values = Decoder::new(written);
        Some(Call::new(
            method,
            (0..len).map(|_| values.value()).collect::<Option<_>>()?,
        ))
    }
}
