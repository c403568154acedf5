//! Reading what was written: whole, or only looking.

use uuid::Uuid;

use crate::call::value::Reader;
use crate::call::{Args, Call, Calls, Method};
use crate::record::envelope::Parcel;
use crate::record::envelope::codec::visitor_ref::Visit;
use crate::record::envelope::codec::{NUMBERED, OTHER};

/// The name of the parcel that was written.
pub(crate) fn id(written: &[u8]) -> Option<Uuid> {
    written.first_chunk().copied().map(Uuid::from_bytes)
}

/// What was written, from its begin: name and visit, then calls: of the context, of each mode, each
/// behind their number.
pub(crate) fn begin(written: &[u8]) -> Option<(Uuid, Visit<'_>, Reader<'_>)> {
    let mut reader = Reader::of(written);
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
pub(crate) fn is_whole(written: &[u8]) -> bool {
    let whole = || {
        let (_, _, mut reader) = begin(written)?;
        for _ in 0..4 {
            (0..reader.len()?).try_for_each(|_| reader.skip_call())?;
        }
        (reader.left() == 0).then_some(())
    };
    whole().is_some()
}

/// The parcel that was written. `None` only where something else was.
pub(crate) fn read(written: &[u8]) -> Option<Parcel> {
    let (id, visit, mut reader) = begin(written)?;
    let context = reader.many(Reader::call)?;
    let calls = Calls {
        before_setup: reader.many(Reader::call)?,
        setup: reader.many(Reader::call)?,
        tracking: reader.many(Reader::call)?,
    };
    Some(Parcel {
        id,
        visitor: visit.to_visitor(),
        context,
        calls,
        via_server: visit.via_server,
    })
}

impl<'a> Reader<'a> {
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
        NUMBERED.get(usize::from(self.byte()?))
    }

    #[cfg(any(test, feature = "file", feature = "redis"))]
    fn skip_call(&mut self) -> Option<()> {
        match self.byte()? {
            OTHER => Method::from_path(&self.many(Self::text)?).map(drop)?,
            number => NUMBERED.get(usize::from(number)).map(drop)?,
        }
        (0..self.len()?).try_for_each(|_| self.pass_value().map(drop))
    }

    fn call(&mut self) -> Option<Call> {
        let method = match self.byte()? {
            OTHER => Method::from_path(&self.many(Self::text)?)?,
            number => NUMBERED.get(usize::from(number))?.clone(),
        };
        let len = self.len()?;
        let (args, mut is_ordered) = (*self, true);
        for _ in 0..len {
            is_ordered &= self.pass_value()?;
        }
        let mut args = args;
        let written = args.take_bytes(args.left() - self.left())?;
        if is_ordered {
            return Some(Call::with(method, Args::of_written(len, written)));
        }
        // Written by a build whose JSON keeps names as they come.
        let mut values = Reader::of(written);
        Some(Call::new(
            method,
            (0..len).map(|_| values.value()).collect::<Option<_>>()?,
        ))
    }
}
